//! Reading what a client sent: syntax first, then meaning. A mistake is answered with the field that is wrong.

use std::str::FromStr;

pub(crate) use actors::Request;
use compact_str::CompactString;
use domain::ids::IdError;
use domain::{CommandId, Rejection, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::rpc::Failure;

/// Reads a method's data; no data at all is read as `{}`.
pub(crate) fn parse<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Failure> {
    let data = if data.is_empty() { b"{}" } else { data };
    serde_json::from_slice(data).map_err(|error| Failure::BadRequest(describe(&error)))
}

/// What serde says, without the place in the text: clients build objects, not text.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// The data of a method that changes something: the idempotency key beside the method's own fields.
#[derive(Deserialize)]
pub(crate) struct Keyed<T> {
    command_id: String,
    #[serde(flatten)]
    pub(crate) body: T,
}

/// A command before it goes to an actor: its id, and a digest of everything else, so that a reused id is seen.
#[derive(Debug)]
pub(crate) struct Command<T> {
    id: CommandId,
    request_hash: u64,
    pub(crate) body: T,
}

impl<T> Command<T> {
    /// The id of what the command makes, such as an order, in 32 hexadecimal digits: the same for every repetition, and
    /// nobody else's. Stable for ever: it is the key of a stream.
    pub(crate) fn derived_id<I: FromStr<Err = IdError>>(&self, kind: &str, user: &UserId) -> I {
        let mut hasher = blake3::Hasher::new();
        for part in [kind, "\0", user.as_str(), "\0", self.id.as_str()] {
            hasher.update(part.as_bytes());
        }
        let hex = hasher.finalize().to_hex();
        hex[..32].parse().expect("hexadecimal digits are an id")
    }

    /// What the actor is told of who asks.
    pub(crate) fn request(&self, user: &UserId) -> Request {
        self.request_of(user.as_str())
    }

    /// The same for one who is no user, such as one of staff.
    pub(crate) fn request_of(&self, actor: &str) -> Request {
        Request {
            command_id: Some(self.id.clone()),
            request_hash: self.request_hash,
            actor: CompactString::new(actor),
        }
    }
}

/// Reads an id of a user, room, gift or combo.
pub(crate) fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Rejection::BadId.into())
}

/// Reads the data of a method that changes something.
pub(crate) fn parse_command<T: DeserializeOwned + Serialize>(
    method: &str,
    data: &[u8],
) -> Result<Command<T>, Failure> {
    let Keyed { command_id, body } = parse::<Keyed<T>>(data)?;
    let id = command_id.parse().map_err(|_| Rejection::BadCommandId)?;
    Ok(Command {
        id,
        request_hash: digest(method, &body),
        body,
    })
}

/// Stable for ever: it is stored beside the effect and compared with that of a retry.
fn digest(method: &str, body: &impl Serialize) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(method.as_bytes());
    hasher.update(b"\0");
    serde_json::to_writer(&mut hasher, body).expect("requests are plain data, and hashing does not fail");
    let hash = hasher.finalize();
    let bytes = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*bytes)
}

/// A page of a list: where to go on, and how much.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Page {
    pub(crate) cursor: Option<String>,
    limit: Option<u32>,
}

const PAGE_LIMIT_DEFAULT: u32 = 20;
const PAGE_LIMIT_MAX: u32 = 100;

impl Page {
    /// A page that was asked for in another way than in a method's data.
    pub(crate) fn new(cursor: Option<String>, limit: Option<u32>) -> Self {
        Self { cursor, limit }
    }

    /// How many entries are wanted: 1 to 100, default 20.
    pub(crate) fn limit(&self) -> Result<usize, Failure> {
        let limit = self.limit.unwrap_or(PAGE_LIMIT_DEFAULT);
        if !(1..=PAGE_LIMIT_MAX).contains(&limit) {
            return Err(Rejection::BadLimit.into());
        }
        Ok(limit as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Body {
        count: u32,
    }

    #[test]
    fn the_digest_is_of_the_method_and_the_body_and_of_nothing_else() {
        let read = |method, data: &str| {
            parse_command::<Body>(method, data.as_bytes())
                .ok()
                .unwrap()
                .request_hash
        };
        let first = read("m", r#"{"command_id":"a","count":1}"#);
        assert_eq!(
            first,
            read("m", r#"{ "count": 1, "command_id": "b", "unknown": [] }"#)
        );
        assert_ne!(first, read("n", r#"{"command_id":"a","count":1}"#));
        assert_ne!(first, read("m", r#"{"command_id":"a","count":2}"#));
    }

    #[test]
    fn the_id_of_what_a_command_makes_never_changes() {
        let of = |user: &str, command: &str| {
            let data = format!(r#"{{"command_id":"{command}","count":1}}"#);
            let command = parse_command::<Body>("m", data.as_bytes()).ok().unwrap();
            command
                .derived_id::<domain::OrderId>("order", &user.parse().unwrap())
                .to_string()
        };
        // It is in journals: this very text must stay.
        assert_eq!(of("ann", "c1"), "6f3827dc9e51e3ce54db9ce50238875d");
        assert_ne!(of("ann", "c1"), of("ann", "c2"));
        assert_ne!(of("ann", "c1"), of("bob", "c1"));
    }

    #[test]
    fn a_mistake_names_the_field() {
        for (data, word) in [
            (r#"{"count":1}"#, "command_id"),
            (r#"{"command_id":"a"}"#, "count"),
            (r#"{"command_id":"a","count":"x"}"#, "u32"),
            ("[]", "expected"),
            ("", "command_id"),
            ("{", "EOF"),
        ] {
            let Err(Failure::BadRequest(text)) = parse_command::<Body>("m", data.as_bytes()) else {
                panic!("{data}")
            };
            assert!(text.contains(word) && !text.contains("line"), "{text}");
        }
        let too_long = format!(r#"{{"command_id":"{}","count":1}}"#, "x".repeat(65));
        let refused = parse_command::<Body>("m", too_long.as_bytes());
        assert!(matches!(refused, Err(Failure::Rejected(Rejection::BadCommandId))));
    }
}
