//! What the crowd counts and how long it waited: counters, refusals by code, latencies as histograms. Cheap enough to be
//! told of every publication on thousands of sockets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::crowd::books::Violations;
use crate::crowd::report::Quantiles;

/// Longest time that a histogram tells apart.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Kinds of publications and methods are the protocol's: few. More than this many names are counted as one.
const NAMES_MAX: usize = 64;

/// What the crowd did and saw so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Sockets that are connected now.
    pub connected: AtomicU64,
    /// Connections made, the first ones and those after a loss.
    pub connections: AtomicU64,
    /// Connections refused or failed.
    pub turned_away: AtomicU64,
    /// Subscriptions that asked for what they missed and got it.
    pub recovered: AtomicU64,
    /// Subscriptions that asked and did not.
    pub not_recovered: AtomicU64,
    /// Durable publications that came by recovery.
    pub recovered_publications: AtomicU64,
    /// Chat messages acknowledged.
    pub chats: AtomicU64,
    /// Gift commands acknowledged; a combo has many.
    pub gifts: AtomicU64,
    /// Coins of acknowledged gifts.
    pub coins: AtomicU64,
    /// Publications that arrived, of all classes.
    pub publications: AtomicU64,
    /// Commands refused.
    pub refused: AtomicU64,
    /// Publications that the server said it had left out, of the ephemeral and the state class.
    pub skipped: [AtomicU64; 2],
    pub(super) kinds: Mutex<BTreeMap<String, u64>>,
    pub(super) refusals: Mutex<BTreeMap<u64, u64>>,
    pub(super) violations: Violations,
    acks_us: Mutex<BTreeMap<String, Histogram<u64>>>,
    broadcast_us: Mutex<Option<Histogram<u64>>>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_US_MAX, 3).expect("the bounds are valid")
}

impl Tally {
    /// A command was answered with a result after this long.
    pub(super) fn acknowledged(&self, method: &str, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(LATENCY_US_MAX);
        let mut acks = self.acks_us.lock();
        if let Some(known) = acks.get_mut(method) {
            known.saturating_record(us);
        } else if acks.len() < NAMES_MAX {
            let mut first = histogram();
            first.saturating_record(us);
            acks.insert(method.to_owned(), first);
        }
    }

    /// A durable publication came this long after the server wrote it.
    pub(super) fn broadcast(&self, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(LATENCY_US_MAX);
        self.broadcast_us
            .lock()
            .get_or_insert_with(histogram)
            .saturating_record(us);
    }

    /// A command was refused.
    pub(super) fn refused_with(&self, code: u64) {
        add(&self.refused, 1);
        let mut refusals = self.refusals.lock();
        if refusals.len() < NAMES_MAX || refusals.contains_key(&code) {
            *refusals.entry(code).or_default() += 1;
        }
    }

    /// A publication of this type arrived.
    pub(super) fn heard(&self, kind: &str) {
        add(&self.publications, 1);
        let mut kinds = self.kinds.lock();
        if let Some(count) = kinds.get_mut(kind) {
            *count += 1;
        } else if kinds.len() < NAMES_MAX {
            kinds.insert(kind.to_owned(), 1);
        }
    }

    /// How long answers took, by method.
    pub(super) fn acks(&self) -> BTreeMap<String, Quantiles> {
        let acks = self.acks_us.lock();
        acks.iter()
            .map(|(method, us)| (method.clone(), Quantiles::of(us)))
            .collect()
    }

    /// How long publications took from the server's clock to the socket.
    pub(super) fn broadcasts(&self) -> Option<Quantiles> {
        self.broadcast_us.lock().as_ref().map(Quantiles::of)
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let gift_ms = self
            .acks_us
            .lock()
            .get("gift.send")
            .map_or(0.0, |us| ms(us.value_at_quantile(0.99)));
        let (violations, _) = self.violations.read();
        let mut line = format!(
            "{} sockets, {} chats, {} gift commands (p99 {gift_ms:.1} ms), {} publications received, {} refused",
            of(&self.connected),
            of(&self.chats),
            of(&self.gifts),
            of(&self.publications),
            of(&self.refused),
        );
        if violations > 0 {
            line.push_str(&format!(", {violations} VIOLATIONS"));
        }
        line
    }
}

/// Microseconds as milliseconds.
pub(super) fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
