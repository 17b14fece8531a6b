//! Starting other programs: with a log, with a time limit, or in our place.
//!
//! A child stays in our process group, so that Ctrl-C at a terminal reaches everything. It must never outlive its time
//! limit, nor leave behind the children it started when it is killed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// A command as data: what to run, where, with which variables.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Program and arguments.
    pub(crate) words: Vec<String>,
    /// Working directory, relative to the clone.
    pub(crate) dir: &'static str,
    /// Variables on top of ours.
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Line {
    /// A command in the root of the clone, split at blanks.
    pub(crate) fn new(words: &str) -> Self {
        Self {
            words: words.split_whitespace().map(str::to_owned).collect(),
            dir: ".",
            env: Vec::new(),
        }
    }

    /// In another directory of the clone.
    pub(crate) fn in_dir(mut self, dir: &'static str) -> Self {
        self.dir = dir;
        self
    }

    /// With a variable.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// What a person types in the root of the clone to run it again.
    pub(crate) fn to_repeat(&self) -> String {
        let env = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words: Vec<String> = env.chain(self.words.iter().map(|word| quoted(word))).collect();
        match self.dir {
            "." => words.join(" "),
            dir => format!("(cd {dir} && {})", words.join(" ")),
        }
    }

    fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(self.words.first().map_or("", String::as_str));
        command
            .args(self.words.iter().skip(1))
            .current_dir(root.join(self.dir))
            .stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn failed(&self, outcome: impl Into<String>) -> Failure {
        Failure::Command {
            line: self.to_repeat(),
            outcome: outcome.into(),
        }
    }

    /// Runs it to the end with our own output.
    pub(crate) fn run(&self, root: &Path) -> Result<(), Failure> {
        let status = self
            .command(root)
            .status()
            .map_err(|e| self.failed(format!("cannot start `{}`: {e}", self.words.join(" "))))?;
        if status.success() {
            Ok(())
        } else {
            Err(self.failed(format!("`{}` failed: {status}", self.words.join(" "))))
        }
    }

    /// Runs it to the end with its output in a file; kills it and all it started when the limit is over.
    pub(crate) fn run_logged(&self, root: &Path, log: &Path, limit: Duration) -> Result<(), Failure> {
        let about_log = || format!("the log {}", log.display());
        let out = File::create(log).map_err(|e| Failure::io(about_log(), e))?;
        let err = out.try_clone().map_err(|e| Failure::io(about_log(), e))?;
        let child = self
            .command(root)
            // A log is for reading later: no colours in it.
            .envs([("CARGO_TERM_COLOR", "never"), ("NO_COLOR", "1"), ("TERM", "dumb")])
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|e| self.failed(format!("cannot start `{}`: {e}", self.words.join(" "))))?;
        match wait(child, limit)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.failed(format!("failed: {status}"))),
            None => Err(self.failed(format!("not done after {} minutes: killed", limit.as_secs() / 60))),
        }
    }

    /// Becomes that program; comes back only when it cannot be started. Signals then are the program's own business.
    pub(crate) fn become_it(&self, root: &Path) -> Failure {
        use std::os::unix::process::CommandExt;
        let error = self.command(root).exec();
        self.failed(format!("cannot start `{}`: {error}", self.words.join(" ")))
    }
}

/// As the shell wants it: in quotes when there is anything in it that the shell would read.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Waits for the child; `None` when the limit was over first and it was killed.
fn wait(mut child: Child, limit: Duration) -> Result<Option<ExitStatus>, Failure> {
    let pid = child.id();
    let (tell, told) = mpsc::sync_channel(1);
    // The thread ends with the child, which the limit ends at the latest.
    let waiter = std::thread::spawn(move || {
        // Nobody listens any more when the limit was over: then the outcome is known.
        tell.send(child.wait()).ok();
    });
    let deadline = Instant::now() + limit;
    let outcome = match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(status) => status.map(Some),
        Err(RecvTimeoutError::Timeout) => {
            kill_family(pid);
            Ok(None)
        }
        Err(RecvTimeoutError::Disconnected) => Err(std::io::Error::other("the waiting thread died")),
    };
    if waiter.join().is_err() {
        return Err(Failure::Missing(
            "the thread that waits for a child died: run it again".into(),
        ));
    }
    outcome.map_err(|e| Failure::io("waiting for a child", e))
}

/// Kills a process and everything that descends from it. Stops them first, so that none starts another meanwhile.
fn kill_family(pid: u32) {
    let mut family = vec![pid];
    let mut seen = 0;
    while let Some(parent) = family.get(seen).copied() {
        signal("-STOP", parent);
        within_a_second(|| !runs(parent));
        family.extend(children_of(parent));
        seen += 1;
    }
    for member in family {
        signal("-KILL", member);
    }
}

fn signal(name: &str, pid: u32) {
    // It may be gone already: that is what is wanted.
    Command::new("kill")
        .args([name, &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .ok();
}

/// Signals take effect when the kernel finds the time: asks until it is so, or a second is over.
fn within_a_second(is_so: impl Fn() -> bool) -> bool {
    let asked = Instant::now();
    while !is_so() {
        if asked.elapsed() > Duration::from_secs(1) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Whether it is neither gone, nor dead, nor stopped.
fn runs(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| !["T", "t", "Z", "X"].contains(&state.as_str()))
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| state_and_parent(*pid).is_some_and(|(_, its_parent)| its_parent == parent))
        .collect()
}

/// The third and fourth field of a `stat` file; the second is a name in brackets that may hold anything.
fn state_and_parent(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut after_name = text.rsplit_once(')')?.1.split_whitespace();
    let state = after_name.next()?.to_owned();
    Some((state, after_name.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("livehouse-xtask-{}-{name}.log", std::process::id()))
    }

    #[test]
    fn a_line_says_how_to_repeat_it() {
        let line = Line::new("npm test").in_dir("web").env("PORT", "1");
        assert_eq!(line.to_repeat(), "(cd web && PORT=1 npm test)");
        assert_eq!(Line::new("cargo  fmt").to_repeat(), "cargo fmt");
        let line = Line::new("cargo doc").env("RUSTDOCFLAGS", "-D it's");
        assert_eq!(line.to_repeat(), r"RUSTDOCFLAGS='-D it'\''s' cargo doc");
    }

    #[test]
    fn output_goes_to_the_log_and_failure_is_reported() {
        let log = log("failure");
        let mut line = Line::new("sh -c");
        line.words.push("echo said; exit 3".into());
        let failure = line.run_logged(Path::new("."), &log, Duration::from_secs(60));
        assert!(failure.is_err_and(|f| f.to_string().contains("exit status: 3")));
        assert_eq!(fs::read_to_string(&log).ok().as_deref(), Some("said\n"));
        fs::remove_file(log).expect("the log was just read");
    }

    #[test]
    fn what_takes_too_long_is_killed_with_all_it_started() {
        let log = log("limit");
        let mut line = Line::new("sh -c");
        line.words.push("sleep 600 & echo $!; wait".into());
        let failure = line.run_logged(Path::new("."), &log, Duration::from_millis(500));
        assert!(failure.is_err_and(|f| f.to_string().contains("killed")));
        let grandchild = fs::read_to_string(&log).unwrap_or_default();
        let grandchild = grandchild
            .trim()
            .parse()
            .expect("the shell printed its child's number");
        let is_dead = || state_and_parent(grandchild).is_none_or(|(state, _)| state == "Z" || state == "X");
        assert!(within_a_second(is_dead), "the grandchild lives on");
        fs::remove_file(log).expect("the log was just read");
    }
}
