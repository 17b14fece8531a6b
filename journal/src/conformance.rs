//! What every engine must do, as one suite: an engine that passes it can stand behind the ports.
//!
//! It judges by the ports alone and knows no engine. It panics at the first broken promise.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use compact_str::CompactString;
use domain::event::{ChatSent, Followed, Role};
use domain::{Event, StreamId, StreamKind};
use tokio::sync::oneshot;

use crate::ports::find_version;
use crate::{
    Append, Appended, Cause, Checkpoint, Epoch, Error, Expected, Position, Reader, Record, Result, Snapshot,
    Writer, codec,
};

/// An engine under judgement: empty, and with nobody else in it.
pub struct Subject {
    /// Its reading handle.
    pub reader: Arc<dyn Reader>,
    /// Its writing handle.
    pub writer: Arc<dyn Writer>,
    /// Makes the engine do what waits, if it does not do so by itself.
    pub pump: Box<dyn Fn()>,
}

impl Subject {
    /// An engine that works by itself.
    pub fn new(reader: impl Reader + 'static, writer: impl Writer + 'static) -> Self {
        Self {
            reader: Arc::new(reader),
            writer: Arc::new(writer),
            pump: Box::new(|| {}),
        }
    }

    fn queue(&self, append: Append) -> oneshot::Receiver<Result<Appended>> {
        let (told, outcome) = oneshot::channel();
        let done = Box::new(move |result| _ = told.send(result));
        assert!(
            self.writer.append(append, done).is_ok(),
            "an almost empty queue refused an append"
        );
        outcome
    }

    async fn outcome(&self, waiting: oneshot::Receiver<Result<Appended>>) -> Result<Appended> {
        (self.pump)();
        waiting
            .await
            .expect("a completion is called exactly once, and not dropped")
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        let waiting = self.queue(append);
        self.outcome(waiting).await
    }

    /// Appends `texts` to a room; must succeed.
    async fn say(&self, room: &str, expected: Expected, texts: &[&str]) -> Appended {
        let append = self.chat(room, expected, texts, None);
        self.append(append).await.expect("an append as expected")
    }

    fn chat(&self, room: &str, expected: Expected, texts: &[&str], command_id: Option<&str>) -> Append {
        let user: domain::UserId = "ann".parse().expect("a good id");
        let event = |text: &&str| {
            Event::from(ChatSent {
                user: user.clone(),
                text: (*text).to_owned(),
                role: Role::Viewer,
            })
        };
        Append {
            stream: stream(room),
            expected,
            epoch: self.writer.epoch(),
            cause: Cause {
                command_id: command_id.map(CompactString::new),
                request_hash: 9,
                actor: "ann".into(),
            },
            events: texts.iter().map(event).collect(),
        }
    }

    async fn texts(&self, room: &str, after_version: u64, limit: usize) -> Vec<String> {
        let records = self
            .reader
            .read_stream(&stream(room), after_version, Position::start(0), limit)
            .await;
        records.expect("a good journal").iter().map(text).collect()
    }

    async fn all(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for mut after in Checkpoint::start(self.reader.shards())
            .positions()
            .collect::<Vec<_>>()
        {
            loop {
                let batch = self.reader.read(after, 1 << 20).await.expect("a good journal");
                if batch.is_empty() {
                    break;
                }
                assert_eq!(batch.first().sequence, after.sequence + 1, "a gap");
                assert_eq!(batch.len(), batch.iter().count());
                records.extend(batch.iter().map(|r| r.to_record()));
                after = batch.last();
            }
        }
        records
    }
}

fn stream(room: &str) -> StreamId {
    StreamId::new(StreamKind::Room, room)
}

fn text(record: &Record) -> String {
    match codec::decode(&record.as_ref()) {
        Ok(Event::ChatSent(chat)) => chat.text,
        other => panic!("{other:?} where a chat was written"),
    }
}

