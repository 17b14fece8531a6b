//! Who blocks whom, since when: as `followers`, but only the one who blocks ever asks for the list.

use std::collections::HashMap;

use domain::Event;
use roaring::RoaringBitmap;

use super::edges::{self, Edges, Line, OUT, Since};
use crate::Result;
use crate::fact::{Fact, Place, Projection};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// The view `blocks`.
#[derive(Debug)]
pub struct BlocksView {
    /// By who blocks.
    blocked: HashMap<Number, RoaringBitmap, foldhash::fast::RandomState>,
    edges: Edges,
}

impl Default for BlocksView {
    fn default() -> Self {
        Self {
            blocked: HashMap::default(),
            edges: Edges::new(Self::NAME, false),
        }
    }
}

impl BlocksView {
    /// Its name.
    pub const NAME: &'static str = "blocks";

    /// How many a user blocks.
    pub fn count(&self, who: Number) -> u64 {
        self.blocked.get(&who).map_or(0, RoaringBitmap::len)
    }

    /// Whether one blocks the other.
    pub fn blocks(&self, who: Number, whom: Number) -> bool {
        self.blocked.get(&who).is_some_and(|set| set.contains(whom))
    }

    /// Whom a user blocks, latest first, behind a place. As of the last commit.
    pub(super) fn page(
        who: Number,
        behind: Option<Place>,
        limit: usize,
        stored: &Stored<'_>,
    ) -> Result<Vec<Line>> {
        edges::page(Self::NAME, OUT, who, behind, limit, stored)
    }
}

impl Projection for BlocksView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        let (who, whom) = (fact.who, fact.whom);
        match fact.event {
            Event::Blocked(_) => {
                let was = !self.blocked.entry(who).or_default().insert(whom);
                let (place, at_ms) = (fact.place, fact.at_ms);
                self.edges.change(who, whom, was, Some(Since { place, at_ms }));
            }
            Event::Unblocked(_) => {
                let set = self.blocked.get_mut(&who);
                if set.is_some_and(|set| set.remove(whom)) {
                    self.edges.change(who, whom, true, None);
                }
            }
            _ => {}
        }
    }

    fn load_from(&self, _: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(vec![OUT])
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (who, whom, _) = edges::read_line(Self::NAME, OUT, key, value)?;
        self.blocked.entry(who).or_default().insert(whom);
        Ok(())
    }

    fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        self.edges.flush(stored, out)
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        edges::explain(key, "blocks", names)
    }
}
