//! The journal in this process: segmented append-only files of our own, group commit, one writer.
//!
//! Nothing is acknowledged before its batch is written and synced, and a new segment not before its directory is. A
//! failed write or sync poisons the writer: no retry, no later acknowledgement. `docs/journal-format.md` has the bytes.

mod active;
mod buffers;
mod commands;
mod core;
mod filter;
mod indexing;
mod layout;
mod queue;
mod reader;
mod recover;
mod sealed;
mod segment;
mod shared;
mod snapshots;
mod stepper;
mod threads;
mod verified_walk;
mod verify;
mod walk;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::limits::{
    BATCH_APPENDS_MAX, QUEUE_APPENDS_MAX, QUEUE_BYTES_MAX, RECENT_BYTES_MAX, SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
use crate::storage::{Disk, Storage};
use crate::{Error, JournalId, Result};

use self::active::Hashing;
use self::buffers::Buffers;
use self::core::Core;
use self::queue::{Bounds, Queue};
use self::recover::{Birth, Recovered, Recovery};
use self::shared::Shared;
use self::snapshots::{DiskSnapshots, Keeper, MemorySnapshots, NoSnapshots, SnapshotStore};

pub use self::reader::EmbeddedReader;
pub use self::recover::Repairs;
pub use self::stepper::{SimSnapshots, Stepper};
pub use self::verified_walk::VerifiedWalk;
pub use self::verify::{Verified, verify, verify_storage};
pub use self::writer::EmbeddedWriter;

/// The server's clock: unix ms. It may jump; recorded times do not.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

const SNAPSHOT_DIR: &str = "snapshots";

/// How a journal is opened.
#[derive(Clone)]
pub struct Options {
    /// Size of a segment after which the next one is begun, in bytes; see [`crate::limits`] for its range.
    pub segment_bytes: u64,
    /// Bytes of the newest batches kept in memory.
    pub recent_bytes_max: usize,
    /// The clock.
    pub clock: Clock,
    /// The id of a journal that has to be made; none = random.
    pub new_id: Option<JournalId>,
    /// Appends that may wait for the writer; one more is refused. At most the limit of [`crate::limits`], as the next two.
    pub queue_appends_max: usize,
    /// Bytes of records that may wait for the writer; more are refused.
    pub queue_bytes_max: usize,
    /// Appends of one batch.
    pub batch_appends_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            recent_bytes_max: RECENT_BYTES_MAX,
            clock: Arc::new(system_clock_ms),
            new_id: None,
            queue_appends_max: QUEUE_APPENDS_MAX,
            queue_bytes_max: QUEUE_BYTES_MAX,
            batch_appends_max: BATCH_APPENDS_MAX,
        }
    }
}

impl Options {
    fn bounds(&self) -> Bounds {
        let full = Bounds::default();
        Bounds {
            appends_max: self.queue_appends_max.clamp(1, full.appends_max),
            bytes_max: self.queue_bytes_max.clamp(1, full.bytes_max),
            batch_appends_max: self.batch_appends_max.clamp(1, full.batch_appends_max),
            ..full
        }
    }
}

