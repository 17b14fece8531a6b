//! What a commit changed, for those who tell it to clients. Handed out after the commit, never before, and never while old
//! records are being caught up.

use domain::event::{ChatSent, ComboEnded, GiftSent};
use domain::streamer::WithdrawalState;
use domain::{Event, RoomId, UserId};
use journal::{Position, RecordRef};

use crate::fact::position;
use crate::ledger::Balance;
use crate::publication::{self, Moment};
use crate::views::{Board, Withdrawal};

/// A record that everybody in a room is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where.
    pub room: RoomId,
    /// Its position; the publication's offset.
    pub position: Position,
    /// Server time, unix ms.
    pub at_ms: i64,
    /// The sender of a gift or combo, the author of a chat or an order, the streamer who went live.
    pub user: UserId,
    /// What happened.
    pub event: Event,
}

impl Shown {
    /// The record as something to be shown; none for events that no room shows.
    pub(crate) fn of(record: &RecordRef<'_>, event: Event) -> Option<Self> {
        let owner = || record.stream().user();
        let (room, user) = match &event {
            Event::GiftSent(GiftSent { room, .. }) | Event::ComboEnded(ComboEnded { room, .. }) => {
                (room.clone(), owner()?)
            }
            Event::ChatSent(ChatSent { user, .. }) => (record.stream().room_id()?, user.clone()),
            Event::LiveStarted(_) | Event::LiveStopped(_) => (record.stream().room_id()?, owner()?),
            order => (record.stream().room_id()?, order.ordered_by()?.clone()),
        };
        Some(Self {
            room,
            position: record.position,
            at_ms: record.recorded_at_ms,
            user,
            event,
        })
    }

    /// Its publication, as JSON.
    pub fn json(&self) -> String {
        let mut out = String::with_capacity(192);
        let moment = Moment {
            position: self.position,
            at_ms: self.at_ms,
            key: self.user.as_str(),
        };
        publication::room(&moment, &self.event, &mut out);
        out
    }
}

/// A user whose coins, tickets, held tickets or debt changed; however often they did, once, with the last state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceChange {
    /// Who.
    pub user: UserId,
    /// What they have now, and the last event that said so: its position is the publication's offset.
    pub balance: Balance,
}

impl BalanceChange {
    /// The last event that changed it; the publication's offset.
    pub fn position(&self) -> Position {
        position(self.balance.changed)
    }

    /// Its publication, as JSON.
    pub fn json(&self) -> String {
        let mut out = String::with_capacity(128);
        publication::balance(&self.balance, &mut out);
        out
    }
}

/// One step of a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawalChange {
    /// Whose it is.
    pub user: UserId,
    /// The event's position.
    pub position: Position,
    /// Its server time, unix ms.
    pub at_ms: i64,
    /// Where the withdrawal stood after it.
    pub state: WithdrawalState,
    /// How many of staff had approved.
    pub approvals: u8,
    /// The withdrawal as it is at the end of the commit: what never changes of it, and its end.
    pub withdrawal: Withdrawal,
}

impl WithdrawalChange {
    /// The last step of a withdrawal.
    pub fn last(user: UserId, withdrawal: Withdrawal) -> Self {
        Self {
            user,
            position: crate::position(withdrawal.changed),
            at_ms: withdrawal.changed_at_ms,
            state: withdrawal.state,
            approvals: withdrawal.approvals(),
            withdrawal,
        }
    }

    /// Its publication, as JSON.
    pub fn json(&self) -> String {
        let mut out = String::with_capacity(256);
        publication::withdrawal(self, &mut out);
        out
    }
}

/// A user whom a streamer blocked, and who has to leave the streamer's room for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShutOut {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
}

impl ShutOut {
    /// Whom an event shuts out of its author's room; none for most events.
    pub(crate) fn of(record: &RecordRef<'_>, event: &Event) -> Option<Self> {
        let Event::Blocked(blocked) = event else {
            return None;
        };
        Some(Self {
            room: RoomId::of(&record.stream().user()?),
            user: blocked.user.clone(),
        })
    }
}

/// A private message, or how far somebody has read: both users of a conversation are told, on all their sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its position; the publication's offset.
    pub position: Position,
    /// Server time, unix ms.
    pub at_ms: i64,
    /// Whoever did it first.
    pub users: [UserId; 2],
    /// What happened.
    pub event: Event,
}

impl Told {
    /// The record as something that two users are told; none for most events.
    pub(crate) fn of(record: &RecordRef<'_>, event: &Event) -> Option<Self> {
        let users = match event {
            Event::MessageSent(e) => [e.from.clone(), e.to.clone()],
            Event::MessagesRead(e) => [e.reader.clone(), e.from.clone()],
            _ => return None,
        };
        Some(Self {
            position: record.position,
            at_ms: record.recorded_at_ms,
            users,
            event: event.clone(),
        })
    }

    /// Its publication, as JSON: the same for both.
    pub fn json(&self) -> String {
        let mut out = String::with_capacity(256);
        let moment = Moment {
            position: self.position,
            at_ms: self.at_ms,
            key: "",
        };
        publication::private(&moment, &self.event, &mut out);
        out
    }
}

/// What one commit changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deltas {
    /// What rooms are to see, in the order of the journal.
    pub shown: Vec<Shown>,
    /// Who has to leave a room without a word to anybody, in the order of the journal.
    pub shut_out: Vec<ShutOut>,
    /// Private messages and read marks, in the order of the journal.
    pub told: Vec<Told>,
    /// Whose balance changed.
    pub balances: Vec<BalanceChange>,
    /// What happened to withdrawals, in the order of the journal.
    pub withdrawals: Vec<WithdrawalChange>,
    /// Boards on which somebody moved.
    pub boards: Vec<Board>,
    /// Everything up to here is in the views now.
    pub upto: Option<Position>,
}

/// The port to whoever tells clients. Called on the runner's thread: it must be short, and must not block.
pub trait Sink: Send + Sync {
    /// A commit is durable in the journal and visible in the views; this is what it changed.
    fn published(&self, deltas: Deltas);
}

/// A sink that tells nobody.
impl Sink for () {
    fn published(&self, _: Deltas) {}
}
