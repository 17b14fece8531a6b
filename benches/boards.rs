//! The figure `boards`: a board of 1 M members; gifts of random senders are counted on the boards of all periods, and each
//! sender's rank is asked for. Beside it a sorted set in Redis, which counts one board: increment and rank in one script,
//! pipelined, over a unix socket.
//!
//! `LIVEHOUSE_BENCH_MEMBERS` and `LIVEHOUSE_BENCH_UPDATES` set other numbers.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domain::event::GiftSent;
use domain::{Event, SessionNumber};
use projections::views::BoardView;
use projections::{Fact, Projection, Span, Zone};

/// Gifts between two commits: what the runner of the views takes within its 10 ms at the figure's rate is five times that.
const COMMIT_GIFTS: u64 = 1_000;
/// Commands in one piece of the pipeline to Redis.
const PIPELINE: u64 = 1_000;
const BEGIN_MS: i64 = 1_763_656_200_000;
/// Streamers who are given to, with the numbers behind the senders'.
const STREAMERS: u32 = 1_000;
const SCRIPT: &str =
    "redis.call('ZINCRBY', KEYS[1], ARGV[1], ARGV[2]) return redis.call('ZREVRANK', KEYS[1], ARGV[2])";

fn main() {
    let members = support::setting("LIVEHOUSE_BENCH_MEMBERS").unwrap_or(1_000_000) as u32;
    let updates = support::setting("LIVEHOUSE_BENCH_UPDATES").unwrap_or(2_000_000);
    support::machine();
    let (rate, mut ranks_ns) = ours(members, updates);
    let name = format!(
        "board of {members} members: a gift on the boards of all periods and the sender's rank (at least 500,000)"
    );
    match redis(members, updates / 4) {
        Some(theirs) => support::figure_beside(
            &name,
            rate,
            "/s",
            "Redis, one sorted set, update and rank in one script",
            theirs,
        ),
        None => {
            support::figure(&name, rate, "/s");
            println!("Redis is not installed: nothing to hold it against");
        }
    }
    ranks_ns.sort_unstable();
    let p99 = ranks_ns[ranks_ns.len() * 99 / 100];
    support::figure("rank on that board, p99 (at most 20)", p99 as f64 / 1e3, "us");
}

/// One gift as the view sees it.
fn count(view: &mut BoardView, place: u64, sender: u32, streamer: u32, event: &Event) {
    view.apply(&Fact {
        place,
        at_ms: BEGIN_MS,
        key: "",
        who: sender,
        whom: streamer,
        event,
    });
}

fn gift(coins: u64) -> Event {
    GiftSent {
        room: "star".parse().expect("an id"),
        session: SessionNumber(1),
        gift: "rose".parse().expect("an id"),
        count: 1,
        coins,
        tickets: coins,
        coins_left: 0,
        combo: None,
    }
    .into()
}

/// Updates and ranks per second, and how long the ranks took.
fn ours(members: u32, updates: u64) -> (f64, Vec<u64>) {
    let mut random = fastrand::Rng::with_seed(5);
    let mut view = BoardView::new(Zone::shanghai());
    let gifts: Vec<Event> = (1..=1_000).map(gift).collect();
    for sender in 0..members {
        let streamer = members + random.u32(..STREAMERS);
        count(
            &mut view,
            u64::from(sender) + 1,
            sender,
            streamer,
            &gifts[random.usize(..1_000)],
        );
    }
    view.settle();
    let mut ranks_ns = Vec::new();
    let mut senders = Vec::new();
    let mut sum = 0;
    let began = Instant::now();
    for n in 1..=updates {
        let sender = random.u32(..members);
        // Everybody gives to one streamer mostly, as people do.
        let streamer = members + sender % STREAMERS;
        let place = u64::from(members) + n;
        count(&mut view, place, sender, streamer, &gifts[random.usize(..1_000)]);
        senders.push(sender);
        if n.is_multiple_of(COMMIT_GIFTS) {
            view.settle();
            for (at, sender) in senders.drain(..).enumerate() {
                let asked = at.is_multiple_of(16).then(Instant::now);
                sum += view.sender_rank(Span::All, sender).expect("it has given").0;
                ranks_ns.extend(asked.map(|asked| asked.elapsed().as_nanos() as u64));
            }
        }
    }
    let rate = updates as f64 / began.elapsed().as_secs_f64();
    std::hint::black_box(sum);
    (rate, ranks_ns)
}

/// The same of one sorted set in Redis, as Debian packages it. `None` = it is not installed.
fn redis(members: u32, updates: u64) -> Option<f64> {
    let directory = support::directory();
    let socket = directory.path().join("redis");
    let mut server = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let rate = talk(&socket, members, updates);
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    Some(rate)
}

fn talk(socket: &Path, members: u32, updates: u64) -> f64 {
    let end = Instant::now() + Duration::from_secs(5);
    let stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < end, "Redis does not answer: {error}"),
        }
        std::thread::yield_now();
    };
    let mut replies = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut stream = stream;
    let mut random = fastrand::Rng::with_seed(5);
    send(&mut stream, &[&["SCRIPT", "LOAD", SCRIPT]]);
    let digest = reply(&mut replies);
    let all: Vec<u32> = (0..members).collect();
    for piece in all.chunks(PIPELINE as usize) {
        let scores: Vec<(String, String)> = piece
            .iter()
            .map(|member| (random.u32(1..1_000).to_string(), format!("user{member:07}")))
            .collect();
        let commands: Vec<[&str; 4]> = scores
            .iter()
            .map(|(score, member)| ["ZADD", "b", score, member])
            .collect();
        exchange(&mut stream, &mut replies, &commands);
    }
    let began = Instant::now();
    for _ in 0..updates / PIPELINE {
        let gifts: Vec<(String, String)> = (0..PIPELINE)
            .map(|_| {
                (
                    random.u32(1..1_000).to_string(),
                    format!("user{:07}", random.u32(..members)),
                )
            })
            .collect();
        let commands: Vec<[&str; 6]> = gifts
            .iter()
            .map(|(score, member)| ["EVALSHA", &digest, "1", "b", score, member])
            .collect();
        exchange(&mut stream, &mut replies, &commands);
    }
    (updates / PIPELINE * PIPELINE) as f64 / began.elapsed().as_secs_f64()
}

fn exchange<const N: usize>(stream: &mut UnixStream, replies: &mut impl BufRead, commands: &[[&str; N]]) {
    let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
    send(stream, &commands);
    for _ in &commands {
        reply(replies);
    }
}

fn send(stream: &mut UnixStream, commands: &[&[&str]]) {
    let mut bytes = Vec::new();
    for command in commands {
        write!(bytes, "*{}\r\n", command.len()).expect("memory");
        for word in *command {
            write!(bytes, "${}\r\n{word}\r\n", word.len()).expect("memory");
        }
    }
    stream.write_all(&bytes).expect("Redis takes it");
}

/// One answer: a number or a text; an error ends the measurement.
fn reply(replies: &mut impl BufRead) -> String {
    let mut line = String::new();
    replies.read_line(&mut line).expect("Redis answers");
    let line = line.trim_end();
    let Some(len) = line.strip_prefix('$') else {
        assert!(
            line.starts_with(':') || line.starts_with('+'),
            "Redis says {line}"
        );
        return line[1..].to_owned();
    };
    let len: usize = len.parse().expect("a length");
    let mut text = vec![0; len + 2];
    replies.read_exact(&mut text).expect("Redis answers");
    String::from_utf8(text).expect("text").trim_end().to_owned()
}
