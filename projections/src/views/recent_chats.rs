//! The newest chats of each room, by position: what a newcomer reads first, however many gifts came in between.
//!
//! Stored as a ring, one entry a chat: one more chat rewrites one entry. The texts are in the journal.

use std::collections::{HashMap, VecDeque};

use domain::Event;

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::limits::RECENT_CHATS_MAX;
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

const RING: u64 = RECENT_CHATS_MAX as u64;

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first.
    places: VecDeque<Place>,
    /// How many chats there ever were.
    count: u64,
    /// How many of them the store knows of.
    stored: u64,
}

impl Ring {
    fn push(&mut self, place: Place) {
        if self.places.len() == RECENT_CHATS_MAX {
            self.places.pop_front();
        }
        self.places.push_back(place);
        self.count += 1;
    }

    /// Entries come in the order of their slots, which is not that of the chats.
    fn load(&mut self, number: u64, place: Place) {
        let at = self.places.partition_point(|&known| known < place);
        self.places.insert(at, place);
        self.count = self.count.max(number + 1);
        self.stored = self.count;
    }

    fn flush(&mut self, room: Number, out: &mut Put<'_>) {
        let first = self.count - self.places.len() as u64;
        for number in self.stored.max(first)..self.count {
            let mut value = [0; 16];
            value[..8].copy_from_slice(&number.to_be_bytes());
            value[8..].copy_from_slice(&self.places[(number - first) as usize].to_be_bytes());
            out.set(&key(room, number), &value);
        }
        self.stored = self.count;
    }
}

/// The view `recent_chats`.
#[derive(Debug, Default)]
pub struct RecentChats {
    rings: HashMap<Number, Ring, foldhash::fast::RandomState>,
    unstored: Vec<Number>,
}

impl RecentChats {
    /// Its name.
    pub const NAME: &'static str = "recent_chats";

    /// Places of the newest chats of a room, oldest first.
    pub fn of(&self, room: Number) -> impl Iterator<Item = Place> {
        self.rings
            .get(&room)
            .into_iter()
            .flat_map(|ring| ring.places.iter().copied())
    }
}

impl Projection for RecentChats {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        let Event::ChatSent(_) = fact.event else { return };
        let ring = self.rings.entry(fact.whom).or_default();
        if ring.stored == ring.count {
            self.unstored.push(fact.whom);
        }
        ring.push(fact.place);
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (room, number, place) =
            read(key, value).ok_or_else(|| damaged(Self::NAME, "an entry cannot be read"))?;
        self.rings.entry(room).or_default().load(number, place);
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        for room in self.unstored.drain(..) {
            if let Some(ring) = self.rings.get_mut(&room) {
                ring.flush(room, out);
            }
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match key.split_first_chunk::<4>() {
            Some((room, _)) => format!(
                "a recent chat of room {}",
                names.text(Number::from_be_bytes(*room))
            ),
            None => format!("key {key:02x?}"),
        }
    }
}

fn key(room: Number, number: u64) -> [u8; 5] {
    let mut key = [0; 5];
    key[..4].copy_from_slice(&room.to_be_bytes());
    key[4] = (number % RING) as u8;
    key
}

fn read(key: &[u8], value: &[u8]) -> Option<(Number, u64, Place)> {
    let (room, slot) = key.split_first_chunk::<4>()?;
    let (number, place) = value.split_first_chunk::<8>()?;
    let number = u64::from_be_bytes(*number);
    let place = u64::from_be_bytes(place.try_into().ok()?);
    let [slot] = slot else { return None };
    (number % RING == u64::from(*slot)).then_some((Number::from_be_bytes(*room), number, place))
}

const _: () = assert!(RECENT_CHATS_MAX <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, MemoryStore, ViewStore, scan_all};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_ring_holds_the_newest_and_is_read_back_however_it_was_saved(steps in proptest::collection::vec(0u64..120, 1..8)) {
            let store = MemoryStore::new();
            let mut ring = Ring::default();
            for chats in steps {
                for _ in 0..chats {
                    ring.push(ring.count * 3);
                }
                let mut batch = Batch::new();
                ring.flush(7, &mut batch.space("r"));
                store.commit(&batch).unwrap();

                let mut again = Ring::default();
                scan_all(&store, "r", |k, v| {
                    let (room, number, place) = read(k, v).unwrap();
                    assert_eq!(room, 7);
                    again.load(number, place);
                    Ok(())
                })
                .unwrap();
                let wanted: Vec<_> = (ring.count.saturating_sub(RING)..ring.count).map(|n| n * 3).collect();
                prop_assert_eq!(&ring.places, &wanted);
                prop_assert_eq!(&again.places, &wanted);
                prop_assert_eq!((again.count, again.stored), (ring.count, ring.count));
            }
        }
    }

    #[test]
    fn an_entry_in_another_slot_is_damage() {
        let mut value = [0; 16];
        value[7] = 3;
        assert!(read(&key(1, 3), &value).is_some());
        assert!(read(&key(1, 4), &value).is_none());
        assert!(read(&key(1, 3), &value[..15]).is_none());
    }
}
