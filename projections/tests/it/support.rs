//! A journal to write into, readers that lie, stores that fail, and short words for events.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::event::{
    Banned, Blocked, ChatSent, CoinsAdjusted, ComboEnded, ComboStep, Followed, FollowersOnlySet, GiftSent,
    LikesCounted, LiveStarted, LiveStopped, MessageSent, MessagesRead, ModeratorAdded, ModeratorRemoved,
    Muted, NoticePosted, Pinned, Role, SlowModeSet, TicketsCredited, Unblocked, Unfollowed, Unpinned,
};
use domain::{Event, RoomId, SessionNumber, StreamId, StreamKind, UserId};
use journal::memory::MemoryJournal;
use journal::{
    Append, BoxFuture, Cause, Checkpoint, Epoch, Expected, JournalId, Position, Reader, Record, RecordBatch,
    RecordBatchBuilder, Snapshot, Tail, Writer,
};
use parking_lot::Mutex;
use projections::store::{Batch, Visit};
use projections::{Deltas, Error, MemoryStore, Options, Runner, Sink, ViewStore};

/// Half an hour after midnight in Shanghai on 2025-11-21.
pub(crate) const MORNING_MS: i64 = 1_763_656_200_000;
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Appends one event; the position follows from the journal.
pub(crate) fn append(journal: &MemoryJournal, stream: StreamId, event: impl Into<Event>) {
    let cause = Cause {
        command_id: None,
        request_hash: 0,
        actor: "test".into(),
    };
    let append = Append {
        stream,
        expected: Expected::Any,
        epoch: Epoch(1),
        cause,
        events: vec![event.into()],
    };
    let done = Box::new(|outcome: journal::Result<journal::Appended>| assert!(outcome.is_ok()));
    assert!(journal.append(append, done).is_ok());
}

pub(crate) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

pub(crate) fn room(id: &str) -> RoomId {
    id.parse().unwrap()
}

pub(crate) fn viewer(id: &str) -> StreamId {
    StreamId::new(StreamKind::Viewer, id)
}

pub(crate) fn streamer(id: &str) -> StreamId {
    StreamId::new(StreamKind::Streamer, id)
}

pub(crate) fn grant(amount: i64, coins_left: u64) -> CoinsAdjusted {
    CoinsAdjusted {
        amount,
        coins_left,
        reason: "test".into(),
    }
}

pub(crate) fn gift(to: &str, session: u32, coins: u64, tickets: u64, coins_left: u64) -> GiftSent {
    let (gift, session) = ("rose".parse().unwrap(), SessionNumber(session));
    GiftSent {
        room: room(to),
        session,
        gift,
        count: 1,
        coins,
        tickets,
        coins_left,
        combo: None,
    }
}

/// A gift of the combo that [`combo_ended`] ends.
pub(crate) fn combo_gift(to: &str, total: u32) -> GiftSent {
    let combo = combo_ended(to, total).combo;
    GiftSent {
        combo: Some(combo),
        ..gift(to, 1, 10, 5, 0)
    }
}

/// An order of the streamer or a moderator about a user; `n` says which.
pub(crate) fn order(about: &str, n: u64) -> Event {
    let (user, by) = (user(about), user("boss"));
    let on = n.is_multiple_of(2);
    match n % 13 {
        0 | 1 => SlowModeSet {
            seconds: u32::from(on),
            by,
        }
        .into(),
        2 | 3 => FollowersOnlySet { on, by }.into(),
        4 | 5 => {
            let text = user.to_string();
            Pinned { text, by }.into()
        }
        6 => Unpinned { by }.into(),
        7 | 8 => ModeratorAdded { user, by }.into(),
        9 => ModeratorRemoved { user, by }.into(),
        10 => Banned { user, by }.into(),
        11 => Muted {
            user,
            until_ms: 7,
            by,
        }
        .into(),
        _ => NoticePosted {
            text: "listen".into(),
            by,
        }
        .into(),
    }
}

