//! The WebSocket transport: who is let in and as what, on the HTTP server of actix, and one small task per socket behind
//! it. At the upgrade a connection is taken off the HTTP server, so that an idle socket holds nothing of HTTP. Besides
//! the fallbacks nothing in the gateway names actix.

mod frame;
mod front;
mod handshake;
mod socket;
mod wire;

pub use crate::peer::Line;
pub(crate) use frame::Head;
pub use front::{Front, bind, configure};
pub use handshake::upgrades;
pub use wire::{Accepted, TcpWire, Wire};

/// Where SDKs look for it by default.
pub const PATH: &str = "/connection/websocket";
