//! Snapshots beside the journal: a shortcut, never a source. They may be lost at any time and are then replayed.
//!
//! One is kept only when the record it stands at is durable, and handed out only if its digest is right, which covers
//! the journal's id, the stream and that very record: so it can stand for no other history. The store's own trouble
//! (full, corrupt, slow) is never the journal's.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use domain::StreamId;

use crate::frame::{u16_at, u64_at};
use crate::limits::{SNAPSHOT_QUEUE_BYTES_MAX, SNAPSHOT_QUEUE_MAX};
use crate::{JournalId, Position, Record, Result, Snapshot};

use super::shared::Shared;

const HEAD_BYTES: usize = 8 + 2 + 8 + 2 + 32;
/// How long a snapshot whose record is not yet durable waits before it is looked at again.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Where snapshots are kept, as bytes by stream.
pub(crate) trait SnapshotStore: Send + Sync {
    /// The last one kept under a key; none when it cannot be had for any reason.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// Keeps some; may fail or lose them.
    fn put(&self, entries: Vec<(Vec<u8>, Vec<u8>)>);
    /// Lets go of what is open; afterwards there are no snapshots.
    fn close(&self) {}
}

/// In memory, for simulated storage.
#[derive(Default)]
pub(crate) struct MemorySnapshots(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl MemorySnapshots {
    /// Loses all of them.
    pub(crate) fn lose(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Flips a bit of one of them; says whether there was one.
    pub(crate) fn flip_bit(&self, at: usize) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let which = at % kept.len().max(1);
        let Some(bytes) = kept.values_mut().nth(which) else {
            return false;
        };
        let bit = at % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        true
    }
}

impl SnapshotStore for MemorySnapshots {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    fn put(&self, entries: Vec<(Vec<u8>, Vec<u8>)>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(entries);
    }
}

/// No snapshots: those of a journal that is only read.
pub(crate) struct NoSnapshots;

impl SnapshotStore for NoSnapshots {
    fn get(&self, _key: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn put(&self, _entries: Vec<(Vec<u8>, Vec<u8>)>) {}
}

/// On disk, in an embedded key-value store of its own directory. What is kept is given to the operating system at once: a
/// killed process loses nothing, a loss of power may lose the latest.
pub(crate) struct DiskSnapshots(RwLock<Option<(fjall::Database, fjall::Keyspace)>>);

const CACHE_BYTES: u64 = 16 << 20;
const MEMTABLE_BYTES: u64 = 8 << 20;

impl DiskSnapshots {
    /// Opens the store; a damaged one is thrown away and made anew. (Nobody else has it: the journal's lock is held.)
    ///
    /// # Errors
    /// What the operating system refuses, such as space on a full disk: then nothing is thrown away.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        Self::try_open(dir).or_else(|trouble| match trouble {
            Trouble::System(error) => Err(error),
            Trouble::Damage(what) => {
                tracing::warn!(
                    what,
                    "the snapshot store is damaged and is made anew: actors replay from the journal"
                );
                std::fs::remove_dir_all(dir)?;
                Self::try_open(dir).map_err(|trouble| match trouble {
                    Trouble::System(error) => error,
                    Trouble::Damage(what) => io::Error::other(what),
                })
            }
        })
    }

    fn try_open(dir: &Path) -> std::result::Result<Self, Trouble> {
        let dir: PathBuf = dir.to_owned();
        let open = move || -> fjall::Result<Self> {
            let database = fjall::Database::builder(&dir)
                .cache_size(CACHE_BYTES)
                .worker_threads(1)
                .open()?;
            let options = || fjall::KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            let keyspace = database.keyspace("snapshots", options)?;
            Ok(Self(RwLock::new(Some((database, keyspace)))))
        };
        // A store that panics over its own files is as damaged as one that reports it.
        match std::panic::catch_unwind(open) {
            Ok(opened) => opened.map_err(Trouble::of),
            Err(_) => Err(Trouble::Damage("it panicked over its own files".into())),
        }
    }
}

/// Why a store did not open.
#[derive(Debug)]
enum Trouble {
    /// Its files are not what they must be: it can be made anew.
    Damage(String),
    /// The operating system refused something that says nothing about the files.
    System(io::Error),
}