pub(crate) fn combo_ended(to: &str, total: u32) -> ComboEnded {
    let combo = ComboStep {
        id: "c".parse().unwrap(),
        total,
    };
    ComboEnded {
        room: room(to),
        gift: "rose".parse().unwrap(),
        combo,
    }
}

pub(crate) fn credited(upto: u64, gifts: u64, tickets: u64, tickets_total: u64) -> TicketsCredited {
    TicketsCredited {
        shard: 0,
        after: 0,
        upto,
        gifts,
        tickets,
        tickets_total,
    }
}

pub(crate) fn chat(by: &str) -> ChatSent {
    ChatSent {
        user: user(by),
        text: "hello".into(),
        role: Role::Viewer,
    }
}

pub(crate) fn room_stream(id: &str) -> StreamId {
    StreamId::room(&room(id))
}

pub(crate) fn liked(session: u32, likes: u64, total: u64) -> LikesCounted {
    let session = SessionNumber(session);
    LikesCounted {
        session,
        likes,
        total,
    }
}

pub(crate) fn followed(streamer: &str) -> Followed {
    Followed {
        streamer: user(streamer),
        cleared: 0,
    }
}

pub(crate) fn unfollowed(streamer: &str) -> Unfollowed {
    Unfollowed {
        streamer: user(streamer),
    }
}

pub(crate) fn blocked(whom: &str) -> Blocked {
    Blocked {
        user: user(whom),
        change: 1,
    }
}

pub(crate) fn unblocked(whom: &str) -> Unblocked {
    Unblocked {
        user: user(whom),
        change: 2,
    }
}

pub(crate) fn conversation(one: &str, other: &str) -> StreamId {
    let key = domain::ids::conversation_key(&user(one), &user(other));
    StreamId::new(StreamKind::Conversation, key.as_str())
}

pub(crate) fn message(from: &str, to: &str, number: u64) -> MessageSent {
    MessageSent {
        from: user(from),
        to: user(to),
        number,
        text: "psst".into(),
    }
}

pub(crate) fn messages_read(reader: &str, from: &str, upto: u64) -> MessagesRead {
    MessagesRead {
        reader: user(reader),
        from: user(from),
        upto,
    }
}

pub(crate) fn started(session: u32, title: &str) -> LiveStarted {
    LiveStarted {
        session: SessionNumber(session),
        title: title.into(),
    }
}

pub(crate) fn stopped(session: u32) -> LiveStopped {
    LiveStopped {
        session: SessionNumber(session),
    }
}

pub(crate) fn at(sequence: u64) -> Position {
    Position { shard: 0, sequence }
}

pub(crate) fn open(reader: impl Reader + 'static, store: &Arc<dyn ViewStore>) -> Runner {
    Runner::open(Arc::new(reader), store.clone(), Options::default(), Arc::new(())).unwrap()
}

/// Opens, folds all there is, and hands back the runner.
pub(crate) fn folded(reader: impl Reader + 'static, store: &Arc<dyn ViewStore>) -> Runner {
    let mut runner = open(reader, store);
    runner.turn().unwrap();
    runner
}

pub(crate) fn memory() -> Arc<dyn ViewStore> {
    Arc::new(MemoryStore::new())
}

/// Keeps everything it is told.
#[derive(Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<Deltas>>);

impl Sink for Heard {
    fn published(&self, deltas: Deltas) {
        self.0.lock().push(deltas);
    }
}

/// A store whose commits fail from the `n`-th on: a crash between fold and commit.
pub(crate) struct Crashing {
    pub(crate) inner: Arc<dyn ViewStore>,
    pub(crate) commits_left: AtomicUsize,
}

impl Crashing {
    pub(crate) fn after(commits: usize, inner: &Arc<dyn ViewStore>) -> Arc<dyn ViewStore> {
        Arc::new(Self {
            inner: inner.clone(),
            commits_left: AtomicUsize::new(commits),
        })
    }
}

