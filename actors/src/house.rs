//! What every actor of one process shares. It holds the only writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Catalogue;
use domain::streamer::PayoutTerms;
use journal::{Reader, Writer};
use parking_lot::RwLock;

use crate::message_rates::MessageRates;
use crate::{BlockDirectory, LiveDirectory, Stats};

/// Tells the server's time, unix ms. It may jump: nobody relies on it not to.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What is decided by beside the state: what can be bought, and how tickets are paid out.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The gifts on offer at first. What the catalogue's actor says afterwards takes its place.
    pub catalogue: Arc<Catalogue>,
    /// How tickets are paid out.
    pub payouts: PayoutTerms,
}

impl From<Arc<Catalogue>> for Terms {
    /// These gifts, and tickets paid out as by default.
    fn from(catalogue: Arc<Catalogue>) -> Self {
        Self {
            catalogue,
            payouts: PayoutTerms::default(),
        }
    }
}

/// The journal's two powers, the clock, the terms, and what actors tell of themselves.
pub struct House {
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) writer: Arc<dyn Writer>,
    catalogue: RwLock<Arc<Catalogue>>,
    pub(crate) payouts: PayoutTerms,
    pub(crate) clock: Clock,
    pub(crate) live: LiveDirectory,
    pub(crate) blocks: BlockDirectory,
    pub(crate) message_rates: MessageRates,
    pub(crate) stats: Stats,
    closing: AtomicBool,
}

impl House {
    /// A house over a journal.
    pub fn new(
        reader: Arc<dyn Reader>,
        writer: Arc<dyn Writer>,
        terms: impl Into<Terms>,
        clock: Clock,
    ) -> Self {
        let Terms { catalogue, payouts } = terms.into();
        let (live, blocks) = (LiveDirectory::default(), BlockDirectory::default());
        let (stats, closing) = (Stats::default(), AtomicBool::new(false));
        Self {
            reader,
            writer,
            catalogue: RwLock::new(catalogue),
            payouts,
            clock,
            live,
            blocks,
            message_rates: MessageRates::default(),
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

    /// Who blocks whom, as far as is known.
    pub fn blocks(&self) -> &BlockDirectory {
        &self.blocks
    }

    /// The gifts on offer now.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.read().clone()
    }

    pub(crate) fn offer(&self, change: impl FnOnce(&mut Catalogue)) {
        change(Arc::make_mut(&mut self.catalogue.write()));
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}
