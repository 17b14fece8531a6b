//! One standing: who has how much, and who stands where.
//!
//! Order: the higher score first; of equals, the one who reached it first. Scores are kept at once; the order is brought up
//! to date by [`Ranking::place_all`], once per batch, because a hot batch moves the same few names many times.

use std::cmp::Reverse;
use std::collections::HashMap;

use indexset::BTreeSet;

use crate::fact::Place;
use crate::limits::BOARD_TOP_PLACES;
use crate::names::Number;

/// Names in one node of the order: small, because a room's board often has few.
const NODE_NAMES: usize = 128;

/// A place in the order; smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rung {
    pub(crate) score: Reverse<u64>,
    pub(crate) reached: Place,
    pub(crate) user: Number,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    score: u64,
    reached: Place,
    unplaced: bool,
    unstored: bool,
}

/// A standing of users (or of rooms, by their streamer's number).
#[derive(Debug)]
pub(crate) struct Ranking {
    entries: HashMap<Number, Entry, foldhash::fast::RandomState>,
    order: BTreeSet<Rung>,
    /// Who moved since the order was last brought up to date, and where it still has them.
    unplaced: Vec<(Number, Option<Rung>)>,
    unstored: Vec<Number>,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
            order: BTreeSet::with_maximum_node_size(NODE_NAMES),
            unplaced: Vec::new(),
            unstored: Vec::new(),
        }
    }
}

impl Ranking {
    /// Nobody.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds to a score; nothing moves when nothing is added.
    pub(crate) fn add(&mut self, user: Number, amount: u64, at: Place) {
        if amount > 0 {
            self.change(user, at, |score| score.saturating_add(amount));
        }
    }

    /// Sets a score, also to 0: the user then stands at the end.
    pub(crate) fn set(&mut self, user: Number, score: u64, at: Place) {
        self.change(user, at, |_| score);
    }

    fn change(&mut self, user: Number, at: Place, to: impl FnOnce(u64) -> u64) {
        let mut known = true;
        let entry = self.entries.entry(user).or_insert_with(|| {
            known = false;
            Entry::default()
        });
        if !entry.unplaced {
            entry.unplaced = true;
            let old = Rung {
                score: Reverse(entry.score),
                reached: entry.reached,
                user,
            };
            self.unplaced.push((user, known.then_some(old)));
        }
        if !entry.unstored {
            entry.unstored = true;
            self.unstored.push(user);
        }
        entry.score = to(entry.score);
        entry.reached = at;
    }

    /// Takes a user out, order included.
    pub(crate) fn remove(&mut self, user: Number) {
        self.place_all();
        if let Some(entry) = self.entries.remove(&user) {
            self.order.remove(&Rung {
                score: Reverse(entry.score),
                reached: entry.reached,
                user,
            });
        }
        self.unstored.retain(|&u| u != user);
    }

    /// Takes an entry as stored.
    pub(crate) fn load(&mut self, user: Number, score: u64, reached: Place) {
        let entry = Entry {
            score,
            reached,
            unplaced: true,
            unstored: false,
        };
        if self.entries.insert(user, entry).is_none() {
            self.unplaced.push((user, None));
        }
    }

    /// Brings the order up to date. Says whether one of the first [`BOARD_TOP_PLACES`] changed.
    pub(crate) fn place_all(&mut self) -> bool {
        let moved = std::mem::take(&mut self.unplaced);
        if moved.is_empty() {
            return false;
        }
        let afresh = moved.len() > self.entries.len() / 2;
        let mut rungs = Vec::new();
        for (user, old) in &moved {
            let Some(entry) = self.entries.get_mut(user) else {
                continue;
            };
            entry.unplaced = false;
            if !afresh {
                if let Some(old) = old {
                    self.order.remove(old);
                }
                rungs.push(Rung {
                    score: Reverse(entry.score),
                    reached: entry.reached,
                    user: *user,
                });
            }
        }
        if afresh {
            self.order_afresh();
            return true;
        }
        for rung in &rungs {
            self.order.insert(*rung);
        }
        let last = self.order.get_index(BOARD_TOP_PLACES - 1);
        rungs.iter().any(|rung| last.is_none_or(|last| rung <= last))
    }