impl Trouble {
    fn of(error: fjall::Error) -> Self {
        use io::ErrorKind::{
            AlreadyExists, InvalidData, IsADirectory, NotADirectory, NotFound, UnexpectedEof,
        };
        let (fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) = error else {
            return Self::Damage(error.to_string());
        };
        match error.kind() {
            AlreadyExists | InvalidData | IsADirectory | NotADirectory | NotFound | UnexpectedEof => {
                Self::Damage(error.to_string())
            }
            _ => Self::System(error),
        }
    }
}

impl SnapshotStore for DiskSnapshots {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (_, keyspace) = open.as_ref()?;
        keyspace.get(key).ok().flatten().map(|value| value.to_vec())
    }

    fn put(&self, entries: Vec<(Vec<u8>, Vec<u8>)>) {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some((database, keyspace)) = open.as_ref() else {
            return;
        };
        // A batch made so is given to the system when it is committed.
        let mut batch = database.batch();
        for (key, value) in entries {
            batch.insert(keyspace, key, value);
        }
        if let Err(error) = batch.commit() {
            tracing::warn!(%error, "snapshots could not be kept");
        }
    }

    fn close(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn key_of(stream: &StreamId) -> Vec<u8> {
    let mut key = vec![stream.kind as u8];
    key.extend(stream.key.as_bytes());
    key
}

/// The digest that ties a state to one record of one journal.
fn digest(journal: JournalId, record: &Record, schema: u16, state: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&journal.0.to_le_bytes());
    hasher
        .update(&[record.stream.kind as u8])
        .update(&(record.stream.key.len() as u64).to_le_bytes());
    hasher.update(record.stream.key.as_bytes());
    for number in [
        record.version,
        u64::from(record.position.shard),
        record.position.sequence,
    ] {
        hasher.update(&number.to_le_bytes());
    }
    hasher
        .update(&record.recorded_at_ms.to_le_bytes())
        .update(&(record.payload.len() as u64).to_le_bytes());
    hasher
        .update(&record.payload)
        .update(&schema.to_le_bytes())
        .update(state);
    *hasher.finalize().as_bytes()
}

fn encode(snapshot: &Snapshot, digest: &[u8; 32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + snapshot.state.len());
    bytes.extend(snapshot.version.to_le_bytes());
    bytes.extend(snapshot.position.shard.to_le_bytes());
    bytes.extend(snapshot.position.sequence.to_le_bytes());
    bytes.extend(snapshot.schema.to_le_bytes());
    bytes.extend(digest);
    bytes.extend_from_slice(&snapshot.state);
    bytes
}

