//! All views folded together: opening them from the store, applying decoded records, gathering one atomic commit.
//!
//! It decides which generation of a view is read or built and how far it is. It reads no journal and runs no thread.

use std::collections::HashMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use compact_str::CompactString;
use domain::{Event, StreamId};
use journal::{Checkpoint, JournalId, Position, Reader, RecordBatch, RecordRef, codec};

use crate::fact::{self, Fact, Projection, place};
use crate::limits::RECORDS_PER_LOCK_MAX;
use crate::names::{NOBODY, Names, Number};
use crate::store::meta::{self, Generation, ViewMeta};
use crate::store::{Batch, Stored, ViewStore, scan_all};
use crate::views::{ALL, Views};
use crate::zone::Zone;
use crate::{Error, Result, names};

/// One view's build, and how it is kept.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    pub(crate) meta: ViewMeta,
    pub(crate) generation: Generation,
    /// Whether it is folded at all.
    pub(crate) active: bool,
    /// Whether it is built beside the live one.
    pub(crate) building: bool,
    /// Records behind this sequence are not folded.
    pub(crate) upto: u64,
}

/// The state of a fold over one journal, into one store.
pub(crate) struct Fold {
    pub(crate) store: Arc<dyn ViewStore>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) parked: HashMap<StreamId, u64>,
    journal: JournalId,
    shards: u16,
    parked_unstored: Vec<StreamId>,
    batch: Batch,
    bulk: Batch,
}

/// A batch of records and what they mean.
pub(crate) struct Decoded {
    pub(crate) batch: Arc<RecordBatch>,
    /// One per record; none for a record that is not folded: undecodable, or its stream is parked.
    pub(crate) events: Vec<Option<Event>>,
    /// Which records cannot be decoded, and why.
    pub(crate) undecodable: Vec<(usize, journal::Error)>,
    /// Who and whom, one pair per record; empty until they are looked up.
    numbers: Vec<(Number, Number)>,
    /// Ids that were given a number on the way, and how many there were before them.
    learned: (usize, Vec<CompactString>),
}

/// The memory of a batch that is folded, for one that is not decoded yet.
#[derive(Default)]
pub(crate) struct Used {
    events: Vec<Option<Event>>,
    numbers: Vec<(Number, Number)>,
}

impl Decoded {
    /// Decodes every record of a batch.
    pub(crate) fn of(batch: Arc<RecordBatch>) -> Self {
        Self::into(batch, Used::default())
    }

    fn into(batch: Arc<RecordBatch>, used: Used) -> Self {
        let mut undecodable = Vec::new();
        let Used { mut events, numbers } = used;
        events.reserve(batch.len());
        for (at, record) in batch.iter().enumerate() {
            events.push(
                codec::decode(&record)
                    .map_err(|error| undecodable.push((at, error)))
                    .ok(),
            );
        }
        Self {
            batch,
            events,
            undecodable,
            numbers,
            learned: (0, Vec::new()),
        }
    }

    /// Decodes a batch and looks up its users in a copy of the table, on a thread that has only the copy.
    pub(crate) fn numbered(batch: Arc<RecordBatch>, names: &mut Names, used: Used) -> Self {
        let mut decoded = Self::into(batch, used);
        let known = names.len();
        decoded.look_up(names);
        decoded.learned = (known, names.since(known).to_vec());
        decoded
    }

    /// Gives its memory back.
    pub(crate) fn into_used(mut self) -> Used {
        self.events.clear();
        self.numbers.clear();
        Used {
            events: self.events,
            numbers: self.numbers,
        }
    }

    /// Looks up the users in the table of the views, or teaches it what the copy has learned.
    fn number(&mut self, views: &mut Views) {
        if self.numbers.is_empty() {
            self.look_up(&mut views.names);
            return;
        }
        let (known, learned) = std::mem::take(&mut self.learned);
        assert!(
            learned.is_empty() || views.names.len() == known,
            "two tables of names have parted"
        );
        for id in learned {
            views.names.intern(&id);
        }
    }

