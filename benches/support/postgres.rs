//! A PostgreSQL with its default durability, on the same disk, driven by pgbench: the peer of several figures. It is started
//! for the figure and stopped afterwards.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().collect();
    versions.sort_by_key(std::fs::DirEntry::file_name);
    versions
        .iter()
        .map(|v| v.path().join("bin"))
        .find(|bin| bin.join("pgbench").exists() && bin.join("initdb").exists())
}

/// A running server; stopped when dropped.
pub struct Server {
    bin: PathBuf,
    home: PathBuf,
    /// The server refuses to run as root: then this user runs it.
    user: Option<(u32, u32)>,
}

impl Server {
    /// Starts one in a directory of its own under this one, with this schema.
    pub fn start(directory: &Path, schema: &str) -> Result<Self, String> {
        let bin = binaries().ok_or("PostgreSQL is not installed (Debian: apt-get install postgresql-15)")?;
        let home = directory.join("postgres");
        std::fs::create_dir(&home).map_err(|e| e.to_string())?;
        let user = unprivileged()?;
        if let Some((uid, gid)) = user {
            chown(&home, Some(uid), Some(gid)).map_err(|e| e.to_string())?;
            // Every directory above must let that user through.
            for above in home.ancestors().skip(1).take(1) {
                let open = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(above, open).map_err(|e| e.to_string())?;
            }
        }
        let server = Self { bin, home, user };
        let data = server.home.join("data");
        let data = data.to_str().ok_or("a directory that is not UTF-8")?;
        server.run("initdb", &["-D", data, "-A", "trust", "-U", "bench"])?;
        let options = format!("-c listen_addresses='' -k {}", server.home.display());
        let log = server.home.join("log");
        let log = log.to_str().ok_or("a directory that is not UTF-8")?;
        server.run("pg_ctl", &["-D", data, "-l", log, "-o", &options, "-w", "start"])?;
        server.run("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-c", schema])?;
        server.run("psql", &["-q", "-c", "vacuum analyze"])?;
        Ok(server)
    }

    /// Runs a script of pgbench with 32 clients for this many seconds; gives its transactions per second.
    pub fn pgbench(&self, text: &str, seconds: u64) -> Result<f64, String> {
        let script = self.home.join("bench.sql");
        std::fs::write(&script, text).map_err(|e| e.to_string())?;
        let script = script.to_str().ok_or("a directory that is not UTF-8")?;
        let seconds = seconds.to_string();
        let said = self.run(
            "pgbench",
            &[
                "-n", "-M", "prepared", "-c", "32", "-j", "2", "-T", &seconds, "-f", script,
            ],
        )?;
        let tps = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        tps.ok_or_else(|| format!("pgbench said: {said}"))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(self.bin.join(program));
        command
            .args(arguments)
            .current_dir(&self.home)
            .stdin(Stdio::null());
        command
            .env("PGHOST", &self.home)
            .env("PGUSER", "bench")
            .env("PGDATABASE", "postgres");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        // The server keeps its output open for ever: what is read goes to files.
        let (out, err) = (self.home.join("out"), self.home.join("err"));
        let file = |path: &Path| std::fs::File::create(path).map_err(|e| e.to_string());
        command.stdout(file(&out)?).stderr(file(&err)?);
        let status = command.status().map_err(|e| format!("{program}: {e}"))?;
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        if status.success() {
            Ok(read(&out))
        } else {
            Err(format!("{program}: {}", read(&err)))
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.home.join("data");
        if let Some(data) = data.to_str() {
            _ = self.run("pg_ctl", &["-D", data, "-m", "immediate", "-w", "stop"]);
        }
    }
}

/// Whom to run the server as: nobody else when this is not root, else the user `postgres`.
fn unprivileged() -> Result<Option<(u32, u32)>, String> {
    use std::os::unix::fs::MetadataExt;
    let me = std::fs::metadata("/proc/self").map_err(|e| e.to_string())?.uid();
    if me != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(|e| e.to_string())?;
    let ids = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.map(Some)
        .ok_or_else(|| "root may not run it, and there is no user postgres".to_owned())
}
