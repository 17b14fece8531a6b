//! A real server as a child process, for the tests that look at it from outside.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The binary under test.
pub(crate) const LIVEHOUSE: &str = env!("CARGO_BIN_EXE_livehouse");

/// A running `livehouse demo --no-crowd`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Its address, as in `127.0.0.1:34567`.
    pub(crate) address: String,
}

impl Server {
    /// Starts on a free port and waits until it serves.
    #[allow(dead_code, reason = "not every test binary wants it as it is")]
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_at(data, "127.0.0.1:0")
    }

    /// Starts on this address and waits until it serves.
    pub(crate) fn start_at(data: &Path, listen: &str) -> Self {
        let mut demo = Command::new(LIVEHOUSE);
        demo.args(["demo", "--no-crowd", "--listen", listen, "--data"])
            .arg(data)
            .env("LIVEHOUSE_LOG_FILTER", "warn");
        Self::spawn(&mut demo)
    }

    /// Runs a command that serves, and waits until it does.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("stdout can be read");
        let address = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        assert!(
            !address.is_empty(),
            "the server ended without serving: {:?}",
            child.wait()
        );
        Self { child, address }
    }

    /// Its process.
    #[allow(dead_code, reason = "for figures: what it costs")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended by itself.
    #[allow(dead_code, reason = "not every test binary has a server that ends by itself")]
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("the server can be waited for")
    }

    /// kill -9, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server can be waited for");
    }

    /// SIGTERM, and waits until it has stopped by itself.
    #[allow(dead_code, reason = "not every test binary stops its server this way")]
    pub(crate) fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        self.child.wait().expect("the server can be waited for")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a verb to its end: exit code, standard output, standard error.
pub(crate) fn livehouse(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(LIVEHOUSE)
        .args(args)
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}
