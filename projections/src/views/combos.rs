//! The combos that run in each room, so that a newcomer sees them running.
//!
//! A combo is taken out when it ends. One whose end is told late (its sender's actor went away with the process) or was
//! told before its last gift goes with time, as soon as another begins; whoever reads looks at the time too.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use domain::event::{ComboStep, GiftSent};
use domain::{ComboId, Event, GiftId};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::fact::{Fact, Projection, damaged};
use crate::limits::{RUNNING_COMBO_KEPT_MS, RUNNING_COMBOS_MAX};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// Whose combo it is, and its name.
type Key = (Number, ComboId);

/// A combo where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Combo {
    pub(crate) gift: GiftId,
    pub(crate) total: u32,
    /// Time of its last gift, unix ms.
    pub(crate) at_ms: i64,
    #[serde(skip)]
    unstored: bool,
}

/// The view `running_combos`.
#[derive(Debug, Default)]
pub struct RunningCombos {
    /// Only rooms with any.
    rooms: HashMap<Number, Room, foldhash::fast::RandomState>,
    /// May name a combo twice, or one that is gone.
    unstored: Vec<(Number, Key)>,
}

/// The combos of one room, and which is the oldest.
#[derive(Debug, Default)]
struct Room {
    combos: BTreeMap<Key, Combo>,
    /// Each combo at a time at or before its last gift: the time is looked up only when the combo comes to the top. May
    /// name combos that are gone.
    oldest: BinaryHeap<Reverse<(i64, Key)>>,
}

impl RunningCombos {
    /// Its name.
    pub const NAME: &'static str = "running_combos";

    /// The combos of a room whose last gift came after a moment (unix ms).
    pub(crate) fn since(&self, room: Number, ms: i64) -> impl Iterator<Item = (&Key, &Combo)> {
        let combos = self.rooms.get(&room).into_iter().flat_map(|room| &room.combos);
        combos.filter(move |(_, combo)| combo.at_ms > ms)
    }

    fn step(&mut self, room: Number, sender: Number, sent: &GiftSent, step: &ComboStep, at_ms: i64) {
        let running = self.rooms.entry(room).or_default();
        let key = (sender, step.id.clone());
        if let Some(combo) = running.combos.get_mut(&key) {
            (combo.total, combo.at_ms) = (step.total, at_ms);
            if !std::mem::replace(&mut combo.unstored, true) {
                self.unstored.push((room, key));
            }
            return;
        }
        running.make_room(at_ms, |gone| self.unstored.push((room, gone)));
        let (gift, total) = (sent.gift.clone(), step.total);
        let combo = Combo {
            gift,
            total,
            at_ms,
            unstored: true,
        };
        running.add(key.clone(), combo);
        self.unstored.push((room, key));
    }

    fn end(&mut self, room: Number, sender: Number, combo: &ComboId) {
        let Some(running) = self.rooms.get_mut(&room) else {
            return;
        };
        let key = (sender, combo.clone());
        if running.combos.remove(&key).is_some() {
            self.unstored.push((room, key));
        }
        if running.combos.is_empty() {
            self.rooms.remove(&room);
        }
    }
}

impl Room {
    fn add(&mut self, key: Key, combo: Combo) {
        if self.oldest.len() >= 2 * RUNNING_COMBOS_MAX {
            // Most of it is gone: combos ended before they came to the top.
            let times = self.combos.iter().map(|(key, combo)| (combo.at_ms, key.clone()));
            self.oldest = times.map(Reverse).collect();
        }
        self.oldest.push(Reverse((combo.at_ms, key.clone())));
        self.combos.insert(key, combo);
    }

    /// Takes out what is too old, and the oldest where there are too many.
    fn make_room(&mut self, at_ms: i64, mut gone: impl FnMut(Key)) {
        while let Some(Reverse((noted_ms, key))) = self.oldest.pop() {
            let Some(combo) = self.combos.get(&key) else {
                continue;
            };
            if combo.at_ms > noted_ms {
                self.oldest.push(Reverse((combo.at_ms, key)));
                continue;
            }
            let old = combo.at_ms + RUNNING_COMBO_KEPT_MS <= at_ms;
            if !old && self.combos.len() < RUNNING_COMBOS_MAX {
                self.oldest.push(Reverse((noted_ms, key)));
                return;
            }
            self.combos.remove(&key);
            gone(key);
        }
    }
}

