//! Public numbers: what the gateway did since it started. Only ever grow, except the two gauges. No metrics library
//! here: the embedder reads and names them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::batch::Rank;
use crate::door::Turned;

/// Counters and gauges of one hub and its sockets.
#[derive(Debug, Default)]
pub struct Stats {
    /// Gauge: open sockets, whether or not they have sent `connect`.
    pub connections: AtomicU64,
    /// Gauge: subscriptions being opened or open.
    pub subscriptions: AtomicU64,
    /// Sockets accepted.
    pub connections_opened: AtomicU64,
    /// Questions put to the backend.
    pub backend_calls: AtomicU64,
    /// WebSocket messages received.
    pub messages_received: AtomicU64,
    /// WebSocket messages handed to the transport.
    pub messages_sent: AtomicU64,
    /// Payload bytes handed to the transport, framing apart.
    pub bytes_sent: AtomicU64,
    /// Publications taken by `publish`.
    pub published: AtomicU64,
    /// Frames made of them: what a channel said within a tick, once however many formats and readers.
    pub ticks: AtomicU64,
    /// Copies of publications queued to sockets.
    pub deliveries: AtomicU64,
    /// Ephemeral copies dropped because a reader was slow.
    pub lost_ephemeral: AtomicU64,
    /// State copies replaced by a newer one before they were sent (no loss) ...
    pub conflated_state: AtomicU64,
    /// ... or dropped because not even the reserve had room.
    pub lost_state: AtomicU64,
    /// Subscriptions given up because durable copies did not fit; their SDKs recover.
    pub lost_durable_subscriptions: AtomicU64,
    /// Times a channel said more at once than waits for its fan-out, so that all its subscriptions were given up.
    pub lapsed_channels: AtomicU64,
    /// Connections closed because of a full outbox (3008 and 3010).
    pub closed_slow: AtomicU64,
    /// Connections closed because of a protocol violation (1002, 1009, 3501).
    pub closed_malformed: AtomicU64,
    /// Connections closed because they went on asking more than they may (3013).
    pub closed_flooding: AtomicU64,
    /// Commands answered with error 111 because the connection asked more than it may.
    pub commands_throttled: AtomicU64,
    /// Connections turned away: the server goes down, or is full ...
    pub turned_full: AtomicU64,
    /// ... or more came at once than are let in ...
    pub turned_storm: AtomicU64,
    /// ... or their address had its share ...
    pub turned_address: AtomicU64,
    /// ... or the page was of an origin that is not listed.
    pub turned_origin: AtomicU64,
    /// Connections closed without a valid connect command in time (3502) or a pong (3012).
    pub closed_silent: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        if amount > 0 {
            counter.fetch_add(amount, Relaxed);
        }
    }

    pub(crate) fn sub(gauge: &AtomicU64, amount: u64) {
        gauge.fetch_sub(amount, Relaxed);
    }

    pub(crate) fn closed(&self, code: u16) {
        let counter = match code {
            3008 | 3010 => &self.closed_slow,
            1002 | 1009 | 3501 => &self.closed_malformed,
            3012 | 3502 => &self.closed_silent,
            3013 => &self.closed_flooding,
            _ => return,
        };
        Self::add(counter, 1);
    }

    pub(crate) fn turned(&self, why: Turned) {
        let counter = match why {
            Turned::Draining | Turned::Full => &self.turned_full,
            Turned::Storm => &self.turned_storm,
            Turned::AddressFull | Turned::AddressStorm => &self.turned_address,
            Turned::Origin => &self.turned_origin,
        };
        Self::add(counter, 1);
    }

    pub(crate) fn losses(&self, losses: &Losses) {
        Self::add(&self.lost_ephemeral, losses.ephemeral);
        Self::add(&self.lost_state, losses.state);
        Self::add(&self.conflated_state, losses.conflated);
    }
}

/// What became of copies in one operation on outboxes, by class. Durable ones are never lost singly: their subscription
/// goes, and is counted there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) ephemeral: u64,
    pub(crate) state: u64,
    pub(crate) conflated: u64,
}

impl Losses {
    pub(crate) fn count(&mut self, rank: Rank) {
        self.count_copies(rank, 1);
    }

    pub(crate) fn count_copies(&mut self, rank: Rank, copies: u64) {
        match rank {
            Rank::Trifle | Rank::Ephemeral => self.ephemeral += copies,
            Rank::State => self.state += copies,
            Rank::Durable => {}
        }
    }
}
