//! How often each gift was sent in each room and on the whole platform, what it cost and what it earned.
//!
//! Counts from the first gift on, never by day; boards do that.

use std::collections::HashMap;

use domain::event::GiftSent;
use domain::{Event, GiftId};

use crate::Result;
use crate::fact::{Fact, Projection, damaged};
use crate::names::{NOBODY, Names, Number};
use crate::store::{Put, Stored};

/// What one gift has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GiftSums {
    /// How many were sent.
    pub count: u64,
    /// What was paid for them, in coins.
    pub coins: u64,
    /// What they earn, in tickets.
    pub tickets: u64,
}

/// One gift of one room.
#[derive(Debug, Clone, Copy)]
struct Slot {
    gift: Kind,
    unstored: bool,
    sums: GiftSums,
}

/// A gift by its place in the table of gifts: only staff put new ones on offer, so it stays small.
type Kind = u32;

/// Stands where the room would: sums over all rooms.
const EVERYWHERE: Number = NOBODY;

/// The view `gift_stats`.
#[derive(Debug, Default)]
pub struct GiftStats {
    gifts: Vec<GiftId>,
    kinds: HashMap<GiftId, Kind, foldhash::fast::RandomState>,
    /// Only rooms with any; a room knows few gifts, and those sent most are found first.
    rooms: HashMap<Number, Vec<Slot>, foldhash::fast::RandomState>,
    everywhere: Vec<Slot>,
    unstored: Vec<(Number, Kind)>,
}

impl GiftStats {
    /// Its name.
    pub const NAME: &'static str = "gift_stats";

    /// The gifts of a room, or of all rooms, in no order.
    pub(crate) fn of(&self, room: Option<Number>) -> impl Iterator<Item = (&GiftId, GiftSums)> {
        let slots = match room {
            Some(room) => self.rooms.get(&room).map_or(&[][..], Vec::as_slice),
            None => &self.everywhere,
        };
        slots
            .iter()
            .map(|slot| (&self.gifts[slot.gift as usize], slot.sums))
    }

    fn kind(&mut self, gift: &GiftId) -> Kind {
        if let Some(&kind) = self.kinds.get(gift) {
            return kind;
        }
        let kind = self.gifts.len() as Kind;
        self.gifts.push(gift.clone());
        self.kinds.insert(gift.clone(), kind);
        kind
    }

    fn add(&mut self, room: Number, sent: &GiftSent) {
        let kind = self.kind(&sent.gift);
        let slots = self.rooms.entry(room).or_default();
        for (room, slots) in [(room, slots), (EVERYWHERE, &mut self.everywhere)] {
            let slot = slot(slots, kind);
            if !std::mem::replace(&mut slot.unstored, true) {
                self.unstored.push((room, kind));
            }
            let sums = &mut slot.sums;
            sums.count = sums.count.saturating_add(u64::from(sent.count));
            sums.coins = sums.coins.saturating_add(sent.coins);
            sums.tickets = sums.tickets.saturating_add(sent.tickets);
        }
    }

    fn slots(&mut self, room: Number) -> Option<&mut Vec<Slot>> {
        if room == EVERYWHERE {
            Some(&mut self.everywhere)
        } else {
            self.rooms.get_mut(&room)
        }
    }
}

fn slot(slots: &mut Vec<Slot>, gift: Kind) -> &mut Slot {
    let at = slots.iter().position(|slot| slot.gift == gift);
    let at = at.unwrap_or_else(|| {
        slots.push(Slot {
            gift,
            unstored: false,
            sums: GiftSums::default(),
        });
        slots.len() - 1
    });
    &mut slots[at]
}

impl Projection for GiftStats {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        if let Event::GiftSent(sent) = fact.event {
            self.add(fact.whom, sent);
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || damaged(Self::NAME, "an entry cannot be read");
        let (room, gift) = read_key(key).ok_or_else(bad)?;
        let ([count, coins, tickets], []) = value.as_chunks::<8>() else {
            return Err(bad());
        };
        let sums = GiftSums {
            count: u64::from_le_bytes(*count),
            coins: u64::from_le_bytes(*coins),
            tickets: u64::from_le_bytes(*tickets),
        };
        let kind = self.kind(&gift);
        let slots = match room {
            EVERYWHERE => &mut self.everywhere,
            room => self.rooms.entry(room).or_default(),
        };
        slot(slots, kind).sums = sums;
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        for (room, kind) in std::mem::take(&mut self.unstored) {
            let key = write_key(room, &self.gifts[kind as usize]);
            let Some(slots) = self.slots(room) else { continue };
            let slot = slot(slots, kind);
            slot.unstored = false;
            let GiftSums {
                count,
                coins,
                tickets,
            } = slot.sums;
            let value = [count, coins, tickets].map(u64::to_le_bytes).concat();
            out.set(&key, &value);
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match read_key(key) {
            Some((EVERYWHERE, gift)) => format!("gift {gift} on the whole platform"),
            Some((room, gift)) => format!("gift {gift} in room {}", names.text(room)),
            None => format!("key {key:02x?}"),
        }
    }
}

fn write_key(room: Number, gift: &GiftId) -> Vec<u8> {
    [&room.to_be_bytes()[..], gift.as_str().as_bytes()].concat()
}

fn read_key(key: &[u8]) -> Option<(Number, GiftId)> {
    let (room, gift) = key.split_first_chunk::<4>()?;
    let gift = std::str::from_utf8(gift).ok()?.parse().ok()?;
    Some((Number::from_be_bytes(*room), gift))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SessionNumber;

    fn give(view: &mut GiftStats, room: Number, gift: &str, count: u32) {
        let event = Event::from(GiftSent {
            room: "kim".parse().unwrap(),
            session: SessionNumber(1),
            gift: gift.parse().unwrap(),
            count,
            coins: u64::from(count) * 10,
            tickets: u64::from(count) * 5,
            coins_left: 0,
            combo: None,
        });
        view.apply(&Fact {
            place: 1,
            at_ms: 0,
            key: "",
            who: 1,
            whom: room,
            event: &event,
        });
    }

    #[test]
    fn gifts_are_summed_by_room_and_over_all() {
        let mut view = GiftStats::default();
        for (room, gift, count) in [(0, "rose", 1), (0, "beer", 2), (7, "rose", 3), (0, "rose", 4)] {
            give(&mut view, room, gift, count);
        }
        let counts = |room| {
            let mut counts: Vec<_> = view
                .of(room)
                .map(|(gift, sums)| (gift.to_string(), sums.count, sums.coins, sums.tickets))
                .collect();
            counts.sort();
            counts
        };
        assert_eq!(
            counts(Some(0)),
            [("beer".into(), 2, 20, 10), ("rose".into(), 5, 50, 25)]
        );
        assert_eq!(counts(Some(7)), [("rose".into(), 3, 30, 15)]);
        assert_eq!(
            counts(None),
            [("beer".into(), 2, 20, 10), ("rose".into(), 8, 80, 40)]
        );
        assert!(counts(Some(8)).is_empty());
    }

    #[test]
    fn a_key_is_read_back() {
        let gift: GiftId = "rose".parse().unwrap();
        assert_eq!(read_key(&write_key(7, &gift)), Some((7, gift)));
        assert!(read_key(&[0; 4]).is_none() && read_key(&[0; 3]).is_none());
    }
}
