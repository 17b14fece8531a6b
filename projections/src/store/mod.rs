//! Where views are kept between runs: a port with two implementations.
//!
//! A store holds *spaces* (ordered maps of bytes) and commits batches over several of them atomically: a view and its
//! checkpoint are never apart. It knows nothing of what it keeps, and nothing in it is ever the only copy: whatever is
//! wrong with it, the journal can rebuild it.

mod disk;
mod memory;
pub(crate) mod meta;

pub use disk::FjallStore;
pub use memory::MemoryStore;

use std::ops::{Bound, ControlFlow, Range};

use crate::Result;
use crate::limits::COMMIT_BYTES_MAX;

/// Called for every entry of a scan: key, value; says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>> + 'a;

/// The port of a store. Spaces come into being when they are first written; one that is not there reads as empty.
pub trait ViewStore: Send + Sync {
    /// One value.
    fn get(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Visits the entries of a range of keys, in order.
    fn scan(&self, space: &str, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()>;

    /// Writes a batch, all of it or nothing. It survives the end of the process, not necessarily a power loss: then a
    /// whole earlier state is found (with its checkpoint), and the runner goes on from there.
    fn commit(&self, batch: &Batch) -> Result<()>;

    /// Writes a batch into spaces that nobody reads yet, as fast as it goes: not atomically, and not before other writes
    /// to the same keys. No key may be in it twice.
    fn bulk(&self, batch: &Batch) -> Result<()> {
        self.commit(batch)
    }

    /// The spaces there are.
    fn spaces(&self) -> Result<Vec<String>>;

    /// Takes a space away, for good.
    fn drop_space(&self, space: &str) -> Result<()>;

    /// Throws everything away and starts empty.
    fn reset(&self) -> Result<()>;
}

/// Every entry of a space, in order.
pub(crate) fn scan_all(
    store: &dyn ViewStore,
    space: &str,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    let mut visit = |key: &[u8], value: &[u8]| each(key, value).map(|()| ControlFlow::Continue(()));
    store.scan(space, Bound::Unbounded, Bound::Unbounded, &mut visit)
}

/// Entries to be written together. Keys and values lie in one buffer, so that gathering them costs no allocation each.
#[derive(Debug, Default)]
pub struct Batch {
    spaces: Vec<String>,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    space: u16,
    key: Range<u32>,
    value: Option<Range<u32>>,
}

impl Batch {
    /// Nothing to be written.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Empties it, keeping the memory.
    pub fn clear(&mut self) {
        self.spaces.clear();
        self.bytes.clear();
        self.entries.clear();
    }

    /// A handle that writes into one space.
    pub fn space(&mut self, name: &str) -> Put<'_> {
        let at = self.spaces.iter().position(|s| s == name).unwrap_or_else(|| {
            self.spaces.push(name.to_owned());
            self.spaces.len() - 1
        });
        Put {
            space: at as u16,
            batch: self,
        }
    }

    /// Every entry: space, key, and the value (none = removed), in the order of writing.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[u8], Option<&[u8]>)> {
        self.entries.iter().map(|e| {
            let value = e
                .value
                .as_ref()
                .map(|v| &self.bytes[v.start as usize..v.end as usize]);
            (
                &*self.spaces[usize::from(e.space)],
                &self.bytes[e.key.start as usize..e.key.end as usize],
                value,
            )
        })
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        assert!(
            self.bytes.len() <= COMMIT_BYTES_MAX,
            "a batch of views outgrew its buffer"
        );
        start as u32..self.bytes.len() as u32
    }
}

/// Writes into one space of a batch.
#[derive(Debug)]
pub struct Put<'a> {
    batch: &'a mut Batch,
    space: u16,
}

impl Put<'_> {
    /// Sets a key.
    pub fn set(&mut self, key: &[u8], value: &[u8]) {
        let key = self.batch.keep(key);
        let value = Some(self.batch.keep(value));
        self.batch.entries.push(Entry {
            space: self.space,
            key,
            value,
        });
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: &[u8]) {
        let key = self.batch.keep(key);
        self.batch.entries.push(Entry {
            space: self.space,
            key,
            value: None,
        });
    }
}

/// One space of a store, to be read.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    pub(crate) store: &'a dyn ViewStore,
    pub(crate) space: &'a str,
}

impl Stored<'_> {
    /// One value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.get(self.space, key)
    }

    /// Visits a range of keys, in order.
    pub fn scan(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        self.store.scan(self.space, from, to, visit)
    }
}
