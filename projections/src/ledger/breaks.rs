//! The promises that the books keep, by number, and what is noted when one of them is broken.
//!
//! A break is a finding, never an error: whoever folds goes on, from what the event says, so that one fault counts once.

use serde::{Deserialize, Serialize};

use crate::fact::{Place, position};

macro_rules! invariants {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $words:literal;)*) => {
        /// A promise of the ledger. The numbers are public (`docs/ledger.md`): never change or reuse one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Invariant {
            $($(#[$doc])* $name = $number,)*
        }

        impl Invariant {
            /// All of them, by number.
            pub const ALL: [Self; INVARIANTS] = [$(Self::$name,)*];

            /// Its number, from 1.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// What it promises, in a few words.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// The invariant of a number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

/// How many promises there are.
pub const INVARIANTS: usize = 13;

invariants! {
    /// The postings of an event sum to zero for each asset, and so do all accounts at every position.
    Conservation = 1, "every entry sums to zero, and so do all accounts";
    /// What people own is never negative, a debt never positive.
    NoNegative = 2, "no account is overdrawn";
    /// A command id has one effect in a stream, and stands in the same record as it.
    ExactlyOnce = 3, "a command id has one effect, written in the same record";
    /// An id that was refused has no effect later.
    RefusedStays = 4, "a refused id stays refused";
    /// What was ever bought, spent, earned or paid only grows.
    VolumesGrow = 5, "volumes only grow";
    /// A withdrawal holds its tickets once and ends once, through the allowed states.
    HoldsOnce = 6, "a hold resolves once";
    /// A correction is a new entry with a reason and an author.
    NothingEdited = 7, "corrections are new entries with reason and author";
    /// Positions and versions have no gap, and time never goes back.
    InOrder = 8, "positions, versions and time strictly in order";
    /// What an event says that accounts stand at is what was posted to them.
    StatedIsPosted = 9, "replay equals what the events say";
    /// A gift's coins arrive, and its tickets are in flight until they are credited, once.
    GiftsArrive = 10, "every gift's debit arrives and is credited once";
    /// Every recharge and refund is backed by a payment and an order of the same amount, once.
    ProviderReconciles = 11, "every recharge and refund has its payment";
    /// The bytes are those that were written.
    ChainUnbroken = 12, "checksums and hash chain unbroken";
    /// Another fold of the same records, in other batches, came to the same accounts.
    Deterministic = 13, "the stored ledger equals this fold";
}

/// A promise that was broken, where, and by which numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// The number of the [`Invariant`].
    pub invariant: u8,
    /// Sequence of the record that breaks it; 0 where it is about no record.
    pub position: u64,
    /// The numbers, for people.
    pub what: String,
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = Invariant::from_number(self.invariant).map_or("unknown", Invariant::words);
        write!(
            f,
            "invariant {} ({words}) is broken at record {}: {}",
            self.invariant, self.position, self.what
        )
    }
}

/// What was found so far. The checks and the first break of each promise are counted in memory only; the first of all,
/// where the last one stands, and how many records broke something are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaks {
    pub(crate) kept: Kept,
    pub(crate) unstored: bool,
    pub(crate) checks: [u64; INVARIANTS],
    pub(crate) firsts: [Option<Break>; INVARIANTS],
}

/// The part that is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) first: Option<Break>,
    pub(crate) last: Place,
    pub(crate) records: u64,
}

impl Breaks {
    /// Counts that a promise was looked at.
    pub(crate) fn checked(&mut self, invariant: Invariant) {
        self.checks[usize::from(invariant.number()) - 1] += 1;
    }

    /// Looks at a promise; when it does not hold, notes it with what `what` says.
    pub(crate) fn check(
        &mut self,
        invariant: Invariant,
        holds: bool,
        place: Place,
        what: impl FnOnce() -> String,
    ) {
        self.checked(invariant);
        if !holds {
            self.note(invariant, place, what());
        }
    }

    #[cold]
    pub(crate) fn note(&mut self, invariant: Invariant, place: Place, what: String) {
        let found = Break {
            invariant: invariant.number(),
            position: position(place).sequence,
            what,
        };
        let first = &mut self.firsts[usize::from(found.invariant) - 1];
        if first.is_none() {
            *first = Some(found.clone());
        }
        if self.kept.records == 0 || self.kept.last != place {
            self.kept.records += 1;
        }
        self.kept.last = place;
        self.kept.first.get_or_insert(found);
        self.unstored = true;
    }
}

/// Whether the books add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Books {
    /// They do, up to where the views are.
    Ok,
    /// They do not: nothing is to be paid out until somebody has looked.
    Broken {
        /// The first thing that does not add up.
        first: Break,
        /// Sequence of the last record that broke something.
        last: u64,
        /// How many records did.
        records: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariants_are_numbered_from_1_to_13_without_a_gap() {
        for (number, invariant) in (1..).zip(Invariant::ALL) {
            assert_eq!(invariant.number(), number);
            assert_eq!(Invariant::from_number(number), Some(invariant));
        }
        assert_eq!(Invariant::from_number(14), None);
    }
}
