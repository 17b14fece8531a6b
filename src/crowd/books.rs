//! What the crowd knows of the durable publications and of money, kept beside the server: every watcher of a room must see the
//! same positions in the same order, each once; every acknowledged gift among them; every purse must add up.
//!
//! The first watcher that sees a position writes it down; the others only follow. So one room costs one list, however many
//! watch it, and a position that somebody misses is named, whoever was first.

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

/// The durable publications of one room, by position, and who has seen up to where.
#[derive(Debug, Default)]
pub(super) struct RoomBook {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    /// Ascending.
    seen: VecDeque<u64>,
    /// How many were forgotten before the first of `seen`.
    forgotten: u64,
    seats: Vec<Seat>,
    /// Acknowledged to the sender, seen by nobody yet.
    unseen: BTreeSet<u64>,
}

/// What one watcher has seen: everything after `since`, up to `known`.
#[derive(Debug, Clone, Copy)]
struct Seat {
    since: u64,
    known: u64,
}

/// A watcher's place in its room's book.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeatNumber(usize);

/// What is wrong with a position that a watcher saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It was seen before, by this watcher or out of order.
    SeenBefore,
    /// Others saw this many in between, from `first` on.
    Missed { first: u64, count: usize },
    /// So many others went past without it, although they were in the room.
    OthersMissed { count: usize },
}

impl RoomBook {
    /// A place for one more watcher.
    pub fn sit(&self) -> SeatNumber {
        let mut pages = self.pages.lock();
        pages.seats.push(Seat { since: 0, known: 0 });
        SeatNumber(pages.seats.len() - 1)
    }

    /// A watcher begins here, knowing everything up to this position.
    pub fn enter(&self, SeatNumber(seat): SeatNumber, known: u64) {
        self.pages.lock().seats[seat] = Seat { since: known, known };
    }

    /// The last position that a watcher knows.
    pub fn known(&self, SeatNumber(seat): SeatNumber) -> u64 {
        self.pages.lock().seats[seat].known
    }

    /// A watcher sees a position.
    pub fn see(&self, SeatNumber(seat): SeatNumber, position: u64) -> Result<(), Fault> {
        let mut pages = self.pages.lock();
        let known = pages.seats[seat].known;
        if position <= known {
            return Err(Fault::SeenBefore);
        }
        pages.seats[seat].known = position;
        let at = pages.seen.partition_point(|&other| other < position);
        let missed = pages.seen.partition_point(|&other| other <= known)..at;
        let others = pages.write_down(at, position);
        if !missed.is_empty() {
            let first = pages.seen[missed.start];
            return Err(Fault::Missed {
                first,
                count: missed.len(),
            });
        }
        if others > 0 {
            Err(Fault::OthersMissed { count: others })
        } else {
            Ok(())
        }
    }

    /// The server acknowledged a publication at this position to its sender: somebody must see it.
    pub fn acknowledged(&self, position: u64) {
        let mut pages = self.pages.lock();
        let known = pages.seen.binary_search(&position).is_ok();
        let forgotten = pages.seen.front().is_some_and(|&first| position < first) && pages.forgotten > 0;
        if !known && !forgotten && pages.unseen.len() < POSITIONS_MAX {
            pages.unseen.insert(position);
        }
    }

    /// The first acknowledged position that nobody saw, and how many there are.
    pub fn unseen(&self) -> Option<(u64, usize)> {
        let pages = self.pages.lock();
        pages.unseen.first().map(|&first| (first, pages.unseen.len()))
    }

    /// The first position that a watcher has not seen, although others have.
    pub fn next_for(&self, SeatNumber(seat): SeatNumber) -> Option<u64> {
        let pages = self.pages.lock();
        let known = pages.seats[seat].known;
        pages
            .seen
            .get(pages.seen.partition_point(|&other| other <= known))
            .copied()
    }

    /// The newest position that was seen, 0 before the first.
    pub fn newest(&self) -> u64 {
        self.pages.lock().seen.back().copied().unwrap_or(0)
    }

    /// How many positions were seen.
    pub fn len(&self) -> u64 {
        let pages = self.pages.lock();
        pages.forgotten + pages.seen.len() as u64
    }
}

