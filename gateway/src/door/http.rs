//! The door over HTTP: what of a request says who comes, and the answer to who must stay outside. Decides nothing.

use actix_http::header::{self, HeaderName};
use actix_http::{RequestHead, StatusCode};

use super::{Door, Knock, Turned};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An answer that sends somebody away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// For `Retry-After`: spread, so that those who obey it do not all come back at once.
    pub(crate) retry_after_s: Option<u64>,
    pub(crate) body: &'static str,
}

impl Refused {
    /// `nth`: how many were turned away before.
    pub(super) fn new(why: Turned, nth: u64) -> Self {
        let (status, retry_after_s, body) = match why {
            Turned::Origin => (StatusCode::FORBIDDEN, None, "this origin may not connect\n"),
            Turned::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                Some(2..=5),
                "the server is going down; try again in a moment\n",
            ),
            Turned::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                Some(5..=15),
                "the server holds as many connections as it may; try again in a moment\n",
            ),
            Turned::Storm => (
                StatusCode::SERVICE_UNAVAILABLE,
                Some(1..=5),
                "more connections come at once than are let in; try again in a moment\n",
            ),
            Turned::AddressFull => (
                StatusCode::TOO_MANY_REQUESTS,
                Some(10..=30),
                "this address holds as many connections as it may\n",
            ),
            Turned::AddressStorm => (
                StatusCode::TOO_MANY_REQUESTS,
                Some(5..=15),
                "this address connects too often; try again in a moment\n",
            ),
        };
        let retry_after_s = retry_after_s.map(|seconds| {
            let spread = seconds.end() - seconds.start() + 1;
            seconds.start() + nth % spread
        });
        Self {
            status,
            retry_after_s,
            body,
        }
    }
}

impl<'a> Knock<'a> {
    /// What the head of a request says of who sent it.
    pub(crate) fn of(head: &'a RequestHead, door: &Door) -> Self {
        let text = |name: HeaderName| head.headers().get(name).and_then(|value| value.to_str().ok());
        let forwarded = head.headers().get_all(FORWARDED_FOR);
        let forwarded = forwarded.filter_map(|value| value.to_str().ok());
        Self {
            client: head.peer_addr.and_then(|peer| door.client(peer, forwarded)),
            // One that is no text is listed nowhere.
            origin: head
                .headers()
                .get(header::ORIGIN)
                .map(|origin| origin.to_str().unwrap_or_default()),
            host: text(header::HOST),
        }
    }
}