/// Runs every case, each on a new engine; says how many there were.
pub async fn run(make: impl Fn() -> Subject) -> usize {
    an_empty_journal_has_nothing(make()).await;
    what_is_appended_is_read_back_in_order(make()).await;
    an_append_is_all_or_nothing(make()).await;
    an_append_that_expects_something_else_writes_nothing(make()).await;
    what_was_decided_behind_a_lost_append_is_lost_too(make()).await;
    pipelined_appends_complete_in_order(make()).await;
    a_barrier_completes_after_everything_before_it(make()).await;
    a_tail_sees_history_and_what_follows_without_gap_or_overlap(make()).await;
    a_read_keeps_to_its_size_but_makes_progress(make()).await;
    a_stream_is_read_in_pages(make()).await;
    a_stream_knows_its_last_version(make()).await;
    a_command_is_found_in_its_stream_only(make()).await;
    a_command_is_found_by_its_id_alone(make()).await;
    a_stale_owner_is_refused(make()).await;
    what_no_batch_can_hold_is_refused(make()).await;
    a_snapshot_is_trusted_only_with_its_record(make()).await;
    16
}

async fn an_empty_journal_has_nothing(subject: Subject) {
    let reader = &subject.reader;
    assert!(reader.shards() >= 1);
    assert_eq!(reader.head(), Checkpoint::start(reader.shards()));
    assert!(subject.all().await.is_empty());
    assert!(subject.texts("bob", 0, 10).await.is_empty());
    assert!(matches!(reader.find_command(&stream("bob"), "c").await, Ok(None)));
    assert!(matches!(reader.snapshot(&stream("bob")).await, Ok(None)));
}

async fn what_is_appended_is_read_back_in_order(subject: Subject) {
    let mut last_ms = i64::MIN;
    for number in 1..=20u64 {
        let append = subject.chat("bob", Expected::Exact(number - 1), &["x"], Some("é"));
        let appended = subject.append(append).await.expect("as expected");
        assert_eq!((appended.version, appended.first), (number, appended.last));
        let head = subject.reader.head();
        assert!(
            head.covers(appended.last),
            "acknowledged before readers can see it"
        );
        let records = subject
            .reader
            .read_stream(&stream("bob"), number - 1, appended.first, 9)
            .await;
        let records = records.expect("a good journal");
        let [record] = &records[..] else {
            panic!("{} records instead of one", records.len())
        };
        assert_eq!((record.position, record.version), (appended.last, number));
        assert_eq!(record.recorded_at_ms, appended.recorded_at_ms);
        assert!(record.recorded_at_ms >= last_ms, "time went back");
        last_ms = record.recorded_at_ms;
        assert_eq!(record.stream, stream("bob"));
        let cause = (
            record.cause.command_id.as_deref(),
            record.cause.request_hash,
            &*record.cause.actor,
        );
        assert_eq!(cause, (Some("é"), 9, "ann"));
    }
    let positions: Vec<_> = subject.all().await.iter().map(|r| r.position.sequence).collect();
    assert_eq!(positions, (1..=20).collect::<Vec<_>>());
    assert_eq!(subject.reader.head().records(), 20);
}

async fn an_append_is_all_or_nothing(subject: Subject) {
    let appended = subject.say("bob", Expected::Empty, &["a", "b", "c"]).await;
    assert_eq!(
        (appended.version, appended.last.sequence - appended.first.sequence),
        (3, 2)
    );
    let records = subject.all().await;
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(
        records
            .iter()
            .all(|r| r.recorded_at_ms == appended.recorded_at_ms)
    );
    let refused = subject.chat("bob", Expected::Empty, &["d", "e"], None);
    assert!(subject.append(refused).await.is_err());
    assert_eq!(subject.all().await.len(), 3);
}

async fn an_append_that_expects_something_else_writes_nothing(subject: Subject) {
    subject.say("bob", Expected::Any, &["a"]).await;
    subject.say("bob", Expected::Exact(1), &["b"]).await;
    for expected in [Expected::Empty, Expected::Exact(1), Expected::Exact(3)] {
        let append = subject.chat("bob", expected, &["x"], None);
        match subject.append(append).await {
            Err(Error::Conflict {
                stream: conflicting,
                expected: said,
                actual: 2,
            }) => {
                assert_eq!((conflicting, said), (stream("bob"), expected));
            }
            other => panic!("{other:?} instead of a conflict at version 2"),
        }
    }
    subject.say("bob", Expected::Exact(2), &["c"]).await;
    subject.say("carl", Expected::Empty, &["d"]).await;
    assert_eq!(subject.texts("bob", 0, 10).await, ["a", "b", "c"]);
}

