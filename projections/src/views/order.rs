//! The order of a standing: the higher score first; of equals, the one who reached it first.
//!
//! It knows places, not scores: whoever keeps the scores says which rung somebody leaves and which one they take. That is
//! done once per commit, because a hot batch moves the same few names many times.

use std::cmp::Reverse;

use indexset::BTreeSet;

use crate::fact::Place;
use crate::names::Number;

/// Rungs in one node of the tree: small, because a room's board often has few.
const NODE_RUNGS: usize = 128;

/// A place in the order; smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rung {
    score: Reverse<u64>,
    pub(crate) reached: Place,
    pub(crate) user: Number,
}

impl Rung {
    pub(crate) fn new(score: u64, reached: Place, user: Number) -> Self {
        Self {
            score: Reverse(score),
            reached,
            user,
        }
    }

    pub(crate) fn score(&self) -> u64 {
        self.score.0
    }
}

/// Rungs in order; who stands where is found without counting.
#[derive(Debug)]
pub(crate) struct Order(BTreeSet<Rung>);

impl Default for Order {
    fn default() -> Self {
        Self(BTreeSet::with_maximum_node_size(NODE_RUNGS))
    }
}

impl Order {
    /// The order of these rungs.
    pub(crate) fn of(mut rungs: Vec<Rung>) -> Self {
        rungs.sort_unstable();
        let mut order = Self::default();
        for rung in rungs {
            order.0.insert(rung);
        }
        order
    }

    /// Moves somebody from one rung to another; nobody leaves, or takes, a rung that is none.
    pub(crate) fn shift(&mut self, from: Option<Rung>, to: Option<Rung>) {
        if let Some(from) = from {
            self.0.remove(&from);
        }
        if let Some(to) = to {
            self.0.insert(to);
        }
    }

    /// How many rungs are taken.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many stand better than a rung, whether or not it is taken.
    pub(crate) fn rank(&self, rung: &Rung) -> usize {
        self.0.rank(rung)
    }

    /// Places `from .. from + limit`, best first.
    pub(crate) fn slice(&self, from: usize, limit: usize) -> impl Iterator<Item = (usize, Rung)> + '_ {
        let to = from.saturating_add(limit).min(self.0.len());
        (from..to).filter_map(|at| self.0.get_index(at).map(|rung| (at, *rung)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use proptest::prelude::*;

    fn standing(order: &Order) -> Vec<(Number, u64)> {
        order
            .slice(0, usize::MAX)
            .map(|(_, rung)| (rung.user, rung.score()))
            .collect()
    }

    #[test]
    fn of_equals_the_first_to_reach_it_stands_higher() {
        let order = Order::of(vec![
            Rung::new(7, 12, 1),
            Rung::new(7, 11, 2),
            Rung::new(9, 13, 3),
        ]);
        assert_eq!(standing(&order), [(3, 9), (2, 7), (1, 7)]);
        assert_eq!(order.rank(&Rung::new(8, 1, 9)), 1, "a rung that nobody has taken");
    }

    proptest! {
        #[test]
        fn ranks_equal_sorting(moves in proptest::collection::vec((0u32..300, 0u64..50), 0..2_000)) {
            let mut order = Order::default();
            let mut model: HashMap<Number, Rung> = HashMap::new();
            for (at, (user, amount)) in (1u64..).zip(moves) {
                let old = model.get(&user).copied();
                let new = Rung::new(old.map_or(0, |rung| rung.score()) + amount, at, user);
                order.shift(old, Some(new));
                model.insert(user, new);
            }
            let mut sorted: Vec<_> = model.into_values().collect();
            sorted.sort_unstable();
            let expected: Vec<_> = sorted.iter().map(|rung| (rung.user, rung.score())).collect();
            prop_assert_eq!(standing(&order), expected);
            for (rank, rung) in sorted.iter().enumerate() {
                prop_assert_eq!(order.rank(rung), rank);
            }
        }
    }
}
