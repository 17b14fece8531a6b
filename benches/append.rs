//! The figures `append`: durable appends beside the bare disk, the start after kill -9 with ten million events, and the
//! replay of an actor in that journal. Everything through the journal's ports, the load generator included.
//!
//! In that journal also: commands found by their ids, and the walk that verifies it.
//!
//! `LIVEHOUSE_BENCH_EVENTS` sets its number of events (default 10,000,000).

mod support;

#[path = "append/crowd.rs"]
mod crowd;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::event::{ChatSent, Role};
use domain::{StreamId, StreamKind, UserId};
use hdrhistogram::Histogram;
use journal::embedded::{Embedded, EmbeddedWriter, Options, VerifiedWalk, verify};
use journal::{Append, Cause, Expected, Writer, codec};

/// The server's own.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STREAMS: usize = 1_000;
const EVENT_BYTES: usize = 100;
const MEASURED_EVENTS: u64 = 4_000_000;
const WARM_UP_EVENTS: u64 = 400_000;
/// What a command with several effects appends; one event is the rule.
const EVENTS_PER_LARGE_APPEND: u64 = 8;
const REPLAYS: usize = 10_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, child, directory, events] = &arguments[..]
        && child == "--fill"
    {
        return crowd::fill(Path::new(directory), events.parse().expect("a number of events"));
    }
    support::machine();
    let directory = support::directory();
    for per_append in [1, EVENTS_PER_LARGE_APPEND] {
        append(&directory.path().join(format!("append-{per_append}")), per_append);
    }
    let events = std::env::var("LIVEHOUSE_BENCH_EVENTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10_000_000);
    start_and_replay(&directory.path().join("start"), events);
}

/// Durable appends of so many events each, and the same bytes written to the bare disk.
fn append(directory: &Path, per_append: u64) {
    println!("events in an append: {per_append}");
    let (reader, writer) = Embedded::open(directory, Options::default()).expect("an empty directory");
    let writer = Arc::new(writer);
    run(&writer, WARM_UP_EVENTS, per_append);
    let before = verify(directory, |_, _| {}).expect("a good journal");
    let processor = support::cpu_seconds();
    let took = run(&writer, MEASURED_EVENTS, per_append);
    let processor = support::cpu_seconds() - processor;
    writer.close();
    drop(reader);
    let after = verify(directory, |_, _| {}).expect("a good journal");
    let bytes = after.bytes - before.bytes;
    let batches = after.batches - before.batches;
    let events_per_second = MEASURED_EVENTS as f64 / took.as_secs_f64();
    let batch_bytes = (bytes / batches) as usize;
    println!(
        "{MEASURED_EVENTS} events, {} bytes each on disk, {batches} batches of {batch_bytes} bytes on average, {:.2} s",
        bytes / MEASURED_EVENTS,
        took.as_secs_f64()
    );
    println!(
        "processor time: {:.3} us per event, of all threads, the load generator's and the system's included",
        processor * 1e6 / MEASURED_EVENTS as f64
    );
    let ours = bytes as f64 / took.as_secs_f64() / 1e6;
    let bare = bare_disk(directory, bytes as usize, batch_bytes);
    support::figure(
        "durable journal append, 100-byte events from 1,000 streams",
        events_per_second,
        "events/s",
    );
    let peer = "raw sequential write + fdatasync of the same bytes in pieces of the same size";
    support::figure_beside("the same in bytes", ours, "MB/s", peer, bare);
    support::figure(
        "raw in pieces of 1 MiB",
        bare_disk(directory, bytes as usize, 1 << 20),
        "MB/s",
    );
}

