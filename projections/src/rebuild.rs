//! Proving that views are nothing but folds: building them anew beside the live ones, and comparing a fresh fold with what
//! is stored. Works on a store that no runner holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use journal::{Checkpoint, Position, Reader};

use crate::fold::Fold;
use crate::limits::{DIFFERENCES_MAX, RECORDS_PER_COMMIT_REBUILD};
use crate::pump::pump;
use crate::runner::Options;
use crate::store::meta::{self, Generation};
use crate::store::{Batch, MemoryStore, ViewStore, scan_all};
use crate::views::{ALL, Views};
use crate::wait::Stop;
use crate::{Error, Names, Result};

/// How a long fold is asked to end early; it then ends with [`Error::Stopped`] and changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Stopper(Arc<Stop>);

impl Stopper {
    /// Asks it to stop.
    pub fn stop(&self) {
        self.0.ask();
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.asked()
    }
}

/// How far a long fold is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuild {
    /// Records folded.
    pub done: u64,
    /// Records to fold.
    pub total: u64,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Records folded.
    pub records: u64,
    /// How long it took, commits included.
    pub seconds: f64,
}

impl Report {
    /// Records per second.
    pub fn rate(&self) -> f64 {
        self.records as f64 / self.seconds.max(f64::EPSILON)
    }
}

/// A stored entry that a fresh fold does not give, or gives otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which view.
    pub view: &'static str,
    /// What the entry is about.
    pub key: String,
    /// What is stored.
    pub stored: Option<Vec<u8>>,
    /// What the fold gives.
    pub folded: Option<Vec<u8>>,
}

/// Builds views anew beside the live ones, then puts them in their place at once, and keeps the old ones for
/// [`roll_back`]. No names = all views. A record that cannot be decoded stops it; the live views stay as they are.
pub fn rebuild(
    reader: &dyn Reader,
    store: &Arc<dyn ViewStore>,
    names: &[&str],
    options: Options,
    stop: &Stopper,
    progress: impl FnMut(Rebuild),
) -> Result<Report> {
    let began = Instant::now();
    let wanted = known(names)?;
    let (mut fold, mut views) = match Fold::load(reader, store.clone(), options.zone, false) {
        Err(error @ Error::Damaged { .. }) if wanted.len() == ALL.len() => {
            tracing::error!(%error, "the stored views cannot be trusted; all are thrown away first");
            store.reset()?;
            Fold::load(reader, store.clone(), options.zone, false)?
        }
        loaded => loaded?,
    };
    begin(&mut fold, &views, &wanted);
    fold.drop_unused()?;
    let total = reader.head().get(0);
    fold_all(reader, &mut fold, &mut views, total, stop, progress)?;
    switch(&mut fold, wanted.len() == ALL.len())?;
    fold.drop_unused()?;
    Ok(Report {
        records: total,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Compares what is stored of views with a fresh fold up to the same place. Empty = they are equal. No names = all views.
/// At most [`DIFFERENCES_MAX`] are named.
pub fn check(
    reader: &dyn Reader,
    store: &Arc<dyn ViewStore>,
    names: &[&str],
    options: Options,
    stop: &Stopper,
    progress: impl FnMut(Rebuild),
) -> Result<Vec<Difference>> {
    let wanted = known(names)?;
    let (stored, _) = Fold::load(reader, store.clone(), options.zone, false)?;
    let scratch: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
    let (mut fold, mut views) = Fold::load(reader, scratch.clone(), options.zone, false)?;
    // The stored numbers of users are taken over: any one-to-one table is as good, and the values can then be compared.
    scan_all(&**store, crate::names::SPACE, |key, value| {
        views.names.load(key, value)
    })?;
    let names_stored = views.names.len();
    begin(&mut fold, &views, &wanted);
    let mut total = 0;
    for (fresh, stored) in fold.slots.iter_mut().zip(&stored.slots) {
        fresh.upto = stored.generation.checkpoint.get(0);
        total = total.max(if fresh.active { fresh.upto } else { 0 });
    }
    fold_all(reader, &mut fold, &mut views, total, stop, progress)?;
    let mut differences = Vec::new();
    for number in names_stored..views.names.len() {
        let (key, folded) = (
            format!("number of user {}", views.names.text(number as u32)),
            None,
        );
        differences.push(Difference {
            view: crate::names::SPACE,
            key,
            stored: None,
            folded,
        });
    }
    for &at in &wanted {
        if stored.slots[at].meta.live.is_none() && reader.head().records() > 0 {
            let key = "the whole view is missing".into();
            differences.push(Difference {
                view: ALL[at],
                key,
                stored: None,
                folded: None,
            });
        }
        let stored_space = stored.slots[at].generation.space(ALL[at]);
        let fresh_space = fold.slots[at].generation.space(ALL[at]);
        compare(
            at,
            &views,
            (&**store, &stored_space),
            (&*scratch, &fresh_space),
            &mut differences,
        )?;
    }
    differences.truncate(DIFFERENCES_MAX);
    Ok(differences)
}

/// Puts the generation before the last rebuild back in place. It goes on from its own checkpoint.
pub fn roll_back(store: &dyn ViewStore, names: &[&str]) -> Result<()> {
    let mut batch = Batch::new();
    for at in known(names)? {
        let mut view = meta::view(store, ALL[at])?;
        let earlier = view
            .earlier
            .take()
            .ok_or_else(|| Error::NoEarlier(ALL[at].into()))?;
        view.earlier = view.live.replace(earlier);
        meta::set_view(&mut batch, ALL[at], &view)?;
    }
    store.commit(&batch)
}

/// The places of views in [`ALL`].
fn known(names: &[&str]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..ALL.len()).collect());
    }
    let find = |name: &&str| {
        let at = ALL.iter().position(|known| known == name);
        at.ok_or_else(|| Error::UnknownView((*name).into(), ALL.join(", ")))
    };
    names.iter().map(find).collect()
}

