//! What rooms and users are shown and told: read back from the journal for newcomers and for those who missed something, and
//! handed to the gateway as it happens. Both come from `projections::publication`.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use domain::event::MessageSent;
use domain::{Event, RoomId, UserId};
use gateway::{Class, Hub, Publication, Unsubscribe, Urgency};
use journal::{Position, Reader, RecordRef};
use projections::publication::{self, Moment};
use projections::views::Board;
use projections::{Deltas, Sink};
use serde::Serialize;

use crate::big_gifts::BigGifts;

/// Bytes of the journal that are read at once for a lone record of a room's past.
const READ_BYTES_MIN: usize = 16 * 1024;
/// Bytes that are read at once where the wanted records stand close together: one more read checks a whole batch again.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// About what a record takes in the journal, in bytes.
const RECORD_BYTES: u64 = 200;
/// Wanted records this far apart, in records, are read one by one instead of with what lies between them.
const RECORDS_APART_MAX: u64 = 100;
/// Commits that may wait to be handed to the gateway; when it is full the views wait, and nothing is lost.
const COMMITS_WAITING_MAX: usize = 256;

/// Ends the subscription of one who was thrown out; SDKs do not come back by themselves (codes below 2500).
const KICKED_CODE: u32 = 2100;
/// Likewise of one who was banned.
const BANNED_CODE: u32 = 2101;

/// Likewise of one whom the streamer has blocked.
const BLOCKED_CODE: u32 = 2102;

/// A private message, as lists show it.
#[derive(Debug, Serialize)]
pub struct Message {
    /// Where it stands.
    pub position: u64,
    /// Server time, unix ms.
    pub time: i64,
    /// Who wrote it.
    pub from: UserId,
    /// The how-manieth of theirs in this conversation.
    pub number: u64,
    /// What.
    pub text: String,
}

/// The past of rooms, and of what users were told.
#[derive(Clone)]
pub struct Feed {
    reader: Arc<dyn Reader>,
}

impl Feed {
    /// Reads from this journal.
    pub fn new(reader: Arc<dyn Reader>) -> Self {
        Self { reader }
    }

    /// The journal that it reads.
    pub fn reader(&self) -> &dyn Reader {
        &*self.reader
    }

    /// The publications of these records, which must be in ascending order and all shown in rooms.
    pub async fn read(&self, positions: &[Position]) -> journal::Result<Vec<Publication>> {
        self.each(positions, |record, event| {
            publish_as(publication::room, record, &event)
        })
        .await
    }

    /// The publications of these records, which must be in ascending order and all be told to the two users of a
    /// conversation.
    pub async fn private(&self, positions: &[Position]) -> journal::Result<Vec<Publication>> {
        self.each(positions, |record, event| {
            publish_as(publication::private, record, &event)
        })
        .await
    }

    /// The private messages of these records, which must be in ascending order.
    pub async fn messages(&self, positions: &[Position]) -> journal::Result<Vec<Message>> {
        self.each(positions, |record, event| match event {
            Event::MessageSent(MessageSent {
                from, number, text, ..
            }) => Some(Message {
                position: record.position.sequence,
                time: record.recorded_at_ms,
                from,
                number,
                text,
            }),
            _ => None,
        })
        .await
    }