fn system_clock_ms() -> i64 {
    // A clock before 1970 counts as 1970.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// Opens embedded journals.
#[derive(Debug)]
pub struct Embedded;

impl Embedded {
    /// Opens the journal of a directory for reading and writing; makes it if the directory is empty or missing. Its
    /// threads run until the writer is closed or dropped.
    ///
    /// # Errors
    /// [`Error::Unusable`] when another process has the directory, or it holds something else (a journal of another
    /// format, a segment of another journal); [`Error::Damaged`] when acknowledged bytes are damaged or missing, naming
    /// file and offset; [`Error::Io`] when the operating system refuses something.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<(EmbeddedReader, EmbeddedWriter)> {
        let dir = dir.as_ref();
        let io = |source| Error::Io {
            path: dir.to_owned(),
            source: Arc::new(source),
        };
        let disk: Arc<dyn Storage> = Arc::new(Disk::create(dir).map_err(io)?);
        let opened = Opened::new(disk, &options, || {
            let path = dir.join(SNAPSHOT_DIR);
            let store = DiskSnapshots::open(&path).map_err(|source| Error::Io {
                path,
                source: Arc::new(source),
            })?;
            Ok(Arc::new(store))
        })?;
        opened.with_threads()
    }

    /// As [`Self::open`], over any storage, with threads; snapshots are kept in memory.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub fn open_storage(
        storage: Arc<dyn Storage>,
        options: Options,
    ) -> Result<(EmbeddedReader, EmbeddedWriter)> {
        Opened::new(storage, &options, || Ok(Arc::new(MemorySnapshots::default())))?.with_threads()
    }

    /// As [`Self::open_storage`], without threads: nothing is written until the stepper is told to. The same storage,
    /// options and calls give the same bytes.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub fn open_stepped(
        storage: Arc<dyn Storage>,
        options: Options,
    ) -> Result<(EmbeddedReader, EmbeddedWriter, Stepper)> {
        Self::open_stepped_with(storage, options, &SimSnapshots::default())
    }

    /// As [`Self::open_stepped`], with the snapshots of an earlier opening.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub fn open_stepped_with(
        storage: Arc<dyn Storage>,
        options: Options,
        snapshots: &SimSnapshots,
    ) -> Result<(EmbeddedReader, EmbeddedWriter, Stepper)> {
        Ok(Opened::new(storage, &options, || Ok(snapshots.0.clone()))?.with_stepper())
    }

    /// Opens the journal of a directory for reading only, as it is now: it takes no lock, writes nothing, and does not
    /// follow a server that goes on writing. While one runs, what it has durably written up to this moment is seen.
    /// There are no snapshots.
    ///
    /// # Errors
    /// As of [`Self::open`]; [`Error::Unusable`] also when there is no journal.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<EmbeddedReader> {
        Self::read_only(Arc::new(Disk::new(dir.as_ref())))
    }

    /// As [`Self::open_read_only`], over any storage.
    ///
    /// # Errors
    /// As of [`Self::open_read_only`].
    pub fn read_only(storage: Arc<dyn Storage>) -> Result<EmbeddedReader> {
        let Recovered {
            id, segments, end, ..
        } = Recovery::new(&storage, true).run(None)?;
        let head = end.next_sequence - 1;
        let shared = Shared::new(id, head, segments, RECENT_BYTES_MAX, Arc::new(NoSnapshots));
        shared.close();
        Ok(EmbeddedReader {
            shared: Arc::new(shared),
        })
    }
}

/// An opened journal, before anything runs.
struct Opened {
    lock: Box<dyn Send + Sync>,
    core: Core,
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    keeper: Arc<Keeper>,
    repairs: Repairs,
}

impl Opened {
    fn new(
        storage: Arc<dyn Storage>,
        options: &Options,
        snapshots: impl FnOnce() -> Result<Arc<dyn SnapshotStore>>,
    ) -> Result<Self> {
        let lock = storage.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => Error::Unusable {
                path: storage.path("."),
                what: "another process has this journal open: stop it first, or use another directory".into(),
            },
            _ => Error::Io {
                path: storage.path("lock"),
                source: Arc::new(error),
            },
        })?;
        let id = options
            .new_id
            .unwrap_or_else(|| JournalId(uuid::Uuid::new_v4().as_u128()));
        let birth = Birth {
            id,
            now_ms: (options.clock)(),
        };
        let Recovered {
            id,
            segments,
            end,
            repairs,
        } = Recovery::new(&storage, false).run(Some(birth))?;
        let Some(last) = segments.last().cloned() else {
            return Err(Error::Unusable {
                path: storage.path("."),
                what: "there is no segment".into(),
            });
        };
        let segment_bytes = options.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let head = end.next_sequence - 1;
        let buffers = Arc::<Buffers>::default();
        let clock = options.clock.clone();
        let mut core = Core::new(storage, last, end, segment_bytes, clock, buffers.clone());
        core.open_epoch()?;
        let shared = Arc::new(Shared::new(
            id,
            head,
            segments,
            options.recent_bytes_max,
            snapshots()?,
        ));
        core.attach(&shared);
        Ok(Self {
            lock,
            core,
            shared,
            queue: Arc::new(Queue::new(options.bounds(), Hashing::of(id), buffers)),
            keeper: Arc::default(),
            repairs,
        })
    }

    fn reader(&self) -> EmbeddedReader {
        EmbeddedReader {
            shared: self.shared.clone(),
        }
    }
}
