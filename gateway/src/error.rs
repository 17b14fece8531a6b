//! What can go wrong on the wire, in the protocol's own numbers: an [`Error`] answers one command, a [`Disconnect`]
//! ends the connection, an [`Unsubscribe`] ends one subscription. Never holds a cause that must not reach a client:
//! log it before you turn it into one of these.

use std::borrow::Cow;
use std::fmt;

/// The answer to one command that failed. Codes 0-399 are the protocol's; applications use 400-1999.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// The number an SDK acts on.
    pub code: u32,
    /// For people; never parsed.
    pub message: Cow<'static, str>,
    /// True asks the SDK to try again with backoff where it knows how to.
    pub temporary: bool,
}

macro_rules! protocol_errors {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $message:literal, $temporary:literal;)*) => {
        impl Error {
            $($(#[$doc])* pub const $name: Error =
                Error { code: $code, message: Cow::Borrowed($message), temporary: $temporary };)*
        }
    };
}

protocol_errors! {
    /// The server's own fault.
    INTERNAL = 100, "internal server error", true;
    /// The caller is not who it must be.
    UNAUTHORIZED = 101, "unauthorized", false;
    /// No such channel or namespace.
    UNKNOWN_CHANNEL = 102, "unknown channel", false;
    /// Known, but not for this caller; also a bad subscription token.
    PERMISSION_DENIED = 103, "permission denied", false;
    /// No such RPC method.
    METHOD_NOT_FOUND = 104, "method not found", false;
    /// A second subscription to one channel on one connection.
    ALREADY_SUBSCRIBED = 105, "already subscribed", false;
    /// A limit, such as channels per connection.
    LIMIT_EXCEEDED = 106, "limit exceeded", false;
    /// Well formed, yet meaningless.
    BAD_REQUEST = 107, "bad request", false;
    /// The feature is off for this channel.
    NOT_AVAILABLE = 108, "not available", false;
    /// Fetch a new token and come again. Marked temporary because an old Java SDK gives up otherwise.
    TOKEN_EXPIRED = 109, "token expired", true;
    /// What was offered as fresh has expired already.
    EXPIRED = 110, "expired", false;
    /// Rate limit.
    TOO_MANY_REQUESTS = 111, "too many requests", true;
    /// The position asked for is gone, or of another epoch.
    UNRECOVERABLE_POSITION = 112, "unrecoverable position", false;
}

impl Error {
    /// An application's error: `code` within 400-1999, not to be retried by the SDK.
    pub fn new(code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            temporary: false,
        }
    }

    /// The same error, marked as worth trying again.
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.temporary = true;
        self
    }
}

/// Why a connection is closed: becomes the WebSocket close code and reason.
///
/// 3000-3499 and 4000-4499 make an SDK reconnect, 3500-3999 and 4500-4999 are final. Applications use 4000-4999.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Disconnect {
    /// WebSocket close code.
    pub code: u16,
    /// Plain text, cut at [`crate::limits::CLOSE_REASON_BYTES_MAX`] when sent.
    pub reason: Cow<'static, str>,
}

macro_rules! disconnects {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        impl Disconnect {
            $($(#[$doc])* pub const $name: Disconnect =
                Disconnect { code: $code, reason: Cow::Borrowed($reason) };)*
        }
    };
}

disconnects! {
    /// WebSocket's own: the message was over the size limit; SDKs do not come back.
    MESSAGE_TOO_BIG = 1009, "message too big";
    /// WebSocket's own: the framing was broken.
    WEBSOCKET_PROTOCOL = 1002, "protocol error";
    /// Internal marker: the peer went away, no close frame is sent.
    CONNECTION_CLOSED = 3000, "connection closed";
    /// The server stops; come back after a while.
    SHUTDOWN = 3001, "shutdown";
    /// The server's own fault.
    INTERNAL = 3004, "internal server error";
    /// The connection's credentials ran out and were not refreshed in time.
    EXPIRED = 3005, "connection expired";
    /// A server-side subscription ran out.
    SUBSCRIPTION_EXPIRED = 3006, "subscription expired";
    /// The peer reads too slowly and nothing droppable is left.
    SLOW = 3008, "slow";
    /// A server-side subscription lost its place; reconnecting recovers it.
    INSUFFICIENT_STATE = 3010, "insufficient state";
    /// Reconnect now.
    FORCE_RECONNECT = 3011, "force reconnect";
    /// A ping stayed unanswered.
    NO_PONG = 3012, "no pong";
    /// Too many commands.
    TOO_MANY_REQUESTS = 3013, "too many requests";
    /// The connection token does not verify.
    INVALID_TOKEN = 3500, "invalid token";
    /// Malformed use of the protocol.
    BAD_REQUEST = 3501, "bad request";
    /// No connect command in time.
    STALE = 3502, "stale";
    /// Sent away by the server, for good.
    FORCE_DISCONNECT = 3503, "force disconnect";
    /// Too many connections.
    CONNECTION_LIMIT = 3504, "connection limit";
    /// A payload this format cannot carry.
    INAPPROPRIATE_PROTOCOL = 3506, "inappropriate protocol";
    /// Not allowed to be here.
    PERMISSION_DENIED = 3507, "permission denied";
    /// A kind of command this server does not take, such as `send`.
    NOT_AVAILABLE = 3508, "not available";
}

impl Disconnect {
    /// An application's reason to close, with a code within 4000-4999.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// Why one subscription ends while the connection stays. Codes of 2500 and more make the SDK subscribe again at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// 2000-2099 and 2500-2599 are the protocol's; custom ones: 2100-2499 final, 2600-2999 resubscribe.
    pub code: u32,
    /// For people; required on the wire.
    pub reason: Cow<'static, str>,
}

impl Unsubscribe {
    /// From this code on SDKs subscribe again by themselves.
    pub const RESUBSCRIBE_FROM: u32 = 2500;
    /// The server ended it, for good.
    pub const SERVER: Unsubscribe = Unsubscribe {
        code: 2000,
        reason: Cow::Borrowed("server unsubscribe"),
    };
    /// Publications were lost; the SDK resubscribes with its last position and gets exactly those.
    pub const INSUFFICIENT_STATE: Unsubscribe = Unsubscribe {
        code: 2500,
        reason: Cow::Borrowed("insufficient state"),
    };
    /// The subscription's token ran out.
    pub const EXPIRED: Unsubscribe = Unsubscribe {
        code: 2501,
        reason: Cow::Borrowed("subscription expired"),
    };
}

/// How a backend says no: to the command, or to the whole connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The command is answered with this error; the connection stays.
    Error(Error),
    /// The connection is closed.
    Disconnect(Disconnect),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Error(error) => write!(f, "error {error}"),
            Refusal::Disconnect(disconnect) => write!(f, "disconnect {disconnect}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

impl From<Disconnect> for Refusal {
    fn from(disconnect: Disconnect) -> Self {
        Refusal::Disconnect(disconnect)
    }
}