/// Appends events as fast as they are taken, so many at once; the time until the last one is durable.
fn run(writer: &Arc<EmbeddedWriter>, events: u64, per_append: u64) -> Duration {
    // A completion that holds nothing of its own needs no memory.
    static DURABLE: AtomicU64 = AtomicU64::new(0);
    DURABLE.store(0, Ordering::Relaxed);
    let user: UserId = "ann".parse().expect("a good id");
    let text = "x".repeat(EVENT_BYTES - encoded_bytes(&user, "x".repeat(90)) + 90);
    assert_eq!(encoded_bytes(&user, text.clone()), EVENT_BYTES);
    let streams: Vec<_> = (0..STREAMS)
        .map(|number| StreamId::new(StreamKind::Room, &format!("room-{number}")))
        .collect();
    let started = Instant::now();
    let said = || {
        ChatSent {
            user: user.clone(),
            text: text.clone(),
            role: Role::Viewer,
        }
        .into()
    };
    let appends = events / per_append;
    for number in 0..appends {
        let mut append = Append {
            stream: streams[number as usize % STREAMS].clone(),
            expected: Expected::Any,
            epoch: writer.epoch(),
            cause: Cause {
                command_id: Some(command_id(number)),
                request_hash: number,
                actor: "ann".into(),
            },
            events: (0..per_append).map(|_| said()).collect(),
        };
        let mut done: journal::Completion = Box::new(|outcome| {
            outcome.expect("nothing fails");
            DURABLE.fetch_add(1, Ordering::Relaxed);
        });
        while let Err(refused) = writer.append(append, done) {
            (append, done) = (refused.append, refused.done);
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    while DURABLE.load(Ordering::Relaxed) < appends {
        std::thread::sleep(Duration::from_micros(100));
    }
    started.elapsed()
}

fn command_id(number: u64) -> compact_str::CompactString {
    compact_str::format_compact!("c-{number}")
}

fn encoded_bytes(user: &UserId, text: String) -> usize {
    codec::encode(
        &ChatSent {
            user: user.clone(),
            text,
            role: Role::Viewer,
        }
        .into(),
    )
    .2
    .len()
}

/// The journal's own bytes to another file of the same disk, synced piece by piece; MB/s.
fn bare_disk(directory: &Path, bytes: usize, piece: usize) -> f64 {
    let mut content = Vec::with_capacity(bytes);
    for number in 1.. {
        let Ok(file) = File::open(directory.join(format!("{number:08}.segment"))) else {
            break;
        };
        let left = (bytes - content.len()) as u64;
        file.take(left)
            .read_to_end(&mut content)
            .expect("a segment that was just written");
    }
    let path = directory.join("bare");
    let mut file = File::create(&path).expect("a new file");
    let started = Instant::now();
    for piece in content.chunks(piece) {
        file.write_all(piece).expect("room on the disk");
        file.sync_data().expect("a good disk");
    }
    let took = started.elapsed();
    std::fs::remove_file(path).expect("the file just made");
    content.len() as f64 / took.as_secs_f64() / 1e6
}

/// A child writes the journal and is killed while it writes on; then the start is measured, and replays in it.
fn start_and_replay(directory: &Path, events: u64) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--fill".as_ref(),
            directory.as_os_str(),
            events.to_string().as_ref(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let mut said = [0; 5];
    child
        .stdout
        .take()
        .expect("it was asked for")
        .read_exact(&mut said)
        .expect("the child says that it is ready");
    child.kill().expect("the child runs");
    child.wait().expect("the child runs no more");
    let started = Instant::now();
    let (reader, writer) =
        Embedded::open(directory, Options::default()).expect("nothing acknowledged is lost");
    let took = started.elapsed();
    let head = journal::Reader::head(&reader).records();
    println!("{head} events after kill -9, {:?}", writer.repairs());
    support::figure(
        "start after kill -9 with 10 M events (at most 3 s)",
        took.as_secs_f64(),
        "s",
    );
    let mut latency = support::durations_us();
    let mut records = Histogram::<u64>::new(3).expect("a histogram");
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..REPLAYS {
        let number = random.usize(0..crowd::VIEWERS);
        let started = Instant::now();
        let replayed = crowd::replay(&reader, number);
        latency.saturating_record(started.elapsed().as_micros() as u64);
        records
            .record(replayed as u64)
            .expect("it grows with what it is told");
    }
    println!(
        "tail of {} records at the median, {} at p99",
        records.value_at_quantile(0.5),
        records.value_at_quantile(0.99)
    );
    support::figure(
        "actor replay, snapshot + tail, p50",
        latency.value_at_quantile(0.5) as f64,
        "us",
    );
    support::figure(
        "actor replay, snapshot + tail, p99 (at most 1,000)",
        latency.value_at_quantile(0.99) as f64,
        "us",
    );
    let never = never_seen(&reader, &mut random);
    support::figure("find_command of an id that was never seen, mean", never, "ns");
    find_anywhere(&reader, head);
    writer.close();
    drop(reader);
    walk(directory);
}

/// Commands by their ids alone: each is in one stream.
fn find_anywhere(reader: &impl journal::Reader, head: u64) {
    const QUESTIONS: u64 = 1_000;
    let mut latency = support::durations_us();
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..QUESTIONS {
        let id = command_id(random.u64(0..head));
        let started = Instant::now();
        let found = crowd::now(reader.find_command_anywhere(&id, 10)).expect("a good journal");
        latency.saturating_record(started.elapsed().as_micros() as u64);
        assert_eq!(found.len(), 1);
    }
    for (name, quantile) in [
        ("a command found by its id alone, p50", 0.5),
        ("a command found by its id alone, p99 (at most 100,000)", 0.99),
    ] {
        support::figure(name, latency.value_at_quantile(quantile) as f64, "us");
    }
}

/// The pass that checks every byte and hands out every record, with nothing done to them.
fn walk(directory: &Path) {
    let started = Instant::now();
    let mut walk = VerifiedWalk::open(directory).expect("a journal");
    let mut records = 0;
    while let Some(piece) = walk.next_records().expect("a good journal") {
        records += piece.len();
    }
    let rate = records as f64 / started.elapsed().as_secs_f64();
    support::figure(
        "verified walk, every byte checked (at least 5,000,000)",
        rate,
        "events/s",
    );
}

fn never_seen(reader: &impl journal::Reader, random: &mut fastrand::Rng) -> f64 {
    const QUESTIONS: u32 = 200_000;
    let questions: Vec<_> = (0..QUESTIONS)
        .map(|number| {
            (
                crowd::stream(random.usize(0..crowd::VIEWERS)),
                format!("new-{number}"),
            )
        })
        .collect();
    let started = Instant::now();
    for (stream, id) in &questions {
        let found = crowd::now(reader.find_command(stream, id)).expect("a good journal");
        assert!(found.is_none());
    }
    started.elapsed().as_nanos() as f64 / f64::from(QUESTIONS)
}
