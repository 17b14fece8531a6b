//! The command ids of one actor that are queued and not yet durable. An id that is not here is looked for in the
//! journal; one that is here by mistake (two ids of one hash) only waits for the journal first.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::limits::IN_FLIGHT_SWEEP_AT;

/// Hash of a command id -> the version it brings the stream to.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    versions: HashMap<u64, u64, FixedState>,
    sweep_at: usize,
}

impl InFlight {
    pub(crate) fn hash(id: &str) -> u64 {
        FixedState::default().hash_one(id)
    }

    /// Whether the id is queued and not durable, when everything up to `durable_version` is.
    pub(crate) fn contains(&self, id: &str, durable_version: u64) -> bool {
        !self.versions.is_empty()
            && self
                .versions
                .get(&Self::hash(id))
                .is_some_and(|version| *version > durable_version)
    }

    pub(crate) fn insert(&mut self, hash: u64, version: u64, durable_version: u64) {
        if self.versions.len() >= self.sweep_at.max(IN_FLIGHT_SWEEP_AT) {
            self.versions.retain(|_, version| *version > durable_version);
            self.sweep_at = self.versions.len() * 2;
        }
        if version > durable_version {
            self.versions.insert(hash, version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_durable_is_kept() {
        let mut ids = InFlight::default();
        for n in 1..=1_000u64 {
            ids.insert(InFlight::hash(&n.to_string()), n, n.saturating_sub(3));
        }
        assert!(ids.versions.len() <= 2 * IN_FLIGHT_SWEEP_AT);
        assert!(ids.contains("1000", 999) && ids.contains("999", 998));
        assert!(!ids.contains("1000", 1_000) && !ids.contains("1", 0));
    }
}