    /// What is made of these records, which must be in ascending order.
    async fn each<T>(
        &self,
        positions: &[Position],
        make: impl Fn(&RecordRef<'_>, Event) -> Option<T>,
    ) -> journal::Result<Vec<T>> {
        let mut made = Vec::with_capacity(positions.len());
        let mut wanted = positions.iter().copied().peekable();
        while let Some(&next) = wanted.peek() {
            let before = Position {
                sequence: next.sequence - 1,
                ..next
            };
            let batch = self
                .reader
                .read(before, read_bytes(&positions[positions.len() - wanted.len()..]))
                .await?;
            let left = wanted.len();
            for record in batch.iter() {
                if wanted.peek() != Some(&record.position) {
                    continue;
                }
                wanted.next();
                made.extend(make(&record, journal::codec::decode(&record)?));
            }
            if wanted.len() == left {
                // Not in the journal, so shown to nobody.
                wanted.next();
            }
        }
        Ok(made)
    }
}

fn publish_as(
    write: fn(&Moment<'_>, &Event, &mut String) -> bool,
    record: &RecordRef<'_>,
    event: &Event,
) -> Option<Publication> {
    let mut json = String::with_capacity(192);
    let written = write(&Moment::of(record), event, &mut json);
    written.then(|| Publication::new(json).at(record.position.sequence))
}

/// How much to read at once for the sake of these records, which are in ascending order.
fn read_bytes(wanted: &[Position]) -> usize {
    let [first, .., last] = wanted else {
        return READ_BYTES_MIN;
    };
    let span = last.sequence - first.sequence;
    if span / RECORDS_APART_MAX > wanted.len() as u64 {
        return READ_BYTES_MIN;
    }
    let bytes = usize::try_from(span * RECORD_BYTES).unwrap_or(READ_BYTES_MAX);
    bytes.clamp(READ_BYTES_MIN, READ_BYTES_MAX)
}

/// The channel of a room.
pub fn room_channel(room: &RoomId) -> String {
    format!("room:{room}")
}

/// Hands every commit of the views to the gateway, on a thread of its own, in order.
pub struct Broadcaster {
    commits: SyncSender<Deltas>,
    boards: Arc<Mutex<HashSet<Board>>>,
    big_gifts: Arc<BigGifts>,
}

impl Broadcaster {
    /// Starts the thread; it ends when the broadcaster is dropped. Big gifts are kept for those who tell all rooms.
    pub fn start(hub: Arc<Hub>, big_gifts: Arc<BigGifts>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (commits, waiting) = sync_channel(COMMITS_WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("broadcast".into())
            .spawn(move || broadcast(&hub, &waiting))?;
        Ok((
            Self {
                commits,
                boards: Arc::default(),
                big_gifts,
            },
            thread,
        ))
    }

    /// The boards whose top changed since they were last taken.
    pub fn changed_boards(&self) -> ChangedBoards {
        ChangedBoards(self.boards.clone())
    }
}

/// The boards that have something new to show; they are shown at a pace of their own.
pub struct ChangedBoards(Arc<Mutex<HashSet<Board>>>);

impl ChangedBoards {
    /// Takes them.
    pub fn take(&self) -> HashSet<Board> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Broadcaster {
    fn published(&self, mut deltas: Deltas) {
        let boards = std::mem::take(&mut deltas.boards);
        self.boards
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(boards);
        self.big_gifts.note(&deltas.shown);
        // It is gone only when the process stops: then there is nobody to tell.
        let _ = self.commits.send(deltas);
    }
}

fn broadcast(hub: &Hub, waiting: &Receiver<Deltas>) {
    while let Ok(deltas) = waiting.recv() {
        for shown in &deltas.shown {
            let channel = room_channel(&shown.room);
            if hub.has_subscribers(&channel) {
                let publication = Publication::new(shown.json()).at(shown.position.sequence);
                publish(
                    hub,
                    &channel,
                    Class::Durable,
                    publication.urgent(urgency(&shown.event)),
                );
            }
            put_out(hub, &channel, &shown.event);
        }
        for out in &deltas.shut_out {
            end_subscription(hub, &room_channel(&out.room), &out.user, BLOCKED_CODE, "blocked");
        }
        for change in &deltas.withdrawals {
            let channel = format!("user:{}", change.user);
            if hub.has_subscribers(&channel) {
                // Without an offset, which the balance of the same record has; whoever comes back gets it again.
                let publication = Publication::new(change.json()).urgent(Urgency::Now);
                publish(hub, &channel, Class::Durable, publication);
            }
        }
        tell_users(hub, &deltas);
    }
}

/// What has an offset on the channels of users, in the order of the offsets.
fn tell_users(hub: &Hub, deltas: &Deltas) {
    let mut told: Vec<(u64, String, String)> = Vec::new();
    let mut tell = |user: &UserId, position: Position, json: &dyn Fn() -> String| {
        let channel = format!("user:{user}");
        if hub.has_subscribers(&channel) {
            told.push((position.sequence, channel, json()));
        }
    };
    for private in &deltas.told {
        for user in &private.users {
            tell(user, private.position, &|| private.json());
        }
    }
    for change in &deltas.balances {
        tell(&change.user, change.position(), &|| change.json());
    }
    told.sort_by_key(|(offset, ..)| *offset);
    for (offset, channel, json) in told {
        let publication = Publication::new(json).at(offset).urgent(Urgency::Now);
        publish(hub, &channel, Class::Durable, publication);
    }
}

/// Chat may wait for the end of a tick; money and what the house says go sooner.
fn urgency(event: &Event) -> Urgency {
    match event {
        Event::ChatSent(_) => Urgency::Tick,
        _ => Urgency::Soon,
    }
}

/// Whoever was thrown out or banned leaves on all sockets, perhaps before the publication that says so has gone out: the
/// reason says it too.
fn put_out(hub: &Hub, channel: &str, event: &Event) {
    let (user, code, reason) = match event {
        Event::Kicked(kicked) => (&kicked.user, KICKED_CODE, "kicked"),
        Event::Banned(banned) => (&banned.user, BANNED_CODE, "banned"),
        _ => return,
    };
    end_subscription(hub, channel, user, code, reason);
}

/// Ends it on all sockets of a user.
fn end_subscription(hub: &Hub, channel: &str, user: &UserId, code: u32, reason: &'static str) {
    let reason = reason.into();
    hub.unsubscribe_user(user.as_str(), channel, &Unsubscribe { code, reason });
}

/// Publishes; a refusal is a fault of ours and is logged.
pub fn publish(hub: &Hub, channel: &str, class: Class, publication: Publication) {
    if let Err(error) = hub.publish(channel, class, &publication) {
        tracing::error!(channel, "a publication was not taken: {error}");
    }
}
