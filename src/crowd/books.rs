//! What the crowd knows of the durable publications and of money, kept beside the server: every watcher of a room must see the
//! same positions in the same order, each once; every acknowledged gift among them; every purse must add up.
//!
//! The first watcher that sees a position writes it down; the others only follow. So one room costs one list, however many
//! watch it, and a position that one of them misses is named.

use std::collections::{BTreeSet, VecDeque};

use parking_lot::Mutex;

/// Positions that a room remembers; a watcher that lies farther behind is not checked for what was forgotten.
const POSITIONS_MAX: usize = 1 << 18;
/// Violations that are kept in words; the rest is counted only.
const VIOLATIONS_KEPT_MAX: usize = 20;

/// What must not happen, with its words.
#[derive(Debug, Default)]
pub(super) struct Violations {
    kept: Mutex<(u64, Vec<String>)>,
}

impl Violations {
    /// Writes one down.
    pub fn add(&self, words: String) {
        let mut kept = self.kept.lock();
        kept.0 += 1;
        if kept.1.len() < VIOLATIONS_KEPT_MAX {
            tracing::debug!("violation: {words}");
            kept.1.push(words);
        }
    }

    /// How many there were, and the first of them.
    pub fn read(&self) -> (u64, Vec<String>) {
        self.kept.lock().clone()
    }
}

/// The durable publications of one room, by position.
#[derive(Debug, Default)]
pub(super) struct RoomBook {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    seen: VecDeque<u64>,
    /// How many were forgotten before the first of `seen`.
    forgotten: u64,
    /// Acknowledged to the sender, seen by nobody yet.
    unseen: BTreeSet<u64>,
}

/// Where one watcher stands in its room: the number of the next position it must see.
pub(super) type Cursor = u64;

/// What is wrong with a position that a watcher saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It was seen before, by this watcher or out of order.
    SeenBefore,
    /// Others saw this many in between, from `first` on.
    Missed { first: u64, count: u64 },
    /// Others went past without it.
    OthersMissed,
}

impl RoomBook {
    /// Where a watcher begins that knows everything up to this position.
    pub fn enter(&self, known: u64) -> Cursor {
        let pages = self.pages.lock();
        pages.forgotten + pages.seen.partition_point(|&position| position <= known) as u64
    }

    /// A watcher sees a position; `known` is the last one it knew before.
    pub fn see(&self, cursor: &mut Cursor, known: u64, position: u64) -> Result<(), Fault> {
        if position <= known {
            return Err(Fault::SeenBefore);
        }
        let mut pages = self.pages.lock();
        // What others wrote down only after this watcher entered, although it lies before its entrance.
        let mut at = usize::try_from(cursor.saturating_sub(pages.forgotten)).unwrap_or(usize::MAX);
        while pages.seen.get(at).is_some_and(|&other| other <= known) {
            at += 1;
        }
        let result = match pages.seen.get(at).copied() {
            None => {
                pages.append(position);
                at = pages.seen.len();
                Ok(())
            }
            Some(next) if next == position => {
                at += 1;
                Ok(())
            }
            Some(next) if next < position => {
                let found = pages.seen.partition_point(|&other| other < position);
                let count = (found - at) as u64;
                if found == pages.seen.len() {
                    pages.append(position);
                    at = pages.seen.len();
                } else {
                    at = found + usize::from(pages.seen[found] == position);
                }
                Err(Fault::Missed { first: next, count })
            }
            Some(_) => Err(Fault::OthersMissed),
        };
        *cursor = pages.forgotten + at as u64;
        result
    }

    /// The server acknowledged a publication at this position to its sender: somebody must see it.
    pub fn acknowledged(&self, position: u64) {
        let mut pages = self.pages.lock();
        let known = pages.seen.binary_search(&position).is_ok();
        let forgotten = pages.seen.front().is_some_and(|&first| position < first);
        if !known && !forgotten && pages.unseen.len() < POSITIONS_MAX {
            pages.unseen.insert(position);
        }
    }

    /// The first acknowledged position that nobody saw, and how many there are.
    pub fn unseen(&self) -> Option<(u64, usize)> {
        let pages = self.pages.lock();
        pages.unseen.first().map(|&first| (first, pages.unseen.len()))
    }

    /// The first position that a watcher with this cursor has not seen, although others have.
    pub fn next_for(&self, cursor: Cursor, known: u64) -> Option<u64> {
        let pages = self.pages.lock();
        let at = usize::try_from(cursor.saturating_sub(pages.forgotten)).unwrap_or(usize::MAX);
        pages
            .seen
            .iter()
            .skip(at)
            .copied()
            .find(|&position| position > known)
    }

