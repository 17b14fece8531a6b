//! A store of views that a crash sets back: commits since some moment are lost, in order, or all of it is. Each commit is
//! there or not; half of one never is.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use projections::store::{Batch, Visit};
use projections::{MemoryStore, Result, ViewStore};

/// Space, key and value; none = removed.
type Entry = (String, Vec<u8>, Option<Vec<u8>>);

/// What was done, so that it can be done again.
#[derive(Clone)]
enum Deed {
    Commit(Vec<Entry>),
    Drop(String),
    Reset,
}

#[derive(Default)]
struct State {
    now: MemoryStore,
    deeds: Vec<Deed>,
}

/// See the module.
#[derive(Default)]
pub struct CrashStore(Mutex<State>);

impl CrashStore {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many deeds a crash could take back.
    pub fn deeds(&self) -> usize {
        self.lock().deeds.len()
    }

    /// Only the first so many deeds were ever done.
    pub fn crash(&self, kept: usize) {
        let mut state = self.lock();
        state.deeds.truncate(kept);
        state.now = MemoryStore::new();
        for deed in &state.deeds {
            let done = match deed {
                Deed::Commit(entries) => state.now.commit(&batch(entries)),
                Deed::Drop(space) => state.now.drop_space(space),
                Deed::Reset => state.now.reset(),
            };
            done.expect("memory does not fail");
        }
    }
}

fn batch(entries: &[Entry]) -> Batch {
    let mut batch = Batch::new();
    for (space, key, value) in entries {
        let mut put = batch.space(space);
        match value {
            Some(value) => put.set(key, value),
            None => put.remove(key),
        }
    }
    batch
}

impl ViewStore for CrashStore {
    fn get(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.lock().now.get(space, key)
    }

    fn scan(&self, space: &str, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        // A visitor may read the store: nothing is locked while it is called.
        let mut found = BTreeMap::new();
        self.lock().now.scan(space, from, to, &mut |key, value| {
            found.insert(key.to_vec(), value.to_vec());
            Ok(std::ops::ControlFlow::Continue(()))
        })?;
        for (key, value) in &found {
            if visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let mut state = self.lock();
        let entries = batch
            .entries()
            .map(|(space, key, value)| (space.to_owned(), key.to_vec(), value.map(<[u8]>::to_vec)));
        state.deeds.push(Deed::Commit(entries.collect()));
        state.now.commit(batch)
    }

    fn spaces(&self) -> Result<Vec<String>> {
        self.lock().now.spaces()
    }

    fn drop_space(&self, space: &str) -> Result<()> {
        let mut state = self.lock();
        state.deeds.push(Deed::Drop(space.to_owned()));
        state.now.drop_space(space)
    }

    fn reset(&self) -> Result<()> {
        let mut state = self.lock();
        state.deeds.push(Deed::Reset);
        state.now.reset()
    }
}
