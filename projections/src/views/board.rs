//! Boards by day: streamers by tickets earned, senders by coins spent, and senders by coins spent in each room.
//!
//! Tickets count when the gift is sent, not when settlement credits them. A day's boards are written until the day ends and
//! never after; the newest days stay in memory, the others are read from the store.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};

use domain::Event;

use super::order::{Order, Rung};
use crate::Result;
use crate::day::{Day, UtcOffset};
use crate::fact::{Fact, Place, Projection, damaged};
use crate::limits::BOARD_DAYS_IN_MEMORY;
use crate::names::{NOBODY, Names, Number};
use crate::store::{Put, Stored};

/// Which board, rooms by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tickets,
    Coins,
    Room(Number),
}

/// A board and a user in one word: the table's key is hashed for every gift, three times. Rooms have their streamer's number,
/// and the two other boards numbers that no user can have.
type Slot = u64;

const TICKETS: u32 = NOBODY;
const COINS: u32 = NOBODY - 1;

fn slot(kind: Kind, user: Number) -> Slot {
    let board = match kind {
        Kind::Tickets => TICKETS,
        Kind::Coins => COINS,
        Kind::Room(room) => room,
    };
    (u64::from(board) << 32) | u64::from(user)
}

fn of_slot(slot: Slot) -> (Kind, Number) {
    let kind = match (slot >> 32) as u32 {
        TICKETS => Kind::Tickets,
        COINS => Kind::Coins,
        room => Kind::Room(room),
    };
    (kind, slot as Number)
}

/// What one user has on one board.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    score: u64,
    reached: Place,
    unstored: bool,
    /// The order still has an earlier score of this user.
    unplaced: bool,
}

/// All boards of one day. The scores of all of them lie in one table, because a fold over many gifts is little else than
/// looking them up. The orders are built when somebody may first ask for them, and then follow the scores.
#[derive(Debug, Default)]
struct Today {
    scores: HashMap<Slot, Score, foldhash::fast::RandomState>,
    unstored: Vec<Slot>,
    orders: HashMap<Kind, Order, foldhash::fast::RandomState>,
    /// Who moved since the orders followed last, and the rung they stood on.
    moved: Vec<(Kind, Number, Option<Rung>)>,
    ordered: bool,
}

impl Today {
    fn add(&mut self, kind: Kind, user: Number, amount: u64, at: Place) {
        if amount == 0 {
            return;
        }
        let slot = slot(kind, user);
        let score = self.scores.entry(slot).or_default();
        if self.ordered && !std::mem::replace(&mut score.unplaced, true) {
            let stood = (score.score > 0).then(|| Rung::new(score.score, score.reached, user));
            self.moved.push((kind, user, stood));
        }
        if !std::mem::replace(&mut score.unstored, true) {
            self.unstored.push(slot);
        }
        score.score = score.score.saturating_add(amount);
        score.reached = at;
    }

    fn load(&mut self, kind: Kind, user: Number, score: u64, reached: Place) {
        self.scores.insert(
            slot(kind, user),
            Score {
                score,
                reached,
                ..Score::default()
            },
        );
    }

    fn rung(&self, kind: Kind, user: Number) -> Option<Rung> {
        self.scores
            .get(&slot(kind, user))
            .map(|score| Rung::new(score.score, score.reached, user))
    }

    /// Brings the orders up to date and names the boards whose top changed.
    fn settle(&mut self, changed: &mut Vec<Kind>) {
        if !self.ordered {
            self.ordered = true;
            let mut rungs: HashMap<Kind, Vec<Rung>> = HashMap::new();
            for (&slot, score) in &self.scores {
                let (kind, user) = of_slot(slot);
                rungs
                    .entry(kind)
                    .or_default()
                    .push(Rung::new(score.score, score.reached, user));
            }
            changed.extend(rungs.keys());
            self.orders = rungs
                .into_iter()
                .map(|(kind, rungs)| (kind, Order::of(rungs)))
                .collect();
            return;
        }
        for (kind, user, stood) in std::mem::take(&mut self.moved) {
            let Some(score) = self.scores.get_mut(&slot(kind, user)) else {
                continue;
            };
            score.unplaced = false;
            let stands = Rung::new(score.score, score.reached, user);
            if self.orders.entry(kind).or_default().shift(stood, Some(stands)) {
                changed.push(kind);
            }
        }
    }
}

