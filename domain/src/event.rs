//! The catalogue of events: what has happened, for ever.
//!
//! Past tense, few, closed; each belongs to one kind of stream. A stored shape never changes: a new one gets a new
//! schema version, and the journal's codec raises old ones. `docs/events.md` describes each; a test keeps it true.
//! The time of an event is its record's; who caused it and by which command stand in the record too.

use alloc::string::String;
use serde::{Deserialize, Serialize};

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

/// The viewer follows a streamer. `viewer` stream of the follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// Who is followed.
    pub streamer: UserId,
}

/// The viewer no longer follows a streamer. `viewer` stream of the follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfollowed {
    /// Who was followed.
    pub streamer: UserId,
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

/// Somebody wrote into a room. `room` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSent {
    /// Who.
    pub user: UserId,
    /// What, cleaned, 1 to 200 characters.
    pub text: String,
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
    LiveStarted = 20, "live_started", Streamer;
    LiveStopped = 21, "live_stopped", Streamer;
    TicketsCredited = 22, "tickets_credited", Streamer;
    ChatSent = 40, "chat_sent", Room;
    LikesCounted = 59, "likes_counted", Room;
    SettlementAdvanced = 60, "settlement_advanced", Settlement;
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
