//! What a scene comes to: figures for machines and for people, and whether everything held.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::crowd::tally::{Tally, ms};

/// Where most, and where the slowest of something lie, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Quantiles {
    count: u64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl Quantiles {
    pub(super) fn of(us: &Histogram<u64>) -> Self {
        let at = |quantile| ms(us.value_at_quantile(quantile));
        Self {
            count: us.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(us.max()),
        }
    }
}

/// One time that all sockets were cut.
#[derive(Debug, Clone, Serialize)]
pub struct Storm {
    /// Sockets that were cut.
    pub sockets: u64,
    /// Until the last was back in its room and had seen everything; none if that took too long.
    pub all_back_ms: Option<u64>,
}

/// Everything about one evening of a crowd.
#[derive(Debug, Serialize)]
pub struct Report {
    scene: &'static str,
    seconds: f64,
    rooms: usize,
    viewers: usize,
    connections: u64,
    turned_away: u64,
    storms: Vec<Storm>,
    recovered: u64,
    not_recovered: u64,
    recovered_publications: u64,
    /// Answers by method.
    acks: BTreeMap<String, Quantiles>,
    /// From the server's clock at writing to the client's at reading, of durable publications.
    broadcast: Option<Quantiles>,
    /// Publications received, by type.
    received: BTreeMap<String, u64>,
    /// What the server said it left out.
    skipped: BTreeMap<&'static str, u64>,
    /// Refusals by code.
    refusals: BTreeMap<u64, u64>,
    chats: u64,
    gifts: u64,
    coins: u64,
    /// Positions that the rooms' watchers saw, each checked on every watcher.
    durable_publications: u64,
    /// Purses that were compared with the server's.
    purses_checked: u64,
    violations: u64,
    /// The first of them in words.
    violations_are: Vec<String>,
}

/// What a report needs besides the tally.
pub(super) struct Evening {
    pub scene: &'static str,
    pub seconds: f64,
    pub rooms: usize,
    pub viewers: usize,
    pub storms: Vec<Storm>,
    pub durable_publications: u64,
    pub purses_checked: u64,
}

impl Report {
    pub(super) fn of(evening: Evening, tally: &Tally) -> Self {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (violations, violations_are) = tally.violations.read();
        let skipped = ["ephemeral", "state"]
            .into_iter()
            .zip(tally.skipped.iter().map(of));
        Self {
            scene: evening.scene,
            seconds: evening.seconds,
            rooms: evening.rooms,
            viewers: evening.viewers,
            connections: of(&tally.connections),
            turned_away: of(&tally.turned_away),
            storms: evening.storms,
            recovered: of(&tally.recovered),
            not_recovered: of(&tally.not_recovered),
            recovered_publications: of(&tally.recovered_publications),
            acks: tally.acks(),
            broadcast: tally.broadcasts(),
            received: tally.kinds.lock().clone(),
            skipped: skipped.collect(),
            refusals: tally.refusals.lock().clone(),
            chats: of(&tally.chats),
            gifts: of(&tally.gifts),
            coins: of(&tally.coins),
            durable_publications: evening.durable_publications,
            purses_checked: evening.purses_checked,
            violations,
            violations_are,
        }
    }

    /// Whether everything held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations == 0
    }

    /// For people: a few lines.
    #[must_use]
    pub fn words(&self) -> String {
        let mut lines = vec![format!(
            "{}: {} viewers in {} rooms for {:.0} s; {} connections, {} chats, {} gift commands for {} coins",
            self.scene,
            self.viewers,
            self.rooms,
            self.seconds,
            self.connections,
            self.chats,
            self.gifts,
            self.coins
        )];
        for (method, took) in &self.acks {
            let Quantiles {
                count,
                p50_ms,
                p99_ms,
                max_ms,
                ..
            } = took;
            lines.push(format!("  {method:<22} {count:>8}   p50 {p50_ms:>8.1} ms   p99 {p99_ms:>8.1} ms   max {max_ms:>8.1} ms"));
        }
        if let Some(Quantiles {
            count,
            p50_ms,
            p99_ms,
            max_ms,
            ..
        }) = &self.broadcast
        {
            lines.push(format!(
                "  {:<22} {count:>8}   p50 {p50_ms:>8.1} ms   p99 {p99_ms:>8.1} ms   max {max_ms:>8.1} ms",
                "broadcast"
            ));
        }
        let joined = |counts: Vec<String>| {
            if counts.is_empty() {
                "none".to_owned()
            } else {
                counts.join(", ")
            }
        };
        lines.push(format!(
            "received: {}",
            joined(
                self.received
                    .iter()
                    .map(|(kind, n)| format!("{n} {kind}"))
                    .collect()
            )
        ));
        let lost = self
            .skipped
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(class, n)| format!("{n} {class}"));
        lines.push(format!("left out by the server: {}", joined(lost.collect())));
        lines.push(format!(
            "refused: {}",
            joined(
                self.refusals
                    .iter()
                    .map(|(code, n)| format!("{n} x {code}"))
                    .collect()
            )
        ));
        for Storm { sockets, all_back_ms } in &self.storms {
            lines.push(match all_back_ms {
                Some(ms) => format!(
                    "storm: {sockets} sockets cut, all back and complete after {:.1} s",
                    *ms as f64 / 1_000.0
                ),
                None => format!("storm: {sockets} sockets cut, NOT all back in time"),
            });
        }
        if self.recovered + self.not_recovered > 0 {
            lines.push(format!(
                "recovered: {} subscriptions with {} publications; {} could not be",
                self.recovered, self.recovered_publications, self.not_recovered
            ));
        }
        let checked = format!(
            "{} durable publications, each exactly once and in order on every watcher; {} purses add up",
            self.durable_publications, self.purses_checked
        );
        if self.holds() {
            lines.push(format!("checked: {checked}"));
        } else {
            lines.push(format!("{} VIOLATIONS of: {checked}", self.violations));
            lines.extend(self.violations_are.iter().map(|words| format!("  {words}")));
        }
        lines.join("\n")
    }
}