impl Pages {
    /// Writes a position down at its place; returns how many watchers went past without it. Who entered later than it was
    /// published may be ahead of those who have yet to see it: nothing is wrong with that.
    fn write_down(&mut self, at: usize, position: u64) -> usize {
        if self.seen.get(at) == Some(&position) {
            return 0;
        }
        self.unseen.remove(&position);
        self.seen.insert(at, position);
        let newest = at + 1 == self.seen.len();
        if self.seen.len() > POSITIONS_MAX {
            self.seen.pop_front();
            self.forgotten += 1;
        }
        if newest {
            return 0;
        }
        let went_past = |seat: &&Seat| seat.since < position && position < seat.known;
        self.seats.iter().filter(went_past).count()
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

    /// A watcher for tests.
    struct Eye<'a>(&'a RoomBook, SeatNumber);

    impl<'a> Eye<'a> {
        fn enter(book: &'a RoomBook, known: u64) -> Self {
            let seat = book.sit();
            book.enter(seat, known);
            Self(book, seat)
        }
        fn see(&self, position: u64) -> Result<(), Fault> {
            self.0.see(self.1, position)
        }
        fn next(&self) -> Option<u64> {
            self.0.next_for(self.1)
        }
    }

    #[test]
    fn watchers_that_see_the_same_are_in_order_whoever_is_first() {
        let book = RoomBook::default();
        let (ann, bo) = (Eye::enter(&book, 0), Eye::enter(&book, 0));
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
        let (ann, bo) = (Eye::enter(&book, 0), Eye::enter(&book, 0));
        for position in [3, 7, 9, 12] {
            assert_eq!(ann.see(position), Ok(()));
        }
        assert_eq!(ann.see(9), Err(Fault::SeenBefore));
        assert_eq!(bo.see(3), Ok(()));
        assert_eq!(bo.see(12), Err(Fault::Missed { first: 7, count: 2 }));
        assert_eq!(ann.see(20), Ok(()));
        assert_eq!(bo.see(15), Err(Fault::OthersMissed { count: 1 }));
        assert_eq!(bo.see(20), Ok(()));
    }

    #[test]
    fn a_newcomer_may_be_ahead_of_those_who_have_yet_to_see_what_lies_before_its_entrance() {
        let book = RoomBook::default();
        let ann = Eye::enter(&book, 0);
        assert_eq!(ann.see(3), Ok(()));
        let bo = Eye::enter(&book, 9);
        assert_eq!(bo.see(11), Ok(()));
        for position in [7, 9, 11] {
            assert_eq!(ann.see(position), Ok(()));
        }
        assert_eq!((ann.next(), bo.next()), (None, None));
        // But what lies after its entrance it must have seen.
        assert_eq!(bo.see(30), Ok(()));
        assert_eq!(ann.see(20), Err(Fault::OthersMissed { count: 1 }));
    }

    #[test]
    fn an_acknowledged_gift_waits_until_somebody_sees_it() {
        let book = RoomBook::default();
        let ann = Eye::enter(&book, 0);
        book.acknowledged(5);
        assert_eq!(book.unseen(), Some((5, 1)));
        assert_eq!(ann.see(5), Ok(()));
        book.acknowledged(5);
        assert_eq!(book.unseen(), None);
    }

    #[test]
    fn a_long_evening_forgets_its_beginning() {
        let book = RoomBook::default();
        let (ann, sleeper) = (Eye::enter(&book, 0), Eye::enter(&book, 0));
        for position in 1..=(POSITIONS_MAX as u64 + 10) {
            assert_eq!(ann.see(position), Ok(()));
        }
        assert_eq!(book.len(), POSITIONS_MAX as u64 + 10);
        assert_eq!(sleeper.see(11), Ok(()));
        assert_eq!(sleeper.see(12), Ok(()));
    }

    #[test]
    fn a_purse_is_what_there_was_and_came_without_what_was_spent() {
        let purse = Purse {
            before: 5,
            granted: 10,
            spent: 12,
        };
        assert_eq!(purse.left(), Some(3));
        assert_eq!(Purse { spent: 16, ..purse }.left(), None);
    }
}
