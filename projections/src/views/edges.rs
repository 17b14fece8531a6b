//! Who did something to whom, since when: the stored lists that people page through, latest first. The follows and the
//! blocks are kept so. What is asked often (whether somebody did, how many did) is not answered here but by sets in memory.

use std::collections::HashMap;
use std::ops::{Bound, ControlFlow};

use crate::Result;
use crate::fact::{Place, damaged};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// When it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) place: Place,
    pub(super) at_ms: i64,
}

/// A line of a list: place, the other one, unix ms.
pub(super) type Line = (Place, Number, i64);

/// A change of one edge that is not stored yet.
#[derive(Debug, Clone, Copy)]
struct Change {
    was_stored: bool,
    now: Option<Since>,
}

/// The edges of one view that wait to be stored.
#[derive(Debug)]
pub(super) struct Edges {
    view: &'static str,
    /// Whether there is also a list by the one to whom it is done.
    both_ways: bool,
    /// By who did it and to whom.
    unstored: HashMap<(Number, Number), Change, foldhash::fast::RandomState>,
}

/// Key spaces within a view: one edge by its two ends; whom somebody did it to, latest first; who did it to somebody.
const EDGE: u8 = b'g';
/// See [`EDGE`].
pub(super) const OUT: u8 = b'h';
/// See [`EDGE`].
pub(super) const IN: u8 = b's';

impl Edges {
    pub(super) fn new(view: &'static str, both_ways: bool) -> Self {
        Self {
            view,
            both_ways,
            unstored: HashMap::default(),
        }
    }

    /// Notes that an edge is there since then, or is there no more; `was` says whether it was there before.
    pub(super) fn change(&mut self, who: Number, whom: Number, was: bool, now: Option<Since>) {
        let change = self
            .unstored
            .entry((who, whom))
            .or_insert(Change { was_stored: was, now });
        change.now = now;
    }

    pub(super) fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        let mut changes: Vec<_> = self.unstored.drain().collect();
        changes.sort_unstable_by_key(|(edge, _)| *edge);
        for ((who, whom), change) in changes {
            let edge = edge_key(who, whom);
            if change.was_stored {
                let old = stored.get(&edge)?.and_then(|value| read_since(&value));
                let old = old.ok_or_else(|| damaged(self.view, "an edge is missing"))?;
                out.remove(&list_key(OUT, who, old.place));
                if self.both_ways {
                    out.remove(&list_key(IN, whom, old.place));
                }
            }
            match change.now {
                Some(since) => {
                    let mut value = [0; 16];
                    value[..8].copy_from_slice(&since.place.to_be_bytes());
                    value[8..].copy_from_slice(&since.at_ms.to_be_bytes());
                    out.set(&edge, &value);
                    out.set(&list_key(OUT, who, since.place), &line(whom, since.at_ms));
                    if self.both_ways {
                        out.set(&list_key(IN, whom, since.place), &line(who, since.at_ms));
                    }
                }
                None if change.was_stored => out.remove(&edge),
                None => {}
            }
        }
        Ok(())
    }
}

/// A list of somebody behind a place, latest first, as of the last commit.
pub(super) fn page(
    view: &str,
    list: u8,
    whose: Number,
    behind: Option<Place>,
    limit: usize,
    stored: &Stored<'_>,
) -> Result<Vec<Line>> {
    let from = list_key(list, whose, behind.unwrap_or(Place::MAX));
    let to = list_key(list, whose, 0);
    let from = if behind.is_some() {
        Bound::Excluded(&from[..])
    } else {
        Bound::Included(&from[..])
    };
    let mut page = Vec::new();
    stored.scan(from, Bound::Included(&to), &mut |key, value| {
        if page.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        let (_, other, since) = read_line(view, list, key, value)?;
        page.push((since.place, other, since.at_ms));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// A stored line of a list: whose list, the other one, since when.
pub(super) fn read_line(view: &str, list: u8, key: &[u8], value: &[u8]) -> Result<(Number, Number, Since)> {
    let read = || {
        let (whose, place) = key.strip_prefix(&[list])?.split_first_chunk::<4>()?;
        let (other, at_ms) = value.split_first_chunk::<4>()?;
        let place = !u64::from_be_bytes(place.try_into().ok()?);
        let at_ms = i64::from_be_bytes(at_ms.try_into().ok()?);
        let since = Since { place, at_ms };
        Some((u32::from_be_bytes(*whose), u32::from_be_bytes(*other), since))
    };
    read().ok_or_else(|| damaged(view, "an entry cannot be read"))
}

/// What a stored key means, for people: `did` is what the one did to the other.
pub(super) fn explain(key: &[u8], did: &str, names: &Names) -> String {
    let number = |from: usize| {
        let bytes = key.get(from..from + 4).and_then(|b| b.try_into().ok());
        bytes.map_or("?", |b| names.text(Number::from_be_bytes(b)))
    };
    match key.first() {
        Some(&OUT) => format!("somebody whom {} {did}", number(1)),
        Some(&IN) => format!("somebody who {did} {}", number(1)),
        _ => format!("{} {did} {}", number(1), number(5)),
    }
}

fn list_key(list: u8, whose: Number, place: Place) -> [u8; 13] {
    let mut key = [list; 13];
    key[1..5].copy_from_slice(&whose.to_be_bytes());
    key[5..].copy_from_slice(&(!place).to_be_bytes());
    key
}

fn line(other: Number, at_ms: i64) -> [u8; 12] {
    let mut value = [0; 12];
    value[..4].copy_from_slice(&other.to_be_bytes());
    value[4..].copy_from_slice(&at_ms.to_be_bytes());
    value
}

fn edge_key(who: Number, whom: Number) -> [u8; 9] {
    let mut key = [EDGE; 9];
    key[1..5].copy_from_slice(&who.to_be_bytes());
    key[5..].copy_from_slice(&whom.to_be_bytes());
    key
}

fn read_since(value: &[u8]) -> Option<Since> {
    let (place, at_ms) = value.split_first_chunk::<8>()?;
    Some(Since {
        place: u64::from_be_bytes(*place),
        at_ms: i64::from_be_bytes(at_ms.try_into().ok()?),
    })
}