    /// How many positions were seen.
    pub fn len(&self) -> u64 {
        let pages = self.pages.lock();
        pages.forgotten + pages.seen.len() as u64
    }
}

impl Pages {
    fn append(&mut self, position: u64) {
        if self.seen.len() == POSITIONS_MAX {
            self.seen.pop_front();
            self.forgotten += 1;
        }
        self.seen.push_back(position);
        self.unseen.remove(&position);
    }
}

/// One person's money, as its own acknowledged commands say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Purse {
    /// Coins before the crowd came.
    pub before: u64,
    /// Coins that the demo gave.
    pub granted: u64,
    /// Coins of acknowledged gifts.
    pub spent: u64,
}

impl Purse {
    /// What must be left; none when more was spent than there was.
    pub fn left(&self) -> Option<u64> {
        (self.before + self.granted).checked_sub(self.spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watcher for tests: its cursor and what it knows.
    struct Eye<'a>(&'a RoomBook, Cursor, u64);

    impl<'a> Eye<'a> {
        fn enter(book: &'a RoomBook, known: u64) -> Self {
            Self(book, book.enter(known), known)
        }
        fn see(&mut self, position: u64) -> Result<(), Fault> {
            let result = self.0.see(&mut self.1, self.2, position);
            self.2 = self.2.max(position);
            result
        }
        fn next(&self) -> Option<u64> {
            self.0.next_for(self.1, self.2)
        }
    }

    #[test]
    fn watchers_that_see_the_same_are_in_order_whoever_is_first() {
        let book = RoomBook::default();
        let (mut ann, mut bo) = (Eye::enter(&book, 0), Eye::enter(&book, 0));
        for position in [3, 7, 9] {
            assert_eq!(ann.see(position), Ok(()));
        }
        assert_eq!(bo.next(), Some(3));
        for position in [3, 7, 9, 12] {
            assert_eq!(bo.see(position), Ok(()));
        }
        assert_eq!((ann.next(), bo.next()), (Some(12), None));
        assert_eq!(ann.see(12), Ok(()));
        assert_eq!(book.len(), 4);
    }

    #[test]
    fn what_is_seen_twice_or_missed_is_named() {
        let book = RoomBook::default();
        let (mut ann, mut bo) = (Eye::enter(&book, 0), Eye::enter(&book, 0));
        for position in [3, 7, 9, 12] {
            assert_eq!(ann.see(position), Ok(()));
        }
        assert_eq!(ann.see(9), Err(Fault::SeenBefore));
        assert_eq!(bo.see(3), Ok(()));
        assert_eq!(bo.see(12), Err(Fault::Missed { first: 7, count: 2 }));
        assert_eq!(bo.see(13), Ok(()));
        assert_eq!(ann.see(13), Ok(()));
        assert_eq!(bo.see(20), Ok(()));
        assert_eq!(ann.see(15), Err(Fault::OthersMissed));
    }

    #[test]
    fn a_newcomer_is_not_asked_for_what_lies_before_its_entrance() {
        let book = RoomBook::default();
        let mut ann = Eye::enter(&book, 0);
        assert_eq!(ann.see(3), Ok(()));
        // The newcomer entered at 9; the slow first watcher sees 7 and 9 only afterwards.
        let mut bo = Eye::enter(&book, 9);
        assert_eq!(ann.see(7), Ok(()));
        assert_eq!(ann.see(9), Ok(()));
        assert_eq!(bo.next(), None);
        assert_eq!(ann.see(11), Ok(()));
        assert_eq!(bo.see(11), Ok(()));
        assert_eq!(bo.next(), None);
    }

    #[test]
    fn an_acknowledged_gift_waits_until_somebody_sees_it() {
        let book = RoomBook::default();
        let mut ann = Eye::enter(&book, 0);
        book.acknowledged(5);
        assert_eq!(book.unseen(), Some((5, 1)));
        assert_eq!(ann.see(5), Ok(()));
        book.acknowledged(5);
        assert_eq!(book.unseen(), None);
    }

    #[test]
    fn a_long_evening_forgets_its_beginning() {
        let book = RoomBook::default();
        let (mut ann, mut sleeper) = (Eye::enter(&book, 0), Eye::enter(&book, 0));
        for position in 1..=(POSITIONS_MAX as u64 + 10) {
            assert_eq!(ann.see(position), Ok(()));
        }
        assert_eq!(book.len(), POSITIONS_MAX as u64 + 10);
        assert_eq!(sleeper.see(11), Ok(()));
        assert_eq!(sleeper.see(12), Ok(()));
    }
}
