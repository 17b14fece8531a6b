//! The port to the embedder: it authenticates, authorises, recovers and answers; the gateway keeps the protocol.
//! Never holds business: what a channel or a method means is known on the other side only.
//!
//! Calls of one connection *start* in the order its commands arrived; their answers may overtake each other. Every
//! future may be dropped at any await point when its socket goes away: work that must finish belongs to someone else
//! (an actor, a spawned task), and clients retry by idempotency keys in their data.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Disconnect, Error, Refusal, Unsubscribe};
use crate::publication::{ClientInfo, Publication, StreamPosition};

/// An authenticated connection, as passed to every later call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Connection id, made by the gateway.
    pub client: Arc<str>,
    /// User id; empty = anonymous.
    pub user: Arc<str>,
    /// JSON value shown to others in presence, join and leave.
    pub info: Option<Bytes>,
    /// The SDK's name, as it says.
    pub sdk: String,
    /// The other end of the socket, where the transport knows it.
    pub peer: Option<SocketAddr>,
}

impl Caller {
    /// This connection as others see it; `chan_info` belongs to one subscription.
    pub fn client_info(&self, chan_info: Option<Bytes>) -> ClientInfo {
        ClientInfo {
            user: self.user.clone(),
            client: self.client.clone(),
            conn_info: self.info.clone(),
            chan_info,
        }
    }
}

/// What a client says of itself in `connect`.
#[derive(Clone, Debug, Default)]
pub struct Connect {
    /// Connection id given by the gateway.
    pub client: Arc<str>,
    /// Connection token; empty = none.
    pub token: String,
    /// Custom data, one JSON value.
    pub data: Option<Bytes>,
    /// SDK name.
    pub name: String,
    /// Application version.
    pub version: String,
    /// The other end of the socket.
    pub peer: Option<SocketAddr>,
}

/// A connection let in.
#[derive(Clone, Debug, Default)]
pub struct Connected {
    /// User id; empty = anonymous.
    pub user: String,
    /// Unix seconds at which the credentials end; the client is told to refresh by then. `None` = never.
    pub expire_at: Option<u64>,
    /// Custom data for the client, one JSON value (an object: JS drops falsy ones).
    pub data: Option<Bytes>,
    /// JSON value shown to others in presence, join and leave.
    pub info: Option<Bytes>,
    /// Channels to subscribe on the server's side; each then goes through [`Backend::subscribe`] with `server_side`.
    pub channels: Vec<String>,
}

/// A wish to subscribe.
#[derive(Clone, Debug, Default)]
pub struct Subscribe {
    /// Not empty, at most [`crate::limits::CHANNEL_NAME_BYTES_MAX`] bytes.
    pub channel: String,
    /// Subscription token; empty = none.
    pub token: String,
    /// Custom data, one JSON value.
    pub data: Option<Bytes>,
    /// The position the client wants to recover from, if any.
    pub recover: Option<StreamPosition>,
    /// True for a channel named in [`Connected::channels`]: already authorised, only the facts are asked.
    pub server_side: bool,
}

/// A subscription granted. The default is a plain channel: no stream, no expiry.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// The channel has a recoverable stream and this is its top. Read it no earlier than in this very call: the
    /// gateway already holds back what is published meanwhile, so nothing falls between top and live.
    pub stream: Option<StreamPosition>,
    /// Unix seconds at which the subscription ends unless refreshed. `None` = with the connection.
    pub expire_at: Option<u64>,
    /// JSON value shown in presence, join and leave of this channel.
    pub info: Option<Bytes>,
    /// Announce this subscriber with join and leave pushes, to all in the channel and itself.
    pub join_leave: bool,
}

/// A part of a channel's stream, in ascending order.
#[derive(Clone, Debug, Default)]
pub struct RecoveryPage {
    /// Visible publications with `after < offset <= scanned_to`, each with its offset.
    pub publications: Vec<Publication>,
    /// Everything up to here has been looked at; at least `after`. The next page starts here.
    pub scanned_to: u64,
    /// `scanned_to` is the present end of the stream (publications handed to the hub later are live ones).
    pub done: bool,
}

/// Where a caller stands in the channel it asks about.
#[derive(Clone, Copy, Debug)]
pub struct ChannelCall<'a> {
    /// Not empty, at most [`crate::limits::CHANNEL_NAME_BYTES_MAX`] bytes.
    pub channel: &'a str,
    /// The caller holds an open subscription to it on this connection.
    pub subscribed: bool,
}

/// A question about a channel's past.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// 0 = only the top; never above [`crate::limits::HISTORY_PUBLICATIONS_MAX`].
    pub limit: usize,
    /// Exclusive start; `None` = the oldest (or, reversed, the newest) retained.
    pub since: Option<StreamPosition>,
    /// Descending.
    pub reverse: bool,
}