    fn look_up(&mut self, names: &mut Names) {
        let numbers = |(record, event): (RecordRef<'_>, &Option<Event>)| match event {
            Some(event) => fact::numbers(&record, event, names),
            None => (NOBODY, NOBODY),
        };
        self.numbers
            .extend(self.batch.iter().zip(&self.events).map(numbers));
    }
}

impl Fold {
    /// Opens the live views. A store that is damaged, of another journal or ahead of this one is thrown away; a single
    /// view that is damaged or of another version starts anew.
    pub(crate) fn open(reader: &dyn Reader, store: Arc<dyn ViewStore>, zone: Zone) -> Result<(Self, Views)> {
        match Self::load(reader, store.clone(), zone, true) {
            Err(error @ Error::Damaged { .. }) => {
                tracing::error!(%error, "the stored views cannot be trusted; all are rebuilt from the journal");
                store.reset()?;
                Self::load(reader, store, zone, true)
            }
            opened => opened,
        }
    }

    /// Opens names and places; with `load`, the views' contents too.
    pub(crate) fn load(
        reader: &dyn Reader,
        store: Arc<dyn ViewStore>,
        zone: Zone,
        load: bool,
    ) -> Result<(Self, Views)> {
        if reader.shards() != 1 {
            return Err(Error::Shards(reader.shards()));
        }
        check_journal(&*store, reader.id())?;
        let mut views = Views::new(store.clone(), zone);
        scan_all(&*store, names::SPACE, |key, value| views.names.load(key, value))?;
        if views.names.len() < meta::names(&*store)? {
            return Err(Error::Damaged {
                view: names::SPACE.into(),
                what: "names are missing".into(),
            });
        }
        let mut slots = Vec::new();
        for (at, name) in ALL.into_iter().enumerate() {
            let slot = open_slot(name, views.all_mut()[at], &*store, reader)?;
            slots.push(slot);
        }
        let parked = meta::parked(&*store)?.into_iter().collect();
        let mut fold = Self {
            journal: reader.id(),
            shards: reader.shards(),
            slots,
            parked,
            parked_unstored: Vec::new(),
            batch: Batch::new(),
            bulk: Batch::new(),
            store,
        };
        fold.name_spaces(&mut views);
        if load {
            fold.load_views(&mut views, zone)?;
        }
        Ok((fold, views))
    }

