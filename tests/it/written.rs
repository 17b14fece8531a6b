//! A journal that is written event by event, with its own clock, for what no server of today does by itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;

use domain::{Event, StreamId};
use journal::embedded::{Embedded, EmbeddedReader, EmbeddedWriter, Options};
use journal::{Append, Cause, Expected, Writer};
use tempfile::TempDir;

/// 2026-11-27T00:00:00 in the platform's default time zone.
pub(crate) const DAY_MS: i64 = 1_795_708_800_000;
pub(crate) const DAY: &str = "2026-11-27";
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// A data directory whose journal is being written.
pub(crate) struct Written {
    pub(crate) dir: TempDir,
    pub(crate) reader: EmbeddedReader,
    writer: EmbeddedWriter,
    clock: Arc<AtomicI64>,
}

impl Written {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // A journal's time never goes back behind its beginning.
        let clock = Arc::new(AtomicI64::new(DAY_MS - 48 * HOUR_MS));
        let now = clock.clone();
        let options = Options {
            clock: Arc::new(move || now.load(Ordering::Relaxed)),
            ..Options::default()
        };
        let (reader, writer) = Embedded::open(dir.path().join("journal"), options).expect("a journal");
        Self {
            dir,
            reader,
            writer,
            clock,
        }
    }

    /// Sets the clock, in ms after [`DAY_MS`].
    pub(crate) fn at(&self, after_ms: i64) -> &Self {
        self.clock.store(DAY_MS + after_ms, Ordering::Relaxed);
        self
    }

    /// Appends events to a stream in one piece; the position of the first.
    pub(crate) fn write(&self, stream: &str, actor: &str, id: Option<&str>, events: Vec<Event>) -> u64 {
        let append = Append {
            stream: stream.parse::<StreamId>().expect("a stream"),
            expected: Expected::Any,
            epoch: self.writer.epoch(),
            cause: Cause {
                command_id: id.map(Into::into),
                request_hash: id.map_or(0, |_| 0xbeef),
                actor: actor.into(),
            },
            events,
        };
        let (told, outcome) = channel();
        let done = Box::new(move |outcome| _ = told.send(outcome));
        assert!(self.writer.append(append, done).is_ok(), "the queue is full");
        let appended = outcome.recv().expect("a completion").expect("appended");
        appended.first.sequence
    }

    pub(crate) fn data(&self) -> &Path {
        self.dir.path()
    }
}

/// An event from its JSON fields, which are those of the journal's own.
macro_rules! event {
    ($kind:ident { $($field:tt)* }) => {
        domain::Event::from(
            serde_json::from_value::<domain::event::$kind>(serde_json::json!({ $($field)* })).expect("an event")
        )
    };
}
pub(crate) use event;