/// A channel's past.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order asked for.
    pub publications: Vec<Publication>,
    /// Top of the stream.
    pub top: StreamPosition,
}

/// When credentials or a subscription now end.
pub type ExpireAt = Option<u64>;

/// The embedder's side. Only [`connect`](Backend::connect) and [`subscribe`](Backend::subscribe) must be written; the
/// defaults decline.
pub trait Backend: Send + Sync + 'static {
    /// Who is it? Refuse with [`Disconnect::INVALID_TOKEN`] for a forged token, [`Error::TOKEN_EXPIRED`] for an old
    /// one, [`Disconnect::BAD_REQUEST`] for none where one is needed.
    fn connect(&self, request: &Connect) -> impl Future<Output = Result<Connected, Refusal>> + Send;

    /// New credentials on the live socket: must be of the same user, else [`Disconnect::INVALID_TOKEN`].
    fn refresh(
        &self,
        _caller: &Caller,
        _token: &str,
    ) -> impl Future<Output = Result<ExpireAt, Refusal>> + Send {
        ready(Err(Disconnect::BAD_REQUEST.into()))
    }

    /// May the caller subscribe, and what is the channel like? Live publications are already being held back for it.
    fn subscribe(
        &self,
        caller: &Caller,
        request: &Subscribe,
    ) -> impl Future<Output = Result<Grant, Refusal>> + Send;

    /// Up to `limit` publications after an offset of a stream granted before (epoch checked by the gateway), and about
    /// [`crate::limits::RECOVERY_PAGE_BYTES_MAX`] of payload: more is cut off and asked for again.
    /// [`Error::UNRECOVERABLE_POSITION`] when something after `after` is no longer retained.
    fn recover(
        &self,
        _caller: &Caller,
        _channel: &str,
        _after: u64,
        _limit: usize,
    ) -> impl Future<Output = Result<RecoveryPage, Error>> + Send {
        ready(Err(Error::UNRECOVERABLE_POSITION))
    }

    /// Initial `data` of a subscription, one JSON value (an object). Asked last, when it is known whether the client
    /// recovered: one that did not must reload.
    fn snapshot(
        &self,
        _caller: &Caller,
        _channel: &str,
        _recovered: bool,
    ) -> impl Future<Output = Result<Option<Bytes>, Refusal>> + Send {
        ready(Ok(None))
    }

    /// A new subscription token.
    fn sub_refresh(
        &self,
        _caller: &Caller,
        _channel: &str,
        _token: &str,
    ) -> impl Future<Output = Result<ExpireAt, Refusal>> + Send {
        ready(Err(Error::NOT_AVAILABLE.into()))
    }

    /// A client publishes; `data` is valid JSON. The backend decides, keeps, and hands it to the hub.
    fn publish(
        &self,
        _caller: &Caller,
        _call: ChannelCall<'_>,
        _data: Bytes,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        ready(Err(Error::NOT_AVAILABLE.into()))
    }

    /// The past of a channel. Also the authorisation to see it.
    fn history(
        &self,
        _caller: &Caller,
        _call: ChannelCall<'_>,
        _query: &HistoryQuery,
    ) -> impl Future<Output = Result<History, Refusal>> + Send {
        ready(Err(Error::NOT_AVAILABLE.into()))
    }

    /// May the caller see who is in the channel? The gateway knows who.
    fn presence(
        &self,
        _caller: &Caller,
        _call: ChannelCall<'_>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        ready(Err(Error::NOT_AVAILABLE.into()))
    }

    /// May the caller see how many are in the channel? Return the counts to answer with, or `None` for the gateway's.
    fn presence_stats(
        &self,
        _caller: &Caller,
        _call: ChannelCall<'_>,
    ) -> impl Future<Output = Result<Option<crate::PresenceStats>, Refusal>> + Send {
        ready(Err(Error::NOT_AVAILABLE.into()))
    }

    /// A remote call. `data` is what the client sent (JSON from JSON clients, unchecked bytes from Protobuf ones, empty
    /// when absent); the answer is one JSON value, or empty for none.
    fn rpc(
        &self,
        _caller: &Caller,
        _method: &str,
        _data: Bytes,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + Send {
        ready(Err(Error::NOT_AVAILABLE.into()))
    }

    /// The connect reply has been queued. Must not block; called on the socket's thread, like the next three.
    fn on_connected(&self, _caller: &Arc<Caller>) {}

    /// A subscription is open (its reply has been queued). Paired with exactly one `on_unsubscribed`.
    fn on_subscribed(&self, _caller: &Arc<Caller>, _channel: &str) {}

    /// A subscription ended: `why` is `None` when the client asked or left.
    fn on_unsubscribed(&self, _caller: &Arc<Caller>, _channel: &str, _why: Option<&Unsubscribe>) {}

    /// The connection is gone; all its subscriptions have been reported before.
    fn on_disconnected(&self, _caller: &Arc<Caller>, _why: &Disconnect) {}
}