    /// Reads the views' contents, each on a thread of its own: a server that starts waits for the largest only.
    fn load_views(&mut self, views: &mut Views, zone: Zone) -> Result<()> {
        let (store, spaces) = (&*self.store, views.spaces.clone());
        let loaded: Vec<Result<()>> = std::thread::scope(|scope| {
            let mut loading = Vec::new();
            for (view, space) in views.all_mut().into_iter().zip(&spaces) {
                loading.push(scope.spawn(move || load_view(view, &Stored { store, space })));
            }
            let panicked = |_| Err(Error::Store("a view panicked while it was opened".into()));
            loading
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(panicked))
                .collect()
        });
        for (at, loaded) in loaded.into_iter().enumerate() {
            match loaded {
                Ok(()) => {}
                Err(error @ Error::Damaged { .. }) => {
                    tracing::error!(%error, view = ALL[at], "this view is rebuilt from the journal");
                    views.replace(at, Views::new(self.store.clone(), zone));
                    let view = views.all()[at];
                    self.slots[at].start_anew(view.version(), view.settings(), self.shards);
                }
                Err(error) => return Err(error),
            }
        }
        self.name_spaces(views);
        views.boards.take_changed();
        Ok(())
    }

    pub(crate) fn name_spaces(&self, views: &mut Views) {
        for (space, slot) in views.spaces.iter_mut().zip(&self.slots) {
            *space = slot.generation.space(slot.name);
        }
    }

    /// The sequence up to which every active view is folded.
    pub(crate) fn at(&self) -> u64 {
        self.slots
            .iter()
            .filter(|s| s.active)
            .map(|s| s.generation.checkpoint.get(0))
            .min()
            .unwrap_or(0)
    }

    /// From where the journal must be read.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::start(self.shards);
        checkpoint.advance(Position {
            shard: 0,
            sequence: self.at(),
        });
        checkpoint
    }

    /// Takes out the events of streams that are parked, and parks the streams of records that cannot be decoded.
    pub(crate) fn park(&mut self, decoded: &mut Decoded) {
        for (at, error) in std::mem::take(&mut decoded.undecodable) {
            let Some(record) = decoded.batch.iter().nth(at) else {
                continue;
            };
            let (stream, position) = (record.stream(), record.position);
            if self.parked.contains_key(&stream) {
                continue;
            }
            tracing::error!(%error, %stream, %position,
                "a record cannot be decoded; the views leave out this stream from here on");
            self.parked.insert(stream.clone(), place(position));
            self.parked_unstored.push(stream);
        }
        if self.parked.is_empty() {
            return;
        }
        for (record, event) in decoded.batch.iter().zip(&mut decoded.events) {
            if self
                .parked
                .get(&record.stream())
                .is_some_and(|&from| place(record.position) >= from)
            {
                *event = None;
            }
        }
    }

    /// Folds a batch. `with` lends the views, each time for at most [`RECORDS_PER_LOCK_MAX`] records.
    pub(crate) fn apply(&mut self, decoded: &mut Decoded, mut with: impl FnMut(&mut dyn FnMut(&mut Views))) {
        with(&mut |views| decoded.number(views));
        let mut records = decoded.batch.iter().zip(&decoded.events).zip(&decoded.numbers);
        while records.len() > 0 {
            let mut facts = Vec::with_capacity(RECORDS_PER_LOCK_MAX.min(records.len()));
            let mut last = None;
            for ((record, event), &(who, whom)) in records.by_ref().take(RECORDS_PER_LOCK_MAX) {
                last = Some(record.position);
                let fact = |event| Fact {
                    place: place(record.position),
                    at_ms: record.recorded_at_ms,
                    key: record.key,
                    who,
                    whom,
                    event,
                };
                facts.extend(event.as_ref().map(fact));
            }
            if let Some(last) = last {
                with(&mut |views| self.apply_facts(views, &facts, last));
            }
        }
    }

    fn apply_facts(&mut self, views: &mut Views, facts: &[Fact<'_>], last: Position) {
        for (slot, view) in self
            .slots
            .iter_mut()
            .zip(views.all_mut())
            .filter(|(slot, _)| slot.active)
        {
            let done = slot.generation.checkpoint.get(last.shard);
            let from = facts.partition_point(|f| f.place <= done);
            let to = facts.partition_point(|f| f.place <= slot.upto);
            view.apply_all(&facts[from..to.max(from)]);
            let sequence = last.sequence.min(slot.upto);
            slot.generation.checkpoint.advance(Position {
                shard: last.shard,
                sequence,
            });
        }
    }

    /// Gathers what changed since the last call: views, names, checkpoints, parked streams.
    pub(crate) fn gather(&mut self, views: &mut Views) -> Result<()> {
        self.batch.clear();
        self.bulk.clear();
        let mut names = self.batch.space(names::SPACE);
        views.names.flush(|key, value| names.set(key, value));
        let store = self.store.clone();
        for at in 0..ALL.len() {
            let slot = &mut self.slots[at];
            if !slot.active {
                continue;
            }
            let space = slot.generation.space(slot.name);
            let stored = Stored {
                store: &*store,
                space: &space,
            };
            let out = if slot.building {
                &mut self.bulk
            } else {
                &mut self.batch
            };
            views.all_mut()[at].flush(&stored, &mut out.space(&space))?;
            let side = if slot.building {
                &mut slot.meta.building
            } else {
                &mut slot.meta.live
            };
            *side = Some(slot.generation.clone());
            meta::set_view(&mut self.batch, slot.name, &slot.meta)?;
        }
        meta::set_journal(&mut self.batch, self.journal);
        meta::set_names(&mut self.batch, views.names.len());
        for stream in self.parked_unstored.drain(..) {
            let at = self.parked.get(&stream).copied().unwrap_or(0);
            meta::set_parked(&mut self.batch, &stream, at);
        }
        Ok(())
    }

    /// Writes what was gathered: live views atomically with their checkpoints; views that are being built, which nobody
    /// reads, before their checkpoints.
    pub(crate) fn commit(&mut self) -> Result<()> {
        if !self.bulk.is_empty() {
            self.store.bulk(&self.bulk)?;
        }
        self.store.commit(&self.batch)
    }

    /// Takes away every space that no generation names.
    pub(crate) fn drop_unused(&self) -> Result<()> {
        for space in self.store.spaces()? {
            let Some((name, _)) = space.split_once('@') else {
                continue;
            };
            let used = self.slots.iter().any(|slot| {
                slot.name == name
                    && (slot.generation.space(name) == space
                        || slot.meta.generations().any(|g| g.space(name) == space))
            });
            if !used {
                self.store.drop_space(&space)?;
            }
        }
        Ok(())
    }
}