    fn order_afresh(&mut self) {
        let mut rungs: Vec<_> = self
            .entries
            .iter()
            .map(|(&user, e)| Rung {
                score: Reverse(e.score),
                reached: e.reached,
                user,
            })
            .collect();
        rungs.sort_unstable();
        self.order = BTreeSet::with_maximum_node_size(NODE_NAMES);
        for rung in rungs {
            self.order.insert(rung);
        }
    }

    /// Hands out the scores that changed since the last call: user, score, reached.
    pub(crate) fn flush(&mut self, mut put: impl FnMut(Number, u64, Place)) {
        for user in self.unstored.drain(..) {
            if let Some(entry) = self.entries.get_mut(&user) {
                entry.unstored = false;
                put(user, entry.score, entry.reached);
            }
        }
    }

    /// Whether every score is stored.
    pub(crate) fn all_stored(&self) -> bool {
        self.unstored.is_empty()
    }

    /// Whether the order is up to date.
    pub(crate) fn all_placed(&self) -> bool {
        self.unplaced.is_empty()
    }

    /// How many stand in the order.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// A user's score, order or not.
    pub(crate) fn score(&self, user: Number) -> Option<u64> {
        self.entries.get(&user).map(|e| e.score)
    }

    /// A user's place in the order, counted from 0.
    pub(crate) fn rank(&self, user: Number) -> Option<usize> {
        let entry = self.entries.get(&user)?;
        let rung = Rung {
            score: Reverse(entry.score),
            reached: entry.reached,
            user,
        };
        self.order.contains(&rung).then(|| self.order.rank(&rung))
    }

    /// Places `from .. from + limit`, best first.
    pub(crate) fn slice(&self, from: usize, limit: usize) -> impl Iterator<Item = (usize, Rung)> + '_ {
        let to = from.saturating_add(limit).min(self.order.len());
        (from..to).filter_map(|at| self.order.get_index(at).map(|rung| (at, *rung)))
    }

    /// The places behind a rung, whether or not it still stands.
    pub(crate) fn behind(&self, rung: &Rung, limit: usize) -> impl Iterator<Item = (usize, Rung)> + '_ {
        let from = self.order.rank(rung) + usize::from(self.order.contains(rung));
        self.slice(from, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn standing(ranking: &Ranking) -> Vec<(Number, u64)> {
        ranking
            .slice(0, usize::MAX)
            .map(|(_, rung)| (rung.user, rung.score.0))
            .collect()
    }

    #[test]
    fn of_equals_the_first_to_reach_it_stands_higher() {
        let mut ranking = Ranking::new();
        ranking.add(1, 5, 10);
        ranking.add(2, 7, 11);
        ranking.add(1, 2, 12);
        ranking.add(3, 0, 13);
        ranking.place_all();
        assert_eq!(standing(&ranking), [(2, 7), (1, 7)]);
        assert_eq!(
            (ranking.rank(2), ranking.rank(1), ranking.rank(3)),
            (Some(0), Some(1), None)
        );
    }

    #[test]
    fn the_top_is_said_to_change_only_when_it_does() {
        let mut ranking = Ranking::new();
        for user in 0..40 {
            ranking.add(user, 1_000 - u64::from(user), u64::from(user) + 1);
        }
        assert!(ranking.place_all());
        ranking.add(39, 1, 100);
        assert!(!ranking.place_all());
        ranking.add(39, 1_000, 101);
        assert!(ranking.place_all());
        assert!(!ranking.place_all());
    }

    proptest! {
        #[test]
        fn ranks_equal_sorting(moves in proptest::collection::vec((0u32..300, 0u64..50, any::<bool>()), 0..2_000)) {
            let mut ranking = Ranking::new();
            let mut model: HashMap<Number, (u64, Place)> = HashMap::new();
            for (at, (user, amount, place)) in (1u64..).zip(moves) {
                ranking.add(user, amount, at);
                if amount > 0 {
                    let entry = model.entry(user).or_default();
                    *entry = (entry.0 + amount, at);
                }
                if place {
                    ranking.place_all();
                }
            }
            ranking.place_all();
            let mut sorted: Vec<_> = model.iter().map(|(&u, &(s, at))| (Reverse(s), at, u)).collect();
            sorted.sort_unstable();
            let expected: Vec<_> = sorted.iter().map(|(s, _, u)| (*u, s.0)).collect();
            prop_assert_eq!(standing(&ranking), expected);
            for (rank, (.., user)) in sorted.iter().enumerate() {
                prop_assert_eq!(ranking.rank(*user), Some(rank));
            }
        }
    }
}
