//! What travels in a channel and who is in it. Payloads are JSON text that is never parsed here. Never mutable once
//! published: the bytes are shared by every socket.

use std::sync::Arc;

use bytes::Bytes;

/// About what a push is besides its payload and the name of its channel.
pub(crate) const ENVELOPE_BYTES: usize = 64;

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
    /// How it travels.
    pub handling: Handling,
}

/// How a publication travels; says nothing of what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// How long it may wait for company.
    pub urgency: Urgency,
    /// Ephemeral only: goes before other ephemeral ones when a reader is slow.
    pub first_to_go: bool,
    /// State whose payload is a JSON object: a client that lost something of this channel since it was last told gets it
    /// with one more member, `"skipped":{"ephemeral":n,"state":m}` (classes that lost nothing are left out).
    pub tells_losses: bool,
}

/// How long a publication may wait for company: what a channel says within a tick travels as one frame. A channel that
/// has been quiet for a tick sends at once whatever the urgency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Until the end of the channel's tick, see [`crate::limits::TICK_MS_MIN`].
    #[default]
    Tick,
    /// A fifth of a tick at most.
    Soon,
    /// Not at all; what waits goes with it.
    Now,
}

impl Publication {
    /// A publication outside the stream.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    /// About what it weighs on the wire, the channel's name apart.
    pub(crate) fn weight_bytes(&self) -> usize {
        ENVELOPE_BYTES + self.data.len() + self.info.as_ref().map_or(0, |info| info.weight_bytes())
    }

    /// The same at a place in the stream.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same, waiting no longer than so.
    #[must_use]
    pub fn urgent(mut self, urgency: Urgency) -> Self {
        self.handling.urgency = urgency;
        self
    }

    /// The same, to be dropped before other ephemeral ones.
    #[must_use]
    pub fn first_to_go(mut self) -> Self {
        self.handling.first_to_go = true;
        self
    }

    /// The same, telling each client what it lost: see [`Handling::tells_losses`].
    #[must_use]
    pub fn telling_losses(mut self) -> Self {
        self.handling.tells_losses = true;
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

impl ClientInfo {
    /// About what it weighs on the wire.
    pub(crate) fn weight_bytes(&self) -> usize {
        let json = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        self.user.len() + self.client.len() + json(&self.conn_info) + json(&self.chan_info)
    }
}

/// How many are in a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceStats {
    /// Connections.
    pub num_clients: u32,
    /// Distinct users.
    pub num_users: u32,
}