async fn what_was_decided_behind_a_lost_append_is_lost_too(subject: Subject) {
    let in_line = |version, line| Expected::InLine { version, line };
    subject.say("bob", in_line(0, 1), &["a"]).await;
    subject
        .say("bob", Expected::Exact(1), &["of another owner"])
        .await;
    for version in [1, 2] {
        let append = subject.chat("bob", in_line(version, 1), &["x"], None);
        let outcome = subject.append(append).await;
        assert!(
            matches!(outcome, Err(Error::Conflict { actual: 2, .. })),
            "{outcome:?} instead of a conflict at version 2"
        );
    }
    subject.say("bob", in_line(2, 2), &["b"]).await;
    assert_eq!(subject.texts("bob", 0, 10).await, ["a", "of another owner", "b"]);
}

async fn pipelined_appends_complete_in_order(subject: Subject) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..50u64 {
        // Every tenth expects what is not so; those after it do not mind.
        let wrong = number % 10 == 9;
        let expected = if wrong {
            Expected::Exact(1_000)
        } else {
            Expected::Exact(number - number / 10)
        };
        let append = subject.chat("bob", expected, &["x"], None);
        let (told, outcome) = oneshot::channel();
        let order = order.clone();
        let done = Box::new(move |result: Result<Appended>| {
            order.lock().unwrap_or_else(PoisonError::into_inner).push(number);
            _ = told.send(result);
        });
        assert!(subject.writer.append(append, done).is_ok());
        waiting.push((wrong, outcome));
    }
    (subject.pump)();
    let mut last = 0;
    for (wrong, outcome) in waiting {
        match outcome.await.expect("a completion is called exactly once") {
            Ok(appended) if !wrong => {
                assert!(appended.first.sequence > last);
                last = appended.last.sequence;
            }
            Err(Error::Conflict { .. }) if wrong => {}
            other => panic!("{other:?}"),
        }
    }
    let order = order.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
    assert_eq!(subject.texts("bob", 0, 100).await.len(), 45);
}

async fn a_barrier_completes_after_everything_before_it(subject: Subject) {
    let first = subject.queue(subject.chat("bob", Expected::Any, &["a", "b"], None));
    let barrier = subject.queue(subject.chat("bob", Expected::Any, &[], None));
    let barrier = subject.outcome(barrier).await.expect("a barrier");
    let first = first
        .await
        .expect("called before the barrier")
        .expect("as expected");
    assert_eq!((barrier.last, barrier.version), (first.last, 0));
    assert_eq!(subject.all().await.len(), 2);
}

