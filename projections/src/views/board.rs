//! Boards by day: streamers by tickets earned, senders by coins spent, and senders by coins spent in each room.
//!
//! Tickets count when the gift is sent, not when settlement credits them. A day's boards are written until the day ends and
//! never after; the newest days stay in memory, the others are read from the store.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};

use domain::Event;

use super::ranking::Ranking;
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

/// The boards of one day.
#[derive(Debug)]
struct Today {
    tickets: Ranking,
    coins: Ranking,
    rooms: HashMap<Number, Ranking, foldhash::fast::RandomState>,
    /// Rooms whose board changed since the last flush and since the last settling.
    rooms_unstored: Vec<Number>,
    rooms_unplaced: Vec<Number>,
}

impl Today {
    fn new() -> Self {
        Self {
            tickets: Ranking::new(),
            coins: Ranking::new(),
            rooms: HashMap::default(),
            rooms_unstored: Vec::new(),
            rooms_unplaced: Vec::new(),
        }
    }

    fn ranking(&self, kind: Kind) -> Option<&Ranking> {
        match kind {
            Kind::Tickets => Some(&self.tickets),
            Kind::Coins => Some(&self.coins),
            Kind::Room(room) => self.rooms.get(&room),
        }
    }

    fn load(&mut self, kind: Kind, user: Number, score: u64, reached: Place) {
        match kind {
            Kind::Tickets => self.tickets.load(user, score, reached),
            Kind::Coins => self.coins.load(user, score, reached),
            Kind::Room(room) => {
                let ranking = self.rooms.entry(room).or_default();
                if ranking.all_placed() {
                    self.rooms_unplaced.push(room);
                }
                ranking.load(user, score, reached);
            }
        }
    }

    /// Brings every order up to date and names the boards whose top changed.
    fn settle(&mut self, changed: &mut Vec<Kind>) {
        if self.tickets.place_all() {
            changed.push(Kind::Tickets);
        }
        if self.coins.place_all() {
            changed.push(Kind::Coins);
        }
        for room in std::mem::take(&mut self.rooms_unplaced) {
            if self.rooms.get_mut(&room).is_some_and(Ranking::place_all) {
                changed.push(Kind::Room(room));
            }
        }
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
        read: impl FnOnce(&Ranking) -> T,
    ) -> Result<Option<T>> {
        if let Some(today) = self.days.get(&day) {
            return Ok(today.ranking(kind).map(read));
        }
        if self.days.keys().next().is_none_or(|oldest| day > *oldest) {
            return Ok(None);
        }
        let mut ranking = Ranking::new();
        let from = key(day, kind, 0);
        let to = key(day, kind, NOBODY);
        stored.scan(Bound::Included(&from), Bound::Included(&to), &mut |key, value| {
            let (.., user, score, reached) = entry(key, value)?;
            ranking.load(user, score, reached);
            Ok(ControlFlow::Continue(()))
        })?;
        ranking.place_all();
        Ok((ranking.len() > 0).then(|| read(&ranking)))
    }

    fn today(&mut self, at_ms: i64) -> &mut Today {
        self.days
            .entry(Day::of(at_ms, self.offset))
            .or_insert_with(Today::new)
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
        let today = self.today(fact.at_ms);
        today.tickets.add(fact.whom, gift.tickets, fact.place);
        today.coins.add(fact.who, gift.coins, fact.place);
        let room = today.rooms.entry(fact.whom).or_default();
        let (was_stored, was_placed) = (room.all_stored(), room.all_placed());
        room.add(fact.who, gift.coins, fact.place);
        if was_stored && !room.all_stored() {
            today.rooms_unstored.push(fact.whom);
        }
        if was_placed && !room.all_placed() {
            today.rooms_unplaced.push(fact.whom);
        }
    }

    fn load_from(&self, stored: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(stored.get(OLDEST_KEY)?.unwrap_or_default())
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if key == OLDEST_KEY {
            return Ok(());
        }
        let (day, kind, user, score, reached) = entry(key, value)?;
        self.days
            .entry(day)
            .or_insert_with(Today::new)
            .load(kind, user, score, reached);
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        for (&day, today) in &mut self.days {
            let put = |kind| {
                move |out: &mut Put<'_>, user, score: u64, reached: Place| {
                    let mut value = [0; 16];
                    value[..8].copy_from_slice(&score.to_be_bytes());
                    value[8..].copy_from_slice(&reached.to_be_bytes());
                    out.set(&key(day, kind, user), &value);
                }
            };
            let tickets = put(Kind::Tickets);
            today
                .tickets
                .flush(|user, score, reached| tickets(out, user, score, reached));
            let coins = put(Kind::Coins);
            today
                .coins
                .flush(|user, score, reached| coins(out, user, score, reached));
            for room in today.rooms_unstored.drain(..) {
                let Some(ranking) = today.rooms.get_mut(&room) else {
                    continue;
                };
                let room = put(Kind::Room(room));
                ranking.flush(|user, score, reached| room(out, user, score, reached));
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
            }
        }
        assert!(key(Day(-1), Kind::Room(9), 9) < key(Day(0), Kind::Tickets, 0));
        assert_eq!(read_key(&[0; 4]), None);
    }
}
