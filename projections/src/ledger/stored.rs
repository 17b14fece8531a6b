//! The ledger as a run of the server has left it, to be compared with another fold. It only reads.

use journal::JournalId;

use super::Ledger;
use crate::Result;
use crate::fact::Projection;
use crate::names::{self, Names};
use crate::store::{ViewStore, meta, scan_all};

/// What was stored, and up to where it is folded.
pub struct StoredLedger {
    /// Sequence of the last record in it.
    pub position: u64,
    /// See [`Ledger::digest`].
    pub digest: [u8; 32],
}

/// Reads the stored ledger of a journal. None when there is none, or one of another journal or another version: it would
/// be made anew at the next start.
pub fn stored_ledger(store: &dyn ViewStore, journal: JournalId) -> Result<Option<StoredLedger>> {
    let mut ledger = Ledger::default();
    let live = meta::view(store, Ledger::NAME)?.live;
    let Some(live) = live.filter(|live| live.version == ledger.version()) else {
        return Ok(None);
    };
    if meta::journal(store)? != Some(journal) {
        return Ok(None);
    }
    let mut names = Names::default();
    scan_all(store, names::SPACE, |key, value| names.load(key, value))?;
    scan_all(store, &live.space(Ledger::NAME), |key, value| {
        ledger.load(key, value)
    })?;
    Ok(Some(StoredLedger {
        position: live.checkpoint.get(0),
        digest: ledger.digest(&names),
    }))
}
