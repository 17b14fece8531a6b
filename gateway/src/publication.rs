//! What travels in a channel and who is in it. Payloads are JSON text that is never parsed here. Never mutable once
//! published: the bytes are shared by every socket.

use std::sync::Arc;

use bytes::Bytes;

/// A place in a channel's stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamPosition {
    /// Offset of the last publication known; 0 = none.
    pub offset: u64,
    /// Incarnation of the stream; empty = any.
    pub epoch: String,
}

/// One message of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// One JSON value. Newlines between tokens are allowed and removed on the way to JSON clients.
    pub data: Bytes,
    /// Place in the channel's stream: strictly increasing per channel, need not be dense, at most
    /// [`crate::limits::OFFSET_MAX`]. `None` = outside the stream: it moves no position and is never recovered.
    pub offset: Option<u64>,
    /// Who published it, where that is to be shown.
    pub info: Option<Arc<ClientInfo>>,
}

impl Publication {
    /// A publication outside the stream.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self {
            data: data.into(),
            offset: None,
            info: None,
        }
    }

    /// The same at a place in the stream.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }
}

/// What happens to a publication when a reader is slower than the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Never dropped silently: when the outbox is full the subscription is given up with a code that makes the SDK
    /// recover exactly what it missed, or the connection is closed. Has an offset in recoverable channels.
    Durable,
    /// Only the newest per channel matters: a waiting older one is replaced.
    State,
    /// May go at any time; is the first to go.
    Ephemeral,
}

/// One connection as others see it, in presence, join, leave and on publications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// User id; empty = anonymous.
    pub user: Arc<str>,
    /// Connection id, unique per connection.
    pub client: Arc<str>,
    /// JSON value tied to the connection.
    pub conn_info: Option<Bytes>,
    /// JSON value tied to the subscription.
    pub chan_info: Option<Bytes>,
}

/// How many are in a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceStats {
    /// Connections.
    pub num_clients: u32,
    /// Distinct users.
    pub num_users: u32,
}
