//! The catalogue of events: what has happened, for ever.
//!
//! Past tense, few, closed; each belongs to one kind of stream. A stored shape never changes: a new one gets a new
//! schema version, and the journal's codec raises old ones. `docs/events.md` describes each; a test keeps it true.
//! The time of an event is its record's; who caused it and by which command stand in the record too.

mod money;

use alloc::string::String;
use serde::{Deserialize, Serialize};

pub use money::*;

use crate::{ComboId, GiftId, Rejection, RoomId, SessionNumber, StreamKind, UserId};

/// Coins were added or taken by hand: a grant, a correction. `viewer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinsAdjusted {
    /// Coins added, or taken when negative; never 0.
    pub amount: i64,
    /// The balance after it.
    pub coins_left: u64,
    /// Why, for people.
    pub reason: String,
}

/// A step of a combo within a gift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComboStep {
    /// The client's name for the combo.
    pub id: ComboId,
    /// The cumulative total after this event.
    pub total: u32,
}

/// A gift was paid and given: debit and gift in one. `viewer` stream of the sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftSent {
    /// Where.
    pub room: RoomId,
    /// In which live session of that room's streamer.
    pub session: SessionNumber,
    /// Which gift.
    pub gift: GiftId,
    /// How many, 1 to 9999.
    pub count: u32,
    /// What the sender paid for all of them, in coins.
    pub coins: u64,
    /// What the streamer earns by all of them, in tickets.
    pub tickets: u64,
    /// The sender's balance after it.
    pub coins_left: u64,
    /// The combo it belongs to, if any.
    pub combo: Option<ComboStep>,
}

/// A combo was sent again with a total that was already reached: nothing was charged. `viewer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComboRepeated {
    /// Which combo, and the total it stands at.
    pub combo: ComboStep,
    /// The balance, unchanged.
    pub coins_left: u64,
}

/// A combo ended: 5 s after its last gift, or because the client said so. `viewer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComboEnded {
    /// Where.
    pub room: RoomId,
    /// Which gift.
    pub gift: GiftId,
    /// Which combo, and its final total.
    pub combo: ComboStep,
}

/// A command about money was refused; its id stays refused. `viewer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRefused {
    /// Why.
    pub rejection: Rejection,
}

/// The viewer follows a streamer, or does so again, knowing of more. `viewer` stream of the follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Who is followed.
    pub streamer: UserId,
    /// How many changes of the streamer's blocks this follow knows of: a block with a higher number removes it. 0 in records
    /// of before there were blocks.
    pub cleared: u64,
}

/// The viewer no longer follows a streamer. `viewer` stream of the follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfollowed {
    /// Who was followed.
    pub streamer: UserId,
}

/// The viewer wants nothing to do with a user: no follows either way, no messages, and no entry to the viewer's room.
/// `viewer` stream of the one who blocks. If the viewer followed that user, an `unfollowed` comes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Who is blocked.
    pub user: UserId,
    /// The how-manieth change of the viewer's blocks it is, counted from 1.
    pub change: u64,
}

/// The viewer blocks a user no longer. Follows do not come back by themselves. `viewer` stream of the one who blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unblocked {
    /// Who was blocked.
    pub user: UserId,
    /// The how-manieth change of the viewer's blocks it is, counted from 1.
    pub change: u64,
}

/// A live session began. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStarted {
    /// The streamer's how-manieth.
    pub session: SessionNumber,
    /// What the streamer called it; may be empty.
    pub title: String,
}

/// A live session ended. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStopped {
    /// Which.
    pub session: SessionNumber,
}

/// Gifts of one shard were credited to the streamer, all those in `(after, upto]`. `streamer` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketsCredited {
    /// The shard of the journal whose gifts these are.
    pub shard: u16,
    /// The position in that shard up to which this streamer was settled before; 0 = nothing.
    pub after: u64,
    /// The position up to which the streamer is settled now.
    pub upto: u64,
    /// How many `GiftSent` events that was.
    pub gifts: u64,
    /// What they earn, in tickets.
    pub tickets: u64,
    /// The streamer's account after it, in tickets.
    pub tickets_total: u64,
}