impl Slot {
    /// Makes the live view a new, empty generation; the one before it stays for roll-back only if it was whole.
    fn start_anew(&mut self, version: u32, settings: u64, shards: u16) {
        let number = self.meta.next_number();
        self.generation = Generation {
            version,
            number,
            settings,
            checkpoint: Checkpoint::start(shards),
        };
        self.meta.live = None;
    }
}

fn check_journal(store: &dyn ViewStore, id: JournalId) -> Result<()> {
    match meta::journal(store)? {
        Some(other) if other != id => {
            let what = format!("it holds views of journal {other}, not of {id}");
            Err(Error::Damaged {
                view: "store".into(),
                what,
            })
        }
        _ => Ok(()),
    }
}

fn load_view(view: &mut dyn Projection, stored: &Stored<'_>) -> Result<()> {
    let from = view.load_from(stored)?;
    let mut visit = |key: &[u8], value: &[u8]| view.load(key, value).map(|()| ControlFlow::Continue(()));
    stored.scan(Bound::Included(&from), Bound::Unbounded, &mut visit)?;
    view.settle();
    Ok(())
}

fn open_slot(
    name: &'static str,
    view: &dyn Projection,
    store: &dyn ViewStore,
    reader: &dyn Reader,
) -> Result<Slot> {
    let mut meta = meta::view(store, name)?;
    let (version, settings) = (view.version(), view.settings());
    let fresh = |meta: &ViewMeta| Generation {
        version,
        number: meta.next_number(),
        settings,
        checkpoint: Checkpoint::start(reader.shards()),
    };
    let generation = match meta.live.clone() {
        Some(live) if live.checkpoint.get(0) > reader.head().get(0) => {
            let what = format!(
                "it is folded up to {}, but the journal ends at {}",
                live.checkpoint.get(0),
                reader.head().get(0)
            );
            return Err(Error::Damaged {
                view: name.into(),
                what,
            });
        }
        Some(live) if live.version == version && live.settings == settings => live,
        Some(other) => {
            tracing::warn!(
                view = name,
                stored = other.version,
                wanted = version,
                "this view was folded by another version or configuration; it is rebuilt from the journal"
            );
            let fresh = fresh(&meta);
            meta.earlier = meta.live.take();
            fresh
        }
        None => fresh(&meta),
    };
    Ok(Slot {
        name,
        meta,
        generation,
        active: true,
        building: false,
        upto: u64::MAX,
    })
}