/// Begins a new generation of the wanted views; the others are not folded.
fn begin(fold: &mut Fold, views: &Views, wanted: &[usize]) {
    for (at, (slot, view)) in fold.slots.iter_mut().zip(views.all()).enumerate() {
        slot.active = wanted.contains(&at);
        slot.building = slot.active;
        if slot.active {
            let number = slot.meta.next_number();
            let checkpoint = Checkpoint::start(1);
            slot.generation = Generation {
                version: view.version(),
                number,
                settings: view.settings(),
                checkpoint,
            };
            slot.meta.building = None;
        }
    }
}

/// Folds everything up to `total` into the views that are being built; a record that cannot be decoded stops it.
fn fold_all(
    reader: &dyn Reader,
    fold: &mut Fold,
    views: &mut Views,
    total: u64,
    stop: &Stopper,
    mut progress: impl FnMut(Rebuild),
) -> Result<()> {
    let mut pending = 0;
    let names = views.names.clone();
    pump(reader, Position::start(0), total, names, &stop.0, |decoded| {
        if stop.0.asked() {
            return Err(Error::Stopped);
        }
        if let Some((at, error)) = decoded.undecodable.first() {
            let position = Position {
                shard: 0,
                sequence: decoded.batch.first().sequence + *at as u64,
            };
            return Err(Error::Undecodable {
                position,
                what: error.to_string(),
            });
        }
        fold.apply(decoded, |fold| fold(views));
        pending += decoded.batch.len();
        if pending >= RECORDS_PER_COMMIT_REBUILD {
            pending = 0;
            fold.gather(views)?;
            fold.commit()?;
        }
        progress(Rebuild {
            done: decoded.batch.last().sequence.min(total),
            total,
        });
        Ok(())
    })?;
    fold.gather(views)?;
    fold.commit()
}

/// Makes what was built live, all of it at once.
fn switch(fold: &mut Fold, all: bool) -> Result<()> {
    let mut batch = Batch::new();
    for slot in fold.slots.iter_mut().filter(|slot| slot.building) {
        if let Some(built) = slot.meta.building.take() {
            slot.meta.earlier = slot.meta.live.replace(built);
        }
        slot.building = false;
        meta::set_view(&mut batch, slot.name, &slot.meta)?;
    }
    if all {
        // Everything was decoded: no stream need be left out any more.
        for stream in std::mem::take(&mut fold.parked).into_keys() {
            meta::clear_parked(&mut batch, &stream);
        }
    }
    fold.store.commit(&batch)
}

fn compare(
    at: usize,
    views: &Views,
    stored: (&dyn ViewStore, &str),
    fresh: (&dyn ViewStore, &str),
    differences: &mut Vec<Difference>,
) -> Result<()> {
    let mut folded = BTreeMap::new();
    scan_all(fresh.0, fresh.1, |key, value| {
        folded.insert(key.to_vec(), value.to_vec());
        Ok(())
    })?;
    let view = views.all()[at];
    let explain = |key: &[u8], names: &Names| view.explain(key, names);
    scan_all(stored.0, stored.1, |key, value| {
        let wanted = folded.remove(key);
        if wanted.as_deref() != Some(value) && differences.len() < DIFFERENCES_MAX {
            let (key, stored) = (explain(key, &views.names), Some(value.to_vec()));
            differences.push(Difference {
                view: ALL[at],
                key,
                stored,
                folded: wanted,
            });
        }
        Ok(())
    })?;
    for (key, value) in folded.into_iter().take(DIFFERENCES_MAX) {
        let key = explain(&key, &views.names);
        differences.push(Difference {
            view: ALL[at],
            key,
            stored: None,
            folded: Some(value),
        });
    }
    Ok(())
}