async fn a_tail_sees_history_and_what_follows_without_gap_or_overlap(subject: Subject) {
    subject.say("bob", Expected::Any, &["1", "2", "3"]).await;
    let mut from_start = subject.reader.tail(&Checkpoint::start(subject.reader.shards()));
    let mut from_head = subject.reader.tail(&subject.reader.head());
    for number in 4..10 {
        subject.say("bob", Expected::Any, &[&number.to_string()]).await;
    }
    for (tail, wanted) in [(&mut from_start, 1..10), (&mut from_head, 4..10)] {
        let mut seen = Vec::new();
        while seen.len() < wanted.len() {
            let batch = tail.next().await.expect("a good journal");
            assert!(!batch.is_empty());
            seen.extend(batch.iter().map(|r| text(&r.to_record())));
        }
        assert_eq!(seen, wanted.map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

async fn a_read_keeps_to_its_size_but_makes_progress(subject: Subject) {
    let long = "x".repeat(190);
    let appended = subject.say("bob", Expected::Any, &[long.as_str(); 50]).await;
    let shard = appended.first.shard;
    let one = subject
        .reader
        .read(Position::start(shard), 1)
        .await
        .expect("a good journal");
    assert_eq!(one.len(), 1);
    let some = subject
        .reader
        .read(Position { shard, sequence: 10 }, 3_000)
        .await
        .expect("a good journal");
    assert_eq!(some.first().sequence, 11);
    assert!(
        (2..20).contains(&some.len()),
        "{} records for 3000 bytes",
        some.len()
    );
    let all = subject
        .reader
        .read(Position { shard, sequence: 10 }, 1 << 20)
        .await
        .expect("a good journal");
    assert_eq!((all.len(), all.last()), (40, appended.last));
    let none = subject
        .reader
        .read(appended.last, 1 << 20)
        .await
        .expect("a good journal");
    assert_eq!((none.len(), none.last()), (0, appended.last));
}

async fn a_stream_is_read_in_pages(subject: Subject) {
    for number in 1..=30 {
        subject
            .say(["bob", "carl"][number % 2], Expected::Any, &[&number.to_string()])
            .await;
    }
    assert_eq!(subject.texts("bob", 0, 3).await, ["2", "4", "6"]);
    assert_eq!(subject.texts("bob", 3, 2).await, ["8", "10"]);
    assert_eq!(subject.texts("carl", 13, 10).await, ["27", "29"]);
    assert!(subject.texts("carl", 15, 10).await.is_empty());
    assert!(subject.texts("carl", 99, 10).await.is_empty());
    assert!(subject.texts("dora", 0, 10).await.is_empty());
}

async fn a_stream_knows_its_last_version(subject: Subject) {
    for number in 0..=17u64 {
        let versions = [("bob", number), ("carl", number / 2), ("dora", 0)];
        for (room, wanted) in versions {
            let version = subject.reader.stream_version(&stream(room)).await;
            assert_eq!(version.expect("a good journal"), wanted, "{room} after {number}");
            let found_out = find_version(&*subject.reader, &stream(room)).await;
            assert_eq!(found_out.expect("a good journal"), wanted, "{room}, by reading");
        }
        subject.say("bob", Expected::Any, &["x"]).await;
        if number % 2 == 1 {
            subject.say("carl", Expected::Any, &["y"]).await;
        }
    }
}

async fn a_command_is_found_in_its_stream_only(subject: Subject) {
    for (room, id, words) in [
        ("bob", "c1", ["a", "b"]),
        ("bob", "c2", ["c", "d"]),
        ("carl", "c2", ["e", "f"]),
    ] {
        let append = subject.chat(room, Expected::Any, &words, Some(id));
        subject.append(append).await.expect("as expected");
    }
    subject.say("bob", Expected::Any, &["g"]).await;
    for (room, id, wanted) in [
        ("bob", "c1", Some("a")),
        ("bob", "c2", Some("c")),
        ("carl", "c2", Some("e")),
        ("carl", "c1", None),
        ("bob", "c", None),
        ("dora", "c1", None),
    ] {
        let found = subject
            .reader
            .find_command(&stream(room), id)
            .await
            .expect("a good journal");
        assert_eq!(found.as_ref().map(text).as_deref(), wanted, "{id} in {room}");
    }
}

async fn a_command_is_found_by_its_id_alone(subject: Subject) {
    let appends = [
        ("bob", "c1", &["a", "b", "c"][..]),
        ("carl", "c1", &["d"]),
        ("bob", "kim\u{1f}c1", &["e"]),
        ("bob", "c2", &["f"]),
        ("dora", "lee\u{1f}c1", &["g", "h"]),
        ("carl", "c1", &["again"]),
        ("c1", "c3", &["i"]),
    ];
    for (room, id, words) in appends {
        let append = subject.chat(room, Expected::Any, words, Some(id));
        subject.append(append).await.expect("as expected");
    }
    subject.say("bob", Expected::Any, &["j"]).await;
    for (id, limit, wanted) in [
        ("c1", 9, &["a", "d", "e", "g"][..]),
        ("c1", 2, &["a", "d"]),
        ("c1", 0, &[]),
        ("kim\u{1f}c1", 9, &["e"]),
        ("lee\u{1f}c1", 9, &["g"]),
        ("lee\u{1f}c2", 9, &[]),
        ("c2", 9, &["f"]),
        ("kim", 9, &[]),
        ("c", 9, &[]),
        ("", 9, &[]),
    ] {
        let found = subject.reader.find_command_anywhere(id, limit).await;
        let mut found = found.expect("a good journal");
        assert!(found.is_sorted_by_key(|record| record.position));
        // Over several shards positions say nothing about time.
        found.sort_by_key(text);
        assert_eq!(
            found.iter().map(text).collect::<Vec<_>>(),
            wanted,
            "{limit} of {id:?}"
        );
    }
}

async fn a_stale_owner_is_refused(subject: Subject) {
    let mut append = subject.chat("bob", Expected::Any, &["a"], None);
    append.epoch = Epoch(subject.writer.epoch().0 - 1);
    assert!(matches!(
        subject.append(append).await,
        Err(Error::StaleOwner { .. })
    ));
    assert!(subject.all().await.is_empty());
    subject.say("bob", Expected::Empty, &["a"]).await;
}

async fn what_no_batch_can_hold_is_refused(subject: Subject) {
    let mut long_name = subject.chat("bob", Expected::Any, &["a"], None);
    long_name.cause.actor = CompactString::new("x".repeat(300));
    let mut long_command = subject.chat("bob", Expected::Any, &["a"], None);
    long_command.cause.command_id = Some(CompactString::new(
        "x".repeat(crate::limits::COMMAND_ID_BYTES_MAX + 1),
    ));
    let mut long_key = subject.chat("bob", Expected::Any, &["a"], None);
    long_key.stream = stream(&"x".repeat(300));
    let mut much = subject.chat("bob", Expected::Any, &[], None);
    let streamer: domain::UserId = "bob".parse().expect("a good id");
    much.events = vec![Followed { streamer, cleared: 0 }.into(); 40_000];
    for append in [long_name, long_command, long_key, much] {
        assert!(matches!(
            subject.append(append).await,
            Err(Error::TooLarge { .. })
        ));
    }
    assert!(subject.all().await.is_empty());
    subject.say("bob", Expected::Empty, &["a"]).await;
}

async fn a_snapshot_is_trusted_only_with_its_record(subject: Subject) {
    let first = subject.say("bob", Expected::Any, &["a", "b"]).await;
    let second = subject.say("bob", Expected::Any, &["c"]).await;
    subject.say("carl", Expected::Any, &["d"]).await;
    let snapshot = |version, position, state: &'static [u8]| Snapshot {
        version,
        position,
        schema: 4,
        state: Bytes::from_static(state),
    };
    let good = snapshot(2, first.last, b"good");
    subject.writer.save_snapshot(&stream("bob"), good.clone());
    kept(&subject, "bob", &good).await;
    let better = snapshot(3, second.last, b"better");
    subject.writer.save_snapshot(&stream("bob"), better.clone());
    kept(&subject, "bob", &better).await;
    // One at another stream's record, and one from the future.
    subject
        .writer
        .save_snapshot(&stream("carl"), snapshot(1, second.last, b"wrong"));
    subject.writer.save_snapshot(
        &stream("dora"),
        snapshot(
            1,
            Position {
                sequence: 99,
                ..first.last
            },
            b"early",
        ),
    );
    subject
        .writer
        .save_snapshot(&stream("bob"), snapshot(3, second.last, b"better"));
    kept(&subject, "bob", &better).await;
    for room in ["carl", "dora"] {
        assert!(
            matches!(subject.reader.snapshot(&stream(room)).await, Ok(None)),
            "{room}"
        );
    }
}

/// Snapshots are kept in the background: waits until this one is there.
async fn kept(subject: &Subject, room: &str, wanted: &Snapshot) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < deadline {
        (subject.pump)();
        let found = subject
            .reader
            .snapshot(&stream(room))
            .await
            .expect("a good journal");
        if found.as_ref() == Some(wanted) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("a snapshot was lost without a reason");
}