impl ViewStore for Crashing {
    fn get(&self, space: &str, key: &[u8]) -> projections::Result<Option<Vec<u8>>> {
        self.inner.get(space, key)
    }

    fn scan(
        &self,
        space: &str,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> projections::Result<()> {
        self.inner.scan(space, from, to, visit)
    }

    fn commit(&self, batch: &Batch) -> projections::Result<()> {
        let left = self
            .commits_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        left.map_err(|_| Error::Store("crash".into()))?;
        self.inner.commit(batch)
    }

    fn spaces(&self) -> projections::Result<Vec<String>> {
        self.inner.spaces()
    }

    fn drop_space(&self, space: &str) -> projections::Result<()> {
        self.inner.drop_space(space)
    }

    fn reset(&self) -> projections::Result<()> {
        self.inner.reset()
    }
}

/// Every entry of a store, by space.
pub(crate) fn contents(store: &dyn ViewStore) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for space in store.spaces().unwrap() {
        let mut visit = |key: &[u8], value: &[u8]| {
            all.push((space.clone(), key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        };
        store
            .scan(&space, Bound::Unbounded, Bound::Unbounded, &mut visit)
            .unwrap();
    }
    all
}

/// A reader that says it is another journal, or has one record whose payload is rubbish.
#[derive(Clone)]
pub(crate) struct Lying {
    pub(crate) inner: MemoryJournal,
    pub(crate) id: JournalId,
    pub(crate) rotten: Option<u64>,
}

impl Lying {
    fn spoil(&self, batch: &Arc<RecordBatch>) -> Arc<RecordBatch> {
        let before = Position {
            shard: batch.shard(),
            sequence: batch.first().sequence - 1,
        };
        let mut spoiled = RecordBatchBuilder::after(before);
        for mut record in batch.iter() {
            if Some(record.position.sequence) == self.rotten {
                record.payload = &[];
            }
            assert!(spoiled.push(&record));
        }
        Arc::new(spoiled.finish())
    }
}

impl Reader for Lying {
    fn id(&self) -> JournalId {
        self.id
    }

    fn shards(&self) -> u16 {
        self.inner.shards()
    }

    fn head(&self) -> Checkpoint {
        self.inner.head()
    }

    fn read(&self, after: Position, bytes_max: usize) -> BoxFuture<'_, journal::Result<Arc<RecordBatch>>> {
        Box::pin(async move { Ok(self.spoil(&self.inner.read(after, bytes_max).await?)) })
    }

    fn tail(&self, after: &Checkpoint) -> Box<dyn Tail> {
        Box::new(LyingTail {
            reader: self.clone(),
            inner: self.inner.tail(after),
        })
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after_version: u64,
        not_before: Position,
        limit: usize,
    ) -> BoxFuture<'_, journal::Result<Vec<Record>>> {
        self.inner.read_stream(stream, after_version, not_before, limit)
    }

    fn find_command(&self, stream: &StreamId, id: &str) -> BoxFuture<'_, journal::Result<Option<Record>>> {
        self.inner.find_command(stream, id)
    }

    fn find_command_anywhere(&self, id: &str, limit: usize) -> BoxFuture<'_, journal::Result<Vec<Record>>> {
        self.inner.find_command_anywhere(id, limit)
    }

    fn snapshot(&self, stream: &StreamId) -> BoxFuture<'_, journal::Result<Option<Snapshot>>> {
        self.inner.snapshot(stream)
    }
}

struct LyingTail {
    reader: Lying,
    inner: Box<dyn Tail>,
}

impl Tail for LyingTail {
    fn next(&mut self) -> BoxFuture<'_, journal::Result<Arc<RecordBatch>>> {
        Box::pin(async move { Ok(self.reader.spoil(&self.inner.next().await?)) })
    }
}