/// A board of a day, to be read.
pub(crate) struct Standings<'a> {
    today: &'a Today,
    kind: Kind,
    pub(crate) order: &'a Order,
}

impl Standings<'_> {
    /// A user's place (counted from 0) and score. Exact also for one who has moved since the order followed.
    pub(crate) fn rank(&self, user: Number) -> Option<(usize, u64)> {
        let rung = self.today.rung(self.kind, user)?;
        Some((self.order.rank(&rung), rung.score()))
    }
}

/// The view `boards`.
#[derive(Debug)]
pub struct BoardView {
    offset: UtcOffset,
    days: BTreeMap<Day, Today>,
    /// Boards of the newest day whose top changed since somebody last took them.
    changed: Vec<Kind>,
    oldest_stored: Option<Day>,
}

/// Behind all days: where those begin that are kept in memory, so that opening need not read the others.
const OLDEST_KEY: &[u8] = b"\xff\xff\xff\xff oldest day in memory";

const KEY_LEN: usize = 13;

impl BoardView {
    /// Its name.
    pub const NAME: &'static str = "boards";

    /// Boards whose days begin at this offset from UTC.
    pub fn new(offset: UtcOffset) -> Self {
        Self {
            offset,
            days: BTreeMap::new(),
            changed: Vec::new(),
            oldest_stored: None,
        }
    }

    /// The offset that cuts its days.
    pub fn offset(&self) -> UtcOffset {
        self.offset
    }

    /// The boards whose top changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<Kind> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// Gives a board of a day to `read`: from memory, or from the store for days long past. None when nobody stands on it.
    pub(crate) fn with<T>(
        &self,
        kind: Kind,
        day: Day,
        stored: &Stored<'_>,
        read: impl FnOnce(Standings<'_>) -> T,
    ) -> Result<Option<T>> {
        let mut past = Today::default();
        let today = match self.days.get(&day) {
            Some(today) => today,
            None if self.days.keys().next().is_none_or(|oldest| day > *oldest) => return Ok(None),
            None => {
                let (from, to) = (key(day, kind, 0), key(day, kind, NOBODY));
                stored.scan(Bound::Included(&from), Bound::Included(&to), &mut |key, value| {
                    let (.., user, score, reached) = entry(key, value)?;
                    past.load(kind, user, score, reached);
                    Ok(ControlFlow::Continue(()))
                })?;
                past.settle(&mut Vec::new());
                &past
            }
        };
        Ok(today
            .orders
            .get(&kind)
            .map(|order| read(Standings { today, kind, order })))
    }

    fn today(&mut self, at_ms: i64) -> &mut Today {
        self.days.entry(Day::of(at_ms, self.offset)).or_default()
    }
}

impl Projection for BoardView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn settings(&self) -> u64 {
        self.offset.minutes as u64
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        let Event::GiftSent(gift) = fact.event else { return };
        // It would make a day on which nobody stands, and which a restart would not find again.
        if gift.coins == 0 && gift.tickets == 0 {
            return;
        }
        let today = self.today(fact.at_ms);
        today.add(Kind::Tickets, fact.whom, gift.tickets, fact.place);
        today.add(Kind::Coins, fact.who, gift.coins, fact.place);
        today.add(Kind::Room(fact.whom), fact.who, gift.coins, fact.place);
    }