/// As what somebody is in a room; the later one has a say over the earlier. The order is stored: never change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Anybody.
    #[default]
    Viewer,
    /// Appointed by the streamer.
    Moderator,
    /// The room is theirs.
    Streamer,
}

/// Somebody wrote into a room. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSent {
    /// Who.
    pub user: UserId,
    /// What, cleaned, 1 to 200 characters.
    pub text: String,
    /// As what they wrote it.
    pub role: Role,
}

/// A user may not write until some time. `room` stream, as all that the streamer and the moderators order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// Whom.
    pub user: UserId,
    /// Until when, unix ms.
    pub until_ms: i64,
    /// By whose order.
    pub by: UserId,
}

/// A user may write again, before the mute had ended. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmuted {
    /// Whom.
    pub user: UserId,
    /// By whose order.
    pub by: UserId,
}

/// A user has to leave and may come back after 60 s. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kicked {
    /// Whom.
    pub user: UserId,
    /// By whose order.
    pub by: UserId,
}

/// A user has to leave and may not come back. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    /// Whom.
    pub user: UserId,
    /// By whose order.
    pub by: UserId,
}

/// A banned user may come back. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbanned {
    /// Whom.
    pub user: UserId,
    /// By whose order.
    pub by: UserId,
}

/// Every viewer writes at most once in so many seconds. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowModeSet {
    /// 1 to 3600; 0 = off.
    pub seconds: u32,
    /// By whose order.
    pub by: UserId,
}

/// Only who follows the streamer may write, or everybody again. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowersOnlySet {
    /// Whether it is so.
    pub on: bool,
    /// By whose order.
    pub by: UserId,
}

/// Everybody was told something, once. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticePosted {
    /// What, cleaned, 1 to 200 characters.
    pub text: String,
    /// By whose order.
    pub by: UserId,
}

/// A text is shown until another one is pinned. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// What, cleaned, 1 to 200 characters.
    pub text: String,
    /// By whose order.
    pub by: UserId,
}

/// No text is pinned any more. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpinned {
    /// By whose order.
    pub by: UserId,
}

/// A user became a moderator. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeratorAdded {
    /// Whom.
    pub user: UserId,
    /// By whose order.
    pub by: UserId,
}

/// A user is a moderator no longer. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeratorRemoved {
    /// Whom.
    pub user: UserId,
    /// By whose order.
    pub by: UserId,
}

/// Likes were given in a room: what was tapped since the last such event, added up. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikesCounted {
    /// In which live session of the room's streamer.
    pub session: SessionNumber,
    /// How many, at least 1.
    pub likes: u64,
    /// How many in this session after it.
    pub total: u64,
}

/// Every gift of a shard up to a position has been credited. `settlement` stream of that shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementAdvanced {
    /// The shard that was read.
    pub shard: u16,
    /// The position up to which every gift is credited.
    pub upto: u64,
}

/// A user wrote to another one. `conversation` stream of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSent {
    /// Who.
    pub from: UserId,
    /// To whom.
    pub to: UserId,
    /// The how-manieth message of this one to the other it is, counted from 1.
    pub number: u64,
    /// What, cleaned, 1 to 500 characters.
    pub text: String,
}

/// A user has read another one's messages, so far. `conversation` stream of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesRead {
    /// Who.
    pub reader: UserId,
    /// Whose messages.
    pub from: UserId,
    /// Up to which of them, by their numbers.
    pub upto: u64,
}

