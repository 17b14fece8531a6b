//! What every actor of one process shares. It holds the only writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Catalogue;
use journal::{Reader, Writer};

use crate::{LiveDirectory, Stats};

/// Tells the server's time, unix ms. It may jump: nobody relies on it not to.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The journal's two powers, the clock, the catalogue, and what actors tell of themselves.
pub struct House {
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) writer: Arc<dyn Writer>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) clock: Clock,
    pub(crate) live: LiveDirectory,
    pub(crate) stats: Stats,
    closing: AtomicBool,
}

impl House {
    /// A house over a journal.
    pub fn new(
        reader: Arc<dyn Reader>,
        writer: Arc<dyn Writer>,
        catalogue: Arc<Catalogue>,
        clock: Clock,
    ) -> Self {
        let (live, stats, closing) = (LiveDirectory::default(), Stats::default(), AtomicBool::new(false));
        Self {
            reader,
            writer,
            catalogue,
            clock,
            live,
            stats,
            closing,
        }
    }

    /// The clock of the operating system.
    pub fn system_clock() -> Clock {
        Arc::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
        })
    }

    /// The public numbers.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Which rooms are live, as far as is known.
    pub fn live(&self) -> &LiveDirectory {
        &self.live
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}