fn decode(bytes: Vec<u8>) -> Option<(Snapshot, [u8; 32])> {
    if bytes.len() < HEAD_BYTES {
        return None;
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(&bytes[20..HEAD_BYTES]);
    let position = Position {
        shard: u16_at(&bytes, 8),
        sequence: u64_at(&bytes, 10),
    };
    let (version, schema) = (u64_at(&bytes, 0), u16_at(&bytes, 18));
    Some((
        Snapshot {
            version,
            position,
            schema,
            state: Bytes::from(bytes).slice(HEAD_BYTES..),
        },
        digest,
    ))
}

/// The record that a snapshot stands at, if it is durable and stands where the snapshot says.
fn record_of(shared: &Shared, stream: &StreamId, snapshot: &Snapshot) -> Result<Option<Record>> {
    let Some(before) = snapshot.version.checked_sub(1) else {
        return Ok(None);
    };
    if snapshot.position.sequence > shared.head() {
        return Ok(None);
    }
    let mut records = shared.stream(stream, before, snapshot.position.sequence, 1)?;
    let there = |r: &Record| r.version == snapshot.version && r.position == snapshot.position;
    Ok(records.pop().filter(there))
}

/// The last trustworthy snapshot of a stream.
pub(crate) fn load(shared: &Shared, stream: &StreamId) -> Result<Option<Snapshot>> {
    let Some((snapshot, wanted)) = shared.snapshots.get(&key_of(stream)).and_then(decode) else {
        return Ok(None);
    };
    // A damaged snapshot may name a place where other records stand: that is its own trouble. Trouble of the journal
    // itself is met again by the replay that follows.
    let Ok(Some(record)) = record_of(shared, stream, &snapshot) else {
        return Ok(None);
    };
    let right = digest(shared.id, &record, snapshot.schema, &snapshot.state) == wanted;
    Ok(right.then_some(snapshot))
}

/// Snapshots on their way into the store: the newest of each stream, bounded; what does not fit is dropped.
#[derive(Default)]
pub(crate) struct Keeper {
    state: Mutex<KeeperState>,
    ready: Condvar,
}

#[derive(Default)]
struct KeeperState {
    waiting: HashMap<StreamId, Snapshot, foldhash::fast::RandomState>,
    bytes: usize,
    closed: bool,
}

impl Keeper {
    fn lock(&self) -> MutexGuard<'_, KeeperState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn save(&self, stream: &StreamId, snapshot: Snapshot) {
        let mut state = self.lock();
        let bytes = snapshot.state.len() + HEAD_BYTES;
        if state.waiting.len() >= SNAPSHOT_QUEUE_MAX || state.bytes + bytes > SNAPSHOT_QUEUE_BYTES_MAX {
            return;
        }
        let known = state
            .waiting
            .get(stream)
            .map(|s| (s.version, s.state.len() + HEAD_BYTES));
        if let Some((version, bytes)) = known {
            if version >= snapshot.version {
                return;
            }
            state.bytes -= bytes;
        }
        state.bytes += bytes;
        state.waiting.insert(stream.clone(), snapshot);
        let first = state.waiting.len() == 1;
        drop(state);
        if first {
            self.ready.notify_one();
        }
    }

    /// Keeps those that wait and whose record is durable; says how many.
    pub(crate) fn keep(&self, shared: &Shared) -> usize {
        let head = shared.head();
        let ripe: Vec<_> = {
            let mut state = self.lock();
            let ripe: Vec<_> = state
                .waiting
                .extract_if(|_, s| s.position.sequence <= head)
                .collect();
            state.bytes -= ripe
                .iter()
                .map(|(_, s)| s.state.len() + HEAD_BYTES)
                .sum::<usize>();
            ripe
        };
        let entries: Vec<_> = ripe
            .iter()
            .filter_map(|(stream, snapshot)| {
                let record = record_of(shared, stream, snapshot).ok().flatten()?;
                let digest = digest(shared.id, &record, snapshot.schema, &snapshot.state);
                Some((key_of(stream), encode(snapshot, &digest)))
            })
            .collect();
        let kept = entries.len();
        if kept > 0 {
            shared.snapshots.put(entries);
        }
        kept
    }

    /// Keeps what comes until the keeper is closed.
    pub(crate) fn run(&self, shared: &Shared) {
        loop {
            let kept = self.keep(shared);
            let state = self.lock();
            if state.closed {
                return;
            }
            if state.waiting.is_empty() {
                drop(
                    self.ready
                        .wait_while(state, |s| s.waiting.is_empty() && !s.closed),
                );
            } else if kept == 0 {
                drop(self.ready.wait_timeout_while(state, RETRY_AFTER, |s| !s.closed));
            }
        }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of a directory as the operating system has it: what a killed process leaves.
    fn left_behind(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("a directory");
        for entry in std::fs::read_dir(from).expect("a directory") {
            let entry = entry.expect("an entry");
            let (path, copy) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() {
                left_behind(&path, &copy);
            } else {
                std::fs::copy(path, copy).expect("a file");
            }
        }
    }

    #[test]
    fn what_was_kept_survives_a_killed_process() {
        let dir = tempfile::tempdir().expect("a directory");
        let (store, copy) = (dir.path().join("store"), dir.path().join("copy"));
        let open = DiskSnapshots::open(&store).expect("an empty directory");
        open.put(vec![(b"ann".to_vec(), b"state".to_vec())]);
        left_behind(&store, &copy);
        let found = DiskSnapshots::open(&copy).expect("a good store").get(b"ann");
        assert_eq!(found.as_deref(), Some(&b"state"[..]));
    }

    #[test]
    fn a_full_disk_is_no_damage() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for error in [
            fjall::Error::Io(full()),
            fjall::Error::Storage(fjall::LsmError::Io(full())),
        ] {
            let trouble = Trouble::of(error);
            assert!(
                matches!(&trouble, Trouble::System(e) if e.kind() == io::ErrorKind::StorageFull),
                "{trouble:?}"
            );
        }
        let short = fjall::Error::Io(io::ErrorKind::UnexpectedEof.into());
        assert!(matches!(Trouble::of(short), Trouble::Damage(_)));
    }

    #[test]
    fn what_the_system_refuses_throws_nothing_away() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = dir.path().join("store");
        std::os::unix::fs::symlink(&store, &store).expect("a link to itself");
        assert!(DiskSnapshots::open(&store).is_err());
        assert!(store.is_symlink());
    }
}