macro_rules! events {
    ($($name:ident = $number:literal, $word:literal, $kind:ident;)*) => {
        /// Anything that can have happened.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        #[expect(missing_docs, reason = "each variant is documented at its struct")]
        pub enum Event { $($name($name),)* }

        /// The type of an event. The numbers are stored: never change or reuse one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        #[expect(missing_docs, reason = "each variant is documented at its struct")]
        pub enum EventType { $($name = $number,)* }

        impl EventType {
            /// All types, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The type's name, as in `type` of its JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The kind of stream it belongs to.
            pub const fn stream_kind(self) -> StreamKind {
                match self { $(Self::$name => StreamKind::$kind,)* }
            }

            /// The type of a stored number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }

        impl Event {
            /// Its type.
            pub const fn event_type(&self) -> EventType {
                match self { $(Self::$name(_) => EventType::$name,)* }
            }
        }

        $(impl From<$name> for Event {
            fn from(event: $name) -> Self { Self::$name(event) }
        })*
    };
}

events! {
    CoinsAdjusted = 1, "coins_adjusted", Viewer;
    GiftSent = 2, "gift_sent", Viewer;
    ComboRepeated = 3, "combo_repeated", Viewer;
    ComboEnded = 4, "combo_ended", Viewer;
    CommandRefused = 5, "command_refused", Viewer;
    Followed = 6, "followed", Viewer;
    Unfollowed = 7, "unfollowed", Viewer;
    CoinsRecharged = 8, "coins_recharged", Viewer;
    CoinsTakenBack = 9, "coins_taken_back", Viewer;
    DebtForgiven = 10, "debt_forgiven", Viewer;
    Blocked = 11, "blocked", Viewer;
    Unblocked = 12, "unblocked", Viewer;
    LiveStarted = 20, "live_started", Streamer;
    LiveStopped = 21, "live_stopped", Streamer;
    TicketsCredited = 22, "tickets_credited", Streamer;
    TicketsAdjusted = 23, "tickets_adjusted", Streamer;
    WithdrawalRequested = 24, "withdrawal_requested", Streamer;
    WithdrawalRefused = 25, "withdrawal_refused", Streamer;
    WithdrawalApproved = 26, "withdrawal_approved", Streamer;
    WithdrawalRejected = 27, "withdrawal_rejected", Streamer;
    WithdrawalSubmitted = 28, "withdrawal_submitted", Streamer;
    WithdrawalPaid = 29, "withdrawal_paid", Streamer;
    WithdrawalFailed = 30, "withdrawal_failed", Streamer;
    ChatSent = 40, "chat_sent", Room;
    Muted = 41, "muted", Room;
    Unmuted = 42, "unmuted", Room;
    Kicked = 43, "kicked", Room;
    Banned = 44, "banned", Room;
    Unbanned = 45, "unbanned", Room;
    SlowModeSet = 46, "slow_mode_set", Room;
    FollowersOnlySet = 47, "followers_only_set", Room;
    NoticePosted = 48, "notice_posted", Room;
    Pinned = 49, "pinned", Room;
    Unpinned = 50, "unpinned", Room;
    ModeratorAdded = 51, "moderator_added", Room;
    ModeratorRemoved = 52, "moderator_removed", Room;
    LikesCounted = 59, "likes_counted", Room;
    SettlementAdvanced = 60, "settlement_advanced", Settlement;
    ProcessAdvanced = 61, "process_advanced", Process;
    OrderCreated = 70, "order_created", Order;
    OrderCancelled = 71, "order_cancelled", Order;
    OrderPaid = 72, "order_paid", Order;
    OrderRefunded = 73, "order_refunded", Order;
    PaymentReceived = 80, "payment_received", Payment;
    PaymentUnmatched = 81, "payment_unmatched", Payment;
    PaymentRefunded = 82, "payment_refunded", Payment;
    GiftListed = 90, "gift_listed", Catalogue;
    GiftDelisted = 91, "gift_delisted", Catalogue;
    MessageSent = 100, "message_sent", Conversation;
    MessagesRead = 101, "messages_read", Conversation;
}

impl Event {
    /// Who ordered it, where the streamer or a moderator of a room did.
    pub const fn ordered_by(&self) -> Option<&UserId> {
        Some(match self {
            Self::Muted(e) => &e.by,
            Self::Unmuted(e) => &e.by,
            Self::Kicked(e) => &e.by,
            Self::Banned(e) => &e.by,
            Self::Unbanned(e) => &e.by,
            Self::SlowModeSet(e) => &e.by,
            Self::FollowersOnlySet(e) => &e.by,
            Self::NoticePosted(e) => &e.by,
            Self::Pinned(e) => &e.by,
            Self::Unpinned(e) => &e.by,
            Self::ModeratorAdded(e) => &e.by,
            Self::ModeratorRemoved(e) => &e.by,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_back_from_their_numbers() {
        assert!(EventType::ALL.windows(2).all(|w| (w[0] as u16) < (w[1] as u16)));
        for t in EventType::ALL {
            assert_eq!(EventType::from_number(*t as u16), Some(*t));
        }
        assert_eq!(EventType::from_number(0), None);
    }
}
