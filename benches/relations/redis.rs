//! The peer of the memory of a follower set: a Redis set of the same members, as Redis counts it. The server (Debian:
//! `redis-server`) is started for this, without persistence, and stopped afterwards.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Members of one command.
const MEMBERS_PER_COMMAND: usize = 1_000;
const START: Duration = Duration::from_secs(10);

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Bytes of a set of these members.
pub fn bytes_of_set(directory: &Path, members: impl Iterator<Item = u32>) -> Result<u64, String> {
    let socket = directory.join("redis.sock");
    let child = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("Redis is not installed (Debian: apt-get install redis-server): {e}"))?;
    let _server = Server(child);
    let began = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(error) if began.elapsed() > START => return Err(error.to_string()),
            Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
        }
    };
    let mut answers = BufReader::new(stream.try_clone().map_err(|e| e.to_string())?);
    let mut members = members.map(|member| member.to_string()).peekable();
    while members.peek().is_some() {
        let some: Vec<String> = members.by_ref().take(MEMBERS_PER_COMMAND).collect();
        ask(
            &mut stream,
            &mut answers,
            ["SADD", "fans"]
                .into_iter()
                .chain(some.iter().map(String::as_str)),
        )?;
    }
    ask(
        &mut stream,
        &mut answers,
        ["MEMORY", "USAGE", "fans", "SAMPLES", "0"].into_iter(),
    )
}

/// One command whose answer is a number.
fn ask<'a>(
    stream: &mut UnixStream,
    answers: &mut impl BufRead,
    words: impl Iterator<Item = &'a str>,
) -> Result<u64, String> {
    let words: Vec<&str> = words.collect();
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(command.as_bytes()).map_err(|e| e.to_string())?;
    let mut line = String::new();
    answers.read_line(&mut line).map_err(|e| e.to_string())?;
    let number = line
        .strip_prefix(':')
        .and_then(|number| number.trim().parse().ok());
    number.ok_or_else(|| format!("Redis said: {line}"))
}
