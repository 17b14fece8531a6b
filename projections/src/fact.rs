//! One event as the views see it: decoded once, its users already numbers.

use domain::Event;
use journal::{Position, RecordRef};

use crate::names::{NOBODY, Names, Number};
use crate::store::{Put, Stored};
use crate::{Error, Result};

/// A position in one word: shard in the upper 16 bits, sequence below. Order within a shard is kept.
pub type Place = u64;

const SEQUENCE_BITS: u32 = 48;

/// Packs a position.
pub const fn place(position: Position) -> Place {
    ((position.shard as u64) << SEQUENCE_BITS) | position.sequence
}

/// Unpacks a position.
pub const fn position(place: Place) -> Position {
    Position {
        shard: (place >> SEQUENCE_BITS) as u16,
        sequence: place & ((1 << SEQUENCE_BITS) - 1),
    }
}

/// One event, ready to be folded.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// Where it stands.
    pub place: Place,
    /// Server time, unix ms.
    pub at_ms: i64,
    /// Key of the stream it belongs to.
    pub key: &'a str,
    /// Who did it: the viewer, the streamer, the author of a chat or of an order. [`NOBODY`] for events of the house.
    pub who: Number,
    /// To whom: the room's streamer, the one who is followed. [`NOBODY`] where there is none.
    pub whom: Number,
    /// What happened.
    pub event: &'a Event,
}

/// Who did it and to whom, as numbers; users that are new get one.
pub(crate) fn numbers(record: &RecordRef<'_>, event: &Event, names: &mut Names) -> (Number, Number) {
    match event {
        Event::CoinsAdjusted(_)
        | Event::ComboRepeated(_)
        | Event::LiveStarted(_)
        | Event::LiveStopped(_)
        | Event::TicketsCredited(_)
        | Event::CoinsRecharged(_)
        | Event::CoinsTakenBack(_)
        | Event::DebtForgiven(_)
        | Event::TicketsAdjusted(_)
        | Event::WithdrawalRequested(_)
        | Event::WithdrawalApproved(_)
        | Event::WithdrawalRejected(_)
        | Event::WithdrawalSubmitted(_)
        | Event::WithdrawalPaid(_)
        | Event::WithdrawalFailed(_) => (names.intern(record.key), NOBODY),
        Event::OrderCreated(e) => (names.intern(e.user.as_str()), NOBODY),
        Event::OrderCancelled(e) => (names.intern(e.user.as_str()), NOBODY),
        Event::OrderPaid(e) => (names.intern(e.user.as_str()), NOBODY),
        Event::OrderRefunded(e) => (names.intern(e.user.as_str()), NOBODY),
        Event::GiftSent(e) => (names.intern(record.key), names.intern(e.room.as_str())),
        Event::ComboEnded(e) => (names.intern(record.key), names.intern(e.room.as_str())),
        Event::Followed(e) => (names.intern(record.key), names.intern(e.streamer.as_str())),
        Event::Unfollowed(e) => (names.intern(record.key), names.intern(e.streamer.as_str())),
        Event::Blocked(e) => (names.intern(record.key), names.intern(e.user.as_str())),
        Event::Unblocked(e) => (names.intern(record.key), names.intern(e.user.as_str())),
        Event::ChatSent(e) => (names.intern(e.user.as_str()), names.intern(record.key)),
        Event::Muted(_)
        | Event::Unmuted(_)
        | Event::Kicked(_)
        | Event::Banned(_)
        | Event::Unbanned(_)
        | Event::SlowModeSet(_)
        | Event::FollowersOnlySet(_)
        | Event::NoticePosted(_)
        | Event::Pinned(_)
        | Event::Unpinned(_)
        | Event::ModeratorAdded(_)
        | Event::ModeratorRemoved(_) => {
            let by = event.ordered_by().map_or(NOBODY, |by| names.intern(by.as_str()));
            (by, names.intern(record.key))
        }
        Event::MessageSent(e) => (names.intern(e.from.as_str()), names.intern(e.to.as_str())),
        Event::MessagesRead(e) => (names.intern(e.reader.as_str()), names.intern(e.from.as_str())),
        Event::LikesCounted(_) => (NOBODY, names.intern(record.key)),
        Event::CommandRefused(_)
        | Event::WithdrawalRefused(_)
        | Event::PaymentReceived(_)
        | Event::PaymentUnmatched(_)
        | Event::PaymentRefunded(_)
        | Event::GiftListed(_)
        | Event::GiftDelisted(_)
        | Event::SettlementAdvanced(_)
        | Event::ProcessAdvanced(_) => (NOBODY, NOBODY),
    }
}

impl Fact<'_> {
    /// The room in which this is shown, if it is.
    pub fn shown_in(&self) -> Option<Number> {
        match self.event {
            Event::GiftSent(_) | Event::ComboEnded(_) | Event::ChatSent(_) => Some(self.whom),
            Event::LiveStarted(_) | Event::LiveStopped(_) => Some(self.who),
            event => event.ordered_by().map(|_| self.whom),
        }
    }
}

/// A fold over the journal. No I/O of its own and no clock: the same facts in the same order always give the same view,
/// however they are cut into batches.
pub trait Projection: Send + Sync {
    /// Its name, as in `livehouse rebuild NAME`.
    fn name(&self) -> &'static str;

    /// Raise it when the fold or the stored shape changes: the view is then built anew beside the old one.
    fn version(&self) -> u32;

    /// A digest of configuration that changes the fold (a time zone); a view stored under another one is built anew.
    fn settings(&self) -> u64 {
        0
    }

    /// Folds one event.
    fn apply(&mut self, fact: &Fact<'_>);

    /// Folds several, in order.
    fn apply_all(&mut self, facts: &[Fact<'_>]) {
        for fact in facts {
            self.apply(fact);
        }
    }

    /// The first key that opening the view has to read.
    fn load_from(&self, _: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Takes back one stored entry, when the view is opened.
    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Hands out every entry that changed since the last call. `stored` is the view as it was at the last call.
    fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()>;

    /// Brings what is only needed by readers (orders) up to date. Never called in a rebuild.
    fn settle(&mut self) {}

    /// What a stored key means, for people.
    fn explain(&self, key: &[u8], names: &Names) -> String;
}

/// A damaged entry of a view.
pub(crate) fn damaged(view: &str, what: &str) -> Error {
    Error::Damaged {
        view: view.into(),
        what: what.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_packing() {
        for p in [
            Position {
                shard: 0,
                sequence: 1,
            },
            Position {
                shard: 7,
                sequence: (1 << 48) - 1,
            },
        ] {
            assert_eq!(position(place(p)), p);
        }
    }
}
