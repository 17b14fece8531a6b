//! What the store says about itself: whose journal it folds, which generation of each view is live and how far it is.

use domain::StreamId;
use journal::{Checkpoint, JournalId};
use serde::{Deserialize, Serialize};

use super::{Batch, ViewStore, scan_all};
use crate::{Error, Result};

const SPACE: &str = "meta";
const JOURNAL: &[u8] = b"journal";
const NAMES: &[u8] = b"names";
const VIEW: &str = "view/";
const PARKED: &str = "parked/";

/// One build of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    /// The fold's version.
    pub(crate) version: u32,
    /// Which build, counted over the life of the store.
    pub(crate) number: u32,
    /// Digest of the configuration it was folded under.
    pub(crate) settings: u64,
    /// How far it is folded.
    pub(crate) checkpoint: Checkpoint,
}

impl Generation {
    /// The space that holds it.
    pub(crate) fn space(&self, name: &str) -> String {
        format!("{name}@{}.{}", self.version, self.number)
    }
}

/// The builds of one view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ViewMeta {
    /// The one that is read.
    pub(crate) live: Option<Generation>,
    /// The one that was read before it.
    pub(crate) earlier: Option<Generation>,
    /// The one that is being built.
    pub(crate) building: Option<Generation>,
}

impl ViewMeta {
    /// A number that no build of this view has.
    pub(crate) fn next_number(&self) -> u32 {
        let all = [&self.live, &self.earlier, &self.building];
        all.into_iter().flatten().map(|g| g.number).max().unwrap_or(0) + 1
    }

    pub(crate) fn generations(&self) -> impl Iterator<Item = &Generation> {
        [&self.live, &self.earlier, &self.building].into_iter().flatten()
    }
}

pub(crate) fn journal(store: &dyn ViewStore) -> Result<Option<JournalId>> {
    let Some(bytes) = store.get(SPACE, JOURNAL)? else {
        return Ok(None);
    };
    let id = bytes
        .try_into()
        .map_err(|_| damaged("the journal's id is not one"))?;
    Ok(Some(JournalId(u128::from_be_bytes(id))))
}

pub(crate) fn set_journal(batch: &mut Batch, id: JournalId) {
    batch.space(SPACE).set(JOURNAL, &id.0.to_be_bytes());
}

/// How many names were stored with the last commit.
pub(crate) fn names(store: &dyn ViewStore) -> Result<usize> {
    let Some(bytes) = store.get(SPACE, NAMES)? else {
        return Ok(0);
    };
    let count = bytes
        .try_into()
        .map_err(|_| damaged("the count of names is not one"))?;
    Ok(u64::from_be_bytes(count) as usize)
}

pub(crate) fn set_names(batch: &mut Batch, count: usize) {
    batch.space(SPACE).set(NAMES, &(count as u64).to_be_bytes());
}

pub(crate) fn view(store: &dyn ViewStore, name: &str) -> Result<ViewMeta> {
    let Some(bytes) = store.get(SPACE, format!("{VIEW}{name}").as_bytes())? else {
        return Ok(ViewMeta::default());
    };
    postcard::from_bytes(&bytes).map_err(|_| damaged("a view's entry cannot be read"))
}

pub(crate) fn set_view(batch: &mut Batch, name: &str, meta: &ViewMeta) -> Result<()> {
    let bytes = postcard::to_allocvec(meta).map_err(|e| Error::Store(e.to_string()))?;
    batch.space(SPACE).set(format!("{VIEW}{name}").as_bytes(), &bytes);
    Ok(())
}

/// The streams whose records are not folded any more, because one of them could not be decoded.
pub(crate) fn parked(store: &dyn ViewStore) -> Result<Vec<(StreamId, u64)>> {
    let mut parked = Vec::new();
    scan_all(store, SPACE, |key, value| {
        let Some(stream) = key.strip_prefix(PARKED.as_bytes()) else {
            return Ok(());
        };
        let stream = std::str::from_utf8(stream).ok().and_then(|s| s.parse().ok());
        let place = value.try_into().map(u64::from_be_bytes).ok();
        let entry = stream
            .zip(place)
            .ok_or_else(|| damaged("a parked stream cannot be read"))?;
        parked.push(entry);
        Ok(())
    })?;
    Ok(parked)
}

pub(crate) fn set_parked(batch: &mut Batch, stream: &StreamId, place: u64) {
    batch
        .space(SPACE)
        .set(format!("{PARKED}{stream}").as_bytes(), &place.to_be_bytes());
}

pub(crate) fn clear_parked(batch: &mut Batch, stream: &StreamId) {
    batch.space(SPACE).remove(format!("{PARKED}{stream}").as_bytes());
}

fn damaged(what: &str) -> Error {
    Error::Damaged {
        view: SPACE.into(),
        what: what.into(),
    }
}