impl Projection for RunningCombos {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::GiftSent(sent) => {
                if let Some(step) = &sent.combo {
                    self.step(fact.whom, fact.who, sent, step, fact.at_ms);
                }
            }
            Event::ComboEnded(ended) => self.end(fact.whom, fact.who, &ended.combo.id),
            _ => {}
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || damaged(Self::NAME, "an entry cannot be read");
        let (room, key) = read_key(key).ok_or_else(bad)?;
        let combo = postcard::from_bytes(value).map_err(|_| bad())?;
        self.rooms.entry(room).or_default().add(key, combo);
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        self.unstored.sort_unstable();
        self.unstored.dedup();
        for (room, key) in self.unstored.drain(..) {
            let stored = write_key(room, &key);
            let Some(combo) = self
                .rooms
                .get_mut(&room)
                .and_then(|running| running.combos.get_mut(&key))
            else {
                out.remove(&stored);
                continue;
            };
            combo.unstored = false;
            let value = postcard::to_allocvec(combo);
            out.set(
                &stored,
                &value.map_err(|_| damaged(Self::NAME, "a combo cannot be written"))?,
            );
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match read_key(key) {
            Some((room, (sender, combo))) => {
                let (room, sender) = (names.text(room), names.text(sender));
                format!("combo {combo} of {sender} in room {room}")
            }
            None => format!("key {key:02x?}"),
        }
    }
}

fn write_key(room: Number, (sender, combo): &Key) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + combo.as_str().len());
    key.extend(room.to_be_bytes());
    key.extend(sender.to_be_bytes());
    key.extend(combo.as_str().as_bytes());
    key
}

fn read_key(key: &[u8]) -> Option<(Number, Key)> {
    let (room, rest) = key.split_first_chunk::<4>()?;
    let (sender, combo) = rest.split_first_chunk::<4>()?;
    let combo = std::str::from_utf8(combo).ok()?.parse().ok()?;
    Some((u32::from_be_bytes(*room), (u32::from_be_bytes(*sender), combo)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SessionNumber;

    fn sent(total: u32, id: &str) -> GiftSent {
        let combo = ComboStep {
            id: id.parse().unwrap(),
            total,
        };
        GiftSent {
            room: "kim".parse().unwrap(),
            session: SessionNumber(1),
            gift: "rose".parse().unwrap(),
            count: 1,
            coins: 10,
            tickets: 5,
            coins_left: 0,
            combo: Some(combo),
        }
    }

    fn give(view: &mut RunningCombos, sender: Number, id: &str, at_ms: i64) {
        let event = Event::from(sent(1, id));
        view.apply(&Fact {
            place: 1,
            at_ms,
            key: "",
            who: sender,
            whom: 0,
            event: &event,
        });
    }

    #[test]
    fn a_room_keeps_so_many_combos_and_none_for_ever() {
        let mut view = RunningCombos::default();
        for sender in 0..RUNNING_COMBOS_MAX as u32 + 7 {
            give(&mut view, sender, "c", i64::from(sender));
        }
        let mut senders: Vec<_> = view.since(0, -1).map(|((sender, _), _)| *sender).collect();
        senders.sort_unstable();
        assert_eq!(senders.len(), RUNNING_COMBOS_MAX);
        assert_eq!(senders[0], 7, "those whose last gift is oldest go first");
        give(&mut view, 1, "d", 1_000 + RUNNING_COMBO_KEPT_MS);
        assert_eq!(
            view.since(0, -1).count(),
            1,
            "what is too old goes when another begins"
        );
        assert_eq!(view.since(0, 1_000 + RUNNING_COMBO_KEPT_MS).count(), 0);
    }

    fn end(view: &mut RunningCombos, sender: Number, id: &str) {
        view.end(0, sender, &id.parse().unwrap());
    }

    proptest::proptest! {
        #[test]
        fn the_same_combos_run_as_if_all_were_looked_at_each_time(
            steps in proptest::collection::vec((0..400_u32, 0..4_u8, 0..900_i64), 600..1_500),
        ) {
            let mut view = RunningCombos::default();
            let mut plain: BTreeMap<Number, i64> = BTreeMap::new();
            let mut now = 0;
            for (sender, deed, pause_ms) in steps {
                now += pause_ms / 4;
                if deed == 0 {
                    end(&mut view, sender, "c");
                    plain.remove(&sender);
                    continue;
                }
                give(&mut view, sender, "c", now);
                if !plain.contains_key(&sender) {
                    plain.retain(|_, at_ms| *at_ms + RUNNING_COMBO_KEPT_MS > now);
                    if plain.len() >= RUNNING_COMBOS_MAX {
                        let oldest = plain.iter().min_by_key(|(_, at_ms)| **at_ms).map(|(key, _)| *key);
                        plain.remove(&oldest.unwrap());
                    }
                }
                plain.insert(sender, now);
                let running = view.since(0, i64::MIN).map(|((sender, _), combo)| (*sender, combo.at_ms));
                proptest::prop_assert!(running.eq(plain.iter().map(|(sender, at_ms)| (*sender, *at_ms))));
            }
            let room = &view.rooms[&0];
            proptest::prop_assert!(room.oldest.len() <= 2 * RUNNING_COMBOS_MAX);
        }
    }

    #[test]
    fn a_key_is_read_back() {
        let key = (7, "c-1".parse().unwrap());
        assert_eq!(read_key(&write_key(3, &key)), Some((3, key)));
        assert!(read_key(&[0; 7]).is_none());
        assert!(read_key(&[0; 8]).is_none());
    }
}
