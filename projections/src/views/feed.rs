//! Which records are shown in each room, newest last: only their positions, since the records themselves are in the journal.
//!
//! It serves recovery: a client that was away gets the records behind the position it last saw. Stored in chunks, so that
//! one more record rewrites little; the oldest chunks go when a room has more than its limit.

use std::collections::VecDeque;

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::limits::{FEED_CHUNK_POSITIONS, ROOM_FEED_POSITIONS_MAX};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// The feed no longer reaches back that far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed does not reach back that far")]
pub struct TooOld;

#[derive(Debug, Default)]
struct Feed {
    places: VecDeque<Place>,
    /// How many were dropped in front; whole chunks.
    dropped: u64,
    /// The place of the last dropped one; everything shown after it is here.
    floor: Place,
    /// Whatever is counted from here was not stored yet.
    stored: u64,
    /// The first chunk that the store still has.
    stored_from_chunk: u64,
    unstored: bool,
}

const CHUNK: u64 = FEED_CHUNK_POSITIONS as u64;

impl Feed {
    fn push(&mut self, place: Place) {
        self.places.push_back(place);
        if self.places.len() >= ROOM_FEED_POSITIONS_MAX + FEED_CHUNK_POSITIONS {
            self.floor = self.places[FEED_CHUNK_POSITIONS - 1];
            self.places.drain(..FEED_CHUNK_POSITIONS);
            self.dropped += CHUNK;
        }
    }

    fn flush(&mut self, room: Number, out: &mut Put<'_>, scratch: &mut Vec<u8>) {
        let first = self.dropped / CHUNK;
        for chunk in self.stored_from_chunk..first {
            out.remove(&key(room, chunk));
        }
        self.stored_from_chunk = first;
        let end = self.dropped + self.places.len() as u64;
        for chunk in (self.stored / CHUNK).max(first)..end.div_ceil(CHUNK) {
            let from = (chunk * CHUNK - self.dropped) as usize;
            let to = (from + FEED_CHUNK_POSITIONS).min(self.places.len());
            let before = if from == 0 {
                self.floor
            } else {
                self.places[from - 1]
            };
            scratch.clear();
            put_varint(scratch, before);
            put_varint(scratch, (to - from) as u64);
            let mut last = before;
            for &place in self.places.range(from..to) {
                put_varint(scratch, place - last);
                last = place;
            }
            out.set(&key(room, chunk), scratch);
        }
        self.stored = end;
        self.unstored = false;
    }

    fn load(&mut self, chunk: u64, mut value: &[u8]) -> Option<()> {
        let before = take_varint(&mut value)?;
        let count = take_varint(&mut value)?;
        if self.places.is_empty() {
            self.floor = before;
            self.dropped = chunk * CHUNK;
            self.stored_from_chunk = chunk;
        }
        if chunk * CHUNK != self.dropped + self.places.len() as u64 {
            return None;
        }
        let mut last = before;
        for _ in 0..count {
            last = last.checked_add(take_varint(&mut value)?)?;
            self.places.push_back(last);
        }
        if !value.is_empty() {
            return None;
        }
        self.stored = self.dropped + self.places.len() as u64;
        Some(())
    }
}

/// The view `room_feed`.
#[derive(Debug, Default)]
pub struct RoomFeed {
    feeds: Vec<Option<Box<Feed>>>,
    unstored: Vec<Number>,
}

impl RoomFeed {
    /// Its name.
    pub const NAME: &'static str = "room_feed";

    fn feed(&self, room: Number) -> Option<&Feed> {
        self.feeds.get(room as usize)?.as_deref()
    }

    fn feed_mut(&mut self, room: Number) -> &mut Feed {
        let at = room as usize;
        if at >= self.feeds.len() {
            self.feeds.resize_with(at + 1, || None);
        }
        self.feeds[at].get_or_insert_default()
    }

    /// The places of what was shown after `after`, oldest first, at most `limit`.
    pub fn after(&self, room: Number, after: Place, limit: usize) -> std::result::Result<Vec<Place>, TooOld> {
        let Some(feed) = self.feed(room) else {
            return Ok(Vec::new());
        };
        if after < feed.floor {
            return Err(TooOld);
        }
        let from = feed.places.partition_point(|&place| place <= after);
        Ok(feed.places.range(from..).take(limit).copied().collect())
    }

