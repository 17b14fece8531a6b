//! A server for the Centrifuge client protocol, JSON and Protobuf over WebSocket. It knows users, channels and
//! publications; it knows no business, no rooms and no money, and it never will: those are behind [`Backend`].
//!
//! An embedder makes a [`Hub`], writes a [`Backend`], joins both in a [`Gateway`] and serves it with [`ws::Front`].
//! Publishers keep the `Arc<Hub>` and call [`Hub::publish`]; whoever kicks, counts or stops uses the same hub.
//!
//! ```text
//! socket -> ws (transport) -> connection -> session (sans-IO: bytes in, effects out) -> Backend
//!    ^                            |
//!    '-- outbox <- peer <- fan-out threads <- hub.publish(channel, class, publication) <- the embedder
//! ```

pub mod emulation;
#[cfg(feature = "jwt")]
pub mod jwt;
pub mod limits;
pub mod ws;

mod backend;
mod batch;
mod calls;
mod channel;
mod config;
mod connection;
mod door;
mod error;
mod fanout;
mod gateway;
mod hold;
mod hub;
mod outbox;
mod peer;
mod pending;
mod protocol;
mod publication;
mod session;
mod stats;

pub use backend::{
    Backend, Caller, ChannelCall, Connect, Connected, ExpireAt, Grant, History, HistoryQuery, RecoveryPage,
    Subscribe,
};
pub use config::Config;
pub use door::client_address;
pub use error::{Disconnect, Error, Refusal, Unsubscribe};
pub use gateway::Gateway;
pub use hub::{Hub, PublishError};
pub use protocol::Format;
pub use publication::{Class, ClientInfo, Handling, PresenceStats, Publication, StreamPosition, Urgency};
pub use stats::Stats;

#[cfg(test)]
mod life_tests;

#[cfg(test)]
#[path = "../tests/fuzz/mod.rs"]
mod fuzz;
