//! What all people of one crowd share: the plan, the books of the rooms, the price list, the time of the evening, and who was
//! muted or banned by whom.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::{OnceCell, watch};

use crate::crowd::books::RoomBook;
use crate::crowd::watcher::Watcher;
use crate::crowd::{Client, Dev, Plan, RpcError, Tally};

/// Sockets that come from one loopback address: it has ports for a good 28,000.
const SOCKETS_PER_ADDRESS: usize = 4_000;

/// The time of the evening; it only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everybody does what they came for.
    Open,
    /// Nobody begins anything; viewers compare their purses.
    LastRound,
    /// Streamers compare their tickets.
    Counting,
    /// Everybody goes home.
    Closed,
}

/// A gift of the server's list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Gift {
    pub id: String,
    pub coins: u64,
    pub tickets: u64,
}

/// What the people of one crowd share.
pub(super) struct Stage {
    pub plan: Plan,
    pub tally: Arc<Tally>,
    pub dev: Dev,
    pub began: Instant,
    pub phase: watch::Receiver<Phase>,
    pub cut: watch::Receiver<u64>,
    /// People that have compared their purses, by the phase in which they did.
    pub viewers_done: AtomicU64,
    pub streamers_done: AtomicU64,
    pub purses_checked: AtomicU64,
    /// Everybody's eyes.
    pub watchers: Mutex<Vec<Arc<Watcher>>>,
    pub sanctions: Mutex<Sanctions>,
    books: Mutex<BTreeMap<String, Arc<RoomBook>>>,
    /// Tickets of acknowledged gifts, by room.
    tickets: Mutex<HashMap<String, u64>>,
    gifts: OnceCell<Vec<Gift>>,
}

/// Who was muted or banned, once the server has acknowledged it, by room and user.
#[derive(Debug, Default)]
pub(super) struct Sanctions {
    pub muted: HashSet<(String, String)>,
    pub banned: HashSet<(String, String)>,
}

impl Stage {
    pub fn new(
        plan: Plan,
        tally: Arc<Tally>,
        phase: watch::Receiver<Phase>,
        cut: watch::Receiver<u64>,
    ) -> Self {
        Self {
            dev: Dev {
                server: plan.server.clone(),
            },
            plan,
            tally,
            began: Instant::now(),
            phase,
            cut,
            viewers_done: AtomicU64::new(0),
            streamers_done: AtomicU64::new(0),
            purses_checked: AtomicU64::new(0),
            watchers: Mutex::default(),
            sanctions: Mutex::default(),
            books: Mutex::default(),
            tickets: Mutex::default(),
            gifts: OnceCell::new(),
        }
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// The book of a room.
    pub fn book(&self, room: &str) -> Arc<RoomBook> {
        self.books.lock().entry(room.to_owned()).or_default().clone()
    }

    /// All rooms' books.
    pub fn books(&self) -> Vec<(String, Arc<RoomBook>)> {
        let books = self.books.lock();
        books
            .iter()
            .map(|(room, book)| (room.clone(), book.clone()))
            .collect()
    }

    /// A gift of this many tickets was acknowledged in a room.
    pub fn earned(&self, room: &str, tickets: u64) {
        *self.tickets.lock().entry(room.to_owned()).or_default() += tickets;
    }

    /// Tickets of all acknowledged gifts in a room.
    pub fn tickets(&self, room: &str) -> u64 {
        self.tickets.lock().get(room).copied().unwrap_or(0)
    }

    /// The price list, asked for once.
    pub async fn gifts(&self, client: &Client) -> Result<&[Gift], RpcError> {
        #[derive(Deserialize)]
        struct Catalog {
            gifts: Vec<Gift>,
        }
        let ask = || async {
            let answer = client.rpc("gift.catalog", serde_json::json!({})).await?;
            let catalog: Catalog = serde_json::from_value(answer).map_err(|_| RpcError::Gone)?;
            Ok(catalog.gifts)
        };
        Ok(self.gifts.get_or_try_init(ask).await?.as_slice())
    }

    /// The loopback address that the nth socket comes from.
    pub fn source(n: usize) -> Option<Ipv4Addr> {
        let last = u8::try_from(1 + n / SOCKETS_PER_ADDRESS).ok()?;
        Some(Ipv4Addr::new(127, 0, 0, last))
    }
}