    /// The places of the newest `limit`, oldest first.
    pub fn newest(&self, room: Number, limit: usize) -> Vec<Place> {
        let Some(feed) = self.feed(room) else {
            return Vec::new();
        };
        feed.places
            .range(feed.places.len().saturating_sub(limit)..)
            .copied()
            .collect()
    }
}

impl Projection for RoomFeed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        let Some(room) = fact.shown_in() else { return };
        let feed = self.feed_mut(room);
        feed.push(fact.place);
        if !feed.unstored {
            feed.unstored = true;
            self.unstored.push(room);
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || damaged(Self::NAME, "a chunk cannot be read");
        let (room, chunk) = read_key(key).ok_or_else(bad)?;
        self.feed_mut(room).load(chunk, value).ok_or_else(bad)
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        let mut scratch = Vec::new();
        for room in std::mem::take(&mut self.unstored) {
            self.feed_mut(room).flush(room, out, &mut scratch);
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match read_key(key) {
            Some((room, chunk)) => format!("feed of room {}, chunk {chunk}", names.text(room)),
            None => format!("key {key:02x?}"),
        }
    }
}

fn key(room: Number, chunk: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&room.to_be_bytes());
    key[4..].copy_from_slice(&chunk.to_be_bytes());
    key
}

fn read_key(key: &[u8]) -> Option<(Number, u64)> {
    let (room, chunk) = key.split_first_chunk::<4>()?;
    Some((
        u32::from_be_bytes(*room),
        u64::from_be_bytes(chunk.try_into().ok()?),
    ))
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, MemoryStore, ViewStore, scan_all};
    use proptest::prelude::*;

    fn save(feed: &mut Feed, store: &MemoryStore) {
        let mut batch = Batch::new();
        feed.flush(3, &mut batch.space("f"), &mut Vec::new());
        store.commit(&batch).unwrap();
    }

    fn load(store: &MemoryStore) -> Feed {
        let mut feed = Feed::default();
        scan_all(store, "f", |k, v| {
            let (room, chunk) = read_key(k).unwrap();
            assert_eq!(room, 3);
            feed.load(chunk, v).unwrap();
            Ok(())
        })
        .unwrap();
        feed
    }

    proptest! {
        #[test]
        fn a_varint_is_read_back(number: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut rest), Some(number));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn a_feed_is_read_back_however_it_was_saved(steps in proptest::collection::vec((1u64..900, 0usize..400), 1..12)) {
            let store = MemoryStore::new();
            let mut feed = Feed::default();
            let mut place = 0;
            for (step, count) in steps {
                for _ in 0..count {
                    place += step;
                    feed.push(place);
                }
                save(&mut feed, &store);
                let again = load(&store);
                prop_assert_eq!(&again.places, &feed.places);
                prop_assert_eq!(again.stored, feed.stored);
            }
        }
    }

    #[test]
    fn a_full_feed_drops_its_oldest_chunks_and_says_so() {
        let store = MemoryStore::new();
        let mut feed = Feed::default();
        let many = (ROOM_FEED_POSITIONS_MAX * 2 + 77) as u64;
        for place in 1..=many {
            feed.push(place * 2);
            if place % 10_007 == 0 {
                save(&mut feed, &store);
            }
        }
        save(&mut feed, &store);
        assert!(feed.places.len() >= ROOM_FEED_POSITIONS_MAX);
        assert!(feed.places.len() < ROOM_FEED_POSITIONS_MAX + FEED_CHUNK_POSITIONS);
        let again = load(&store);
        assert_eq!(
            (&again.places, again.floor, again.dropped),
            (&feed.places, feed.floor, feed.dropped)
        );

        let floor = feed.floor;
        let view = RoomFeed {
            feeds: vec![Some(Box::new(feed))],
            unstored: Vec::new(),
        };
        assert_eq!(view.after(0, floor - 1, 5), Err(TooOld));
        assert_eq!(view.after(0, floor, 2), Ok(vec![floor + 2, floor + 4]));
        assert_eq!(view.after(0, many * 2, 5), Ok(vec![]));
        assert_eq!(view.newest(0, 2), [many * 2 - 2, many * 2]);
        assert_eq!(view.after(9, 0, 5), Ok(vec![]));
    }
}
