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
        // One that is no text counts, too: were it passed over, whoever sends it would have no limits by address.
        let forwarded: Vec<_> = forwarded
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        Self {
            client: head
                .peer_addr
                .and_then(|peer| door.client(peer, forwarded.iter().map(|value| &**value))),
            // One that is no text is listed nowhere.
            origin: head
                .headers()
                .get(header::ORIGIN)
                .map(|origin| origin.to_str().unwrap_or_default()),
            host: text(header::HOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use actix_http::header::HeaderValue;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_forwarded_header_that_is_no_text_does_not_hide_who_comes() {
        let door = Door::new(Arc::new(Config::default()));
        for (what, values, expected) in [
            ("text", &[&b"203.0.113.7"[..]][..], Some("203.0.113.7:0")),
            (
                "a lie that is no text, in front",
                &[b"\xff\xe4, 203.0.113.7"],
                Some("203.0.113.7:0"),
            ),
            (
                "the same in a header of its own",
                &[b"\xff", b"203.0.113.7"],
                Some("203.0.113.7:0"),
            ),
            ("nothing but that", &[b"\xff"], None),
        ] {
            let mut head = RequestHead::default();
            head.peer_addr = Some(SocketAddr::from(([127, 0, 0, 1], 5)));
            for value in values {
                let value = HeaderValue::from_bytes(value).expect("a header");
                head.headers_mut().append(FORWARDED_FOR, value);
            }
            let found = Knock::of(&head, &door).client;
            assert_eq!(
                found,
                expected.map(|address| address.parse().expect("an address")),
                "{what}"
            );
        }
    }
}
