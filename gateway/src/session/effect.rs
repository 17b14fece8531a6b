//! What a session asks of the world and what it hears back. Data only.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use crate::backend::{
    Caller, Connect, Connected, ExpireAt, Grant, History, HistoryQuery, RecoveryPage, Subscribe,
};
use crate::error::{Disconnect, Error, Refusal, Unsubscribe};
use crate::publication::{ClientInfo, PresenceStats, Publication, StreamPosition};

/// Both clocks at one moment: time is an argument here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Milliseconds of a clock that never goes back.
    pub(crate) monotonic_ms: u64,
    /// Unix seconds.
    pub(crate) unix_s: u64,
}

/// To be done in order, by the connection.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Ask the backend; answer with [`super::Session::answer`].
    Call(Call),
    /// Queue encoded replies.
    Send(Bytes),
    /// The connection has a user: enter the user index, report it.
    Entered(Arc<Caller>),
    /// A subscription is open: count it, announce it, report it.
    Joined {
        channel: Arc<str>,
        info: Option<Bytes>,
        announce: bool,
    },
    /// Queue recovered publications behind the reply.
    PushRecovered {
        channel: Arc<str>,
        publications: Vec<Publication>,
    },
    /// Let out what is held back; on a gap answer with [`super::Session::gap`].
    GoLive { channel: Arc<str>, floor: u64 },
    /// Take the subscription off the hub and tell the client; the hub's notice comes back.
    Expel { channel: Arc<str>, why: Unsubscribe },
    /// Take the subscription off the hub, if it is still there; report it if it had been open.
    Left {
        channel: Arc<str>,
        why: Option<Unsubscribe>,
        was_open: bool,
    },
    /// Flush (unless the code forbids) and close.
    Close(Disconnect),
}

/// A question to the backend. `id` is the command's.
#[derive(Debug)]
pub(crate) enum Call {
    Connect {
        request: Connect,
        positions: Vec<(String, StreamPosition)>,
    },
    Subscribe {
        id: u32,
        channel: Arc<str>,
        request: Subscribe,
        reject_unrecovered: bool,
        /// The client takes pushes that name the channel by a number.
        compact: bool,
    },
    Recover {
        channel: Arc<str>,
        serial: u64,
        after: u64,
    },
    Refresh {
        id: u32,
        token: String,
    },
    SubRefresh {
        id: u32,
        channel: Arc<str>,
        token: String,
    },
    Publish {
        id: u32,
        channel: ByteString,
        subscribed: bool,
        data: Bytes,
    },
    Presence {
        id: u32,
        channel: ByteString,
        subscribed: bool,
    },
    PresenceStats {
        id: u32,
        channel: ByteString,
        subscribed: bool,
    },
    History {
        id: u32,
        channel: ByteString,
        subscribed: bool,
        query: HistoryQuery,
    },
    Rpc {
        id: u32,
        method: ByteString,
        data: Bytes,
    },
}

/// A subscription authorised, recovered as far as one page goes.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub(crate) grant: Grant,
    pub(crate) was_recovering: bool,
    /// `Some` = recovered from this offset, beginning with this page.
    pub(crate) recovered: Option<(u64, RecoveryPage)>,
    pub(crate) data: Option<Bytes>,
    /// The number by which pushes name the channel; 0 = they name it.
    pub(crate) push_id: u64,
}

/// A connection authenticated, with its server-side subscriptions.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) caller: Arc<Caller>,
    pub(crate) connected: Connected,
    pub(crate) subs: Vec<(Arc<str>, Opened)>,
}

/// What a [`Call`] came to.
#[derive(Debug)]
pub(crate) enum Answer {
    Connect(Result<Entered, Refusal>),
    Subscribe {
        id: u32,
        channel: Arc<str>,
        result: Result<Opened, Refusal>,
    },
    Recover {
        channel: Arc<str>,
        serial: u64,
        result: Result<RecoveryPage, Error>,
    },
    Refresh {
        id: u32,
        result: Result<ExpireAt, Refusal>,
    },
    SubRefresh {
        id: u32,
        channel: Arc<str>,
        result: Result<ExpireAt, Refusal>,
    },
    Publish {
        id: u32,
        result: Result<(), Refusal>,
    },
    Presence {
        id: u32,
        result: Result<Vec<Arc<ClientInfo>>, Refusal>,
    },
    PresenceStats {
        id: u32,
        result: Result<PresenceStats, Refusal>,
    },
    History {
        id: u32,
        result: Result<History, Refusal>,
    },
    Rpc {
        id: u32,
        result: Result<Bytes, Refusal>,
    },
}