    fn load_from(&self, stored: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(stored.get(OLDEST_KEY)?.unwrap_or_default())
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if key == OLDEST_KEY {
            return Ok(());
        }
        let (day, kind, user, score, reached) = entry(key, value)?;
        self.days.entry(day).or_default().load(kind, user, score, reached);
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        for (&day, today) in &mut self.days {
            for slot in today.unstored.drain(..) {
                let Some(score) = today.scores.get_mut(&slot) else {
                    continue;
                };
                let (kind, user) = of_slot(slot);
                score.unstored = false;
                let mut value = [0; 16];
                value[..8].copy_from_slice(&score.score.to_be_bytes());
                value[8..].copy_from_slice(&score.reached.to_be_bytes());
                out.set(&key(day, kind, user), &value);
            }
        }
        while self.days.len() > BOARD_DAYS_IN_MEMORY {
            self.days.pop_first();
        }
        let oldest = self.days.keys().next().copied();
        if oldest != self.oldest_stored {
            self.oldest_stored = oldest;
            out.set(
                OLDEST_KEY,
                &oldest
                    .map(|day| key(day, Kind::Tickets, 0)[..4].to_vec())
                    .unwrap_or_default(),
            );
        }
        Ok(())
    }

    fn settle(&mut self) {
        let newest = self.days.keys().next_back().copied();
        for (&day, today) in &mut self.days {
            let mut changed = Vec::new();
            today.settle(&mut changed);
            if Some(day) == newest {
                self.changed.append(&mut changed);
            }
        }
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        let Some((day, kind, user)) = read_key(key) else {
            return "the first day in memory".into();
        };
        let board = match kind {
            Kind::Tickets => "tickets".into(),
            Kind::Coins => "coins".into(),
            Kind::Room(room) => format!("room:{}", names.text(room)),
        };
        format!("board {board} of {day}, user {}", names.text(user))
    }
}

/// Day, kind, room, user: one day's boards lie together, days in order.
fn key(day: Day, kind: Kind, user: Number) -> [u8; KEY_LEN] {
    let (tag, room) = match kind {
        Kind::Tickets => (1, 0),
        Kind::Coins => (2, 0),
        Kind::Room(room) => (3, room),
    };
    let mut key = [0; KEY_LEN];
    // The sign bit is turned, so that days before 1970 sort before those after it.
    key[..4].copy_from_slice(&(day.0 as u32 ^ (1 << 31)).to_be_bytes());
    key[4] = tag;
    key[5..9].copy_from_slice(&room.to_be_bytes());
    key[9..].copy_from_slice(&user.to_be_bytes());
    key
}

fn read_key(key: &[u8]) -> Option<(Day, Kind, Number)> {
    let ([day, rest @ ..], user) = key.split_last_chunk::<4>().and_then(|(head, user)| {
        let (day, rest) = head.split_first_chunk::<4>()?;
        let rest: &[u8; 5] = rest.try_into().ok()?;
        Some((
            [
                u32::from_be_bytes(*day),
                u32::from(rest[0]),
                u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]),
            ],
            *user,
        ))
    })?;
    let kind = match rest {
        [1, _] => Kind::Tickets,
        [2, _] => Kind::Coins,
        [3, room] => Kind::Room(room),
        _ => return None,
    };
    Some((Day((day ^ (1 << 31)) as i32), kind, u32::from_be_bytes(user)))
}

fn entry(key: &[u8], value: &[u8]) -> Result<(Day, Kind, Number, u64, Place)> {
    let bad = || damaged(BoardView::NAME, "an entry cannot be read");
    let (day, kind, user) = read_key(key).ok_or_else(bad)?;
    let (score, reached) = value.split_first_chunk::<8>().ok_or_else(bad)?;
    let reached: &[u8; 8] = reached.try_into().map_err(|_| bad())?;
    Ok((
        day,
        kind,
        user,
        u64::from_be_bytes(*score),
        u64::from_be_bytes(*reached),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_days_sort() {
        for kind in [Kind::Tickets, Kind::Coins, Kind::Room(7)] {
            for day in [Day(-3), Day(0), Day(20_778)] {
                assert_eq!(read_key(&key(day, kind, 9)), Some((day, kind, 9)));
                assert_eq!(of_slot(slot(kind, 9)), (kind, 9));
            }
        }
        assert!(key(Day(-1), Kind::Room(9), 9) < key(Day(0), Kind::Tickets, 0));
        assert_eq!(read_key(&[0; 4]), None);
    }
}
