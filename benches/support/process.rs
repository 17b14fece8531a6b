//! Processes of a measurement: this program again in another role, or somebody else's server; and what they cost, as
//! the system counts it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const ROLE: &str = "BENCH_ROLE";

/// A process that is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// The role that this process was started for; `None` = it is the one that was started by hand.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// A number that the process was given when it was started.
pub(crate) fn argument<T: std::str::FromStr>(name: &str) -> T {
    let text = std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    text.parse().unwrap_or_else(|_| panic!("{name}: {text}?"))
}

/// For a role: the next line that it is told; empty = it is to end.
pub(crate) fn told() -> String {
    let mut line = String::new();
    // Nobody is there any more: that says the same.
    let _ = std::io::stdin().read_line(&mut line);
    line.trim().to_owned()
}

/// For a role: says a line.
pub(crate) fn tell(line: &str) {
    println!("{line}");
}

impl Process {
    /// This program in another role.
    pub(crate) fn in_role(role: &str, arguments: &[(&str, String)]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program lies somewhere"));
        command.env(ROLE, role);
        command.envs(arguments.iter().map(|(name, value)| (name, value)));
        Self::spawn(&mut command)
    }

    /// Any program.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it can be heard");
        assert!(!line.is_empty(), "it ended: {:?}", self.child.wait());
        line.trim().to_owned()
    }

    /// The numbers of the next line that it says.
    pub(crate) fn numbers(&mut self) -> Vec<f64> {
        let line = self.line();
        let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("no numbers: {line}"));
        line.split(' ').map(number).collect()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it listens");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGTERM, so that a server with children takes them along. It may have ended already.
        let _ = Command::new("kill").arg(self.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// What a process and its children have used and hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Processor time, all threads, user and system.
    pub(crate) cpu_seconds: f64,
    /// Memory that is resident.
    pub(crate) resident_bytes: f64,
}

/// Asks the system.
pub(crate) fn cost(id: u32) -> Cost {
    let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read(format!("/proc/{id}/stat"));
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<f64>().ok())
        .sum();
    let status = read(format!("/proc/{id}/status"));
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    let mut all = Cost {
        cpu_seconds: ticks / 100.0,
        resident_bytes: resident.unwrap_or(0.0) * 1024.0,
    };
    let children = read(format!("/proc/{id}/task/{id}/children"));
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        let its = cost(child);
        all.cpu_seconds += its.cpu_seconds;
        all.resident_bytes += its.resident_bytes;
    }
    all
}
