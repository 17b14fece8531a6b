//! A store in memory, for tests and the simulation: what is committed stays as long as the value does.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use parking_lot::Mutex;

use super::{Batch, ViewStore, Visit};
use crate::Result;

type Space = BTreeMap<Vec<u8>, Vec<u8>>;

/// Spaces as maps. Give a clone of the `Arc` around it to the next runner to play a restart.
#[derive(Debug, Default)]
pub struct MemoryStore {
    spaces: Mutex<BTreeMap<String, Space>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl ViewStore for MemoryStore {
    fn get(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.spaces.lock().get(space).and_then(|s| s.get(key)).cloned())
    }

    fn scan(&self, space: &str, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        let spaces = self.spaces.lock();
        let Some(space) = spaces.get(space) else {
            return Ok(());
        };
        for (key, value) in space.range::<[u8], _>((from, to)) {
            if let ControlFlow::Break(()) = visit(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<()> {
        let mut spaces = self.spaces.lock();
        for (space, key, value) in batch.entries() {
            if !spaces.contains_key(space) {
                spaces.insert(space.to_owned(), Space::new());
            }
            let Some(space) = spaces.get_mut(space) else {
                continue;
            };
            match value {
                Some(value) => space.insert(key.to_vec(), value.to_vec()),
                None => space.remove(key),
            };
        }
        Ok(())
    }

    fn spaces(&self) -> Result<Vec<String>> {
        Ok(self.spaces.lock().keys().cloned().collect())
    }

    fn drop_space(&self, space: &str) -> Result<()> {
        self.spaces.lock().remove(space);
        Ok(())
    }

    fn reset(&self) -> Result<()> {
        self.spaces.lock().clear();
        Ok(())
    }
}
