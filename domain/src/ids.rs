//! Names of things: users, rooms, gifts, combos, commands, and the streams that hold their events.
//!
//! Ids are parsed once, at the edge; inside they are known to be well formed. They are small strings (up to 24 bytes
//! are held inline, without an allocation).

use alloc::string::String;
use compact_str::CompactString;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::limits::{
    COMMAND_ID_LEN_CHARS_MAX, CURRENCY_LEN_BYTES, ID_LEN_BYTES_MAX, PAYMENT_ID_LEN_BYTES_MAX,
    PROVIDER_LEN_BYTES_MAX,
};

/// Why a string is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing in it.
    #[error("an id must not be empty")]
    Empty,
    /// Over the limit of its kind.
    #[error("an id may have at most 64 characters")]
    TooLong,
    /// A character that no id may hold.
    #[error("an id may hold only letters, digits and . _ - @")]
    BadCharacter,
}

fn plain_id(text: &str) -> Result<CompactString, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_LEN_BYTES_MAX {
        return Err(IdError::TooLong);
    }
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@');
    if !text.bytes().all(ok) {
        return Err(IdError::BadCharacter);
    }
    Ok(CompactString::new(text))
}

fn currency_code(text: &str) -> Result<CompactString, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > CURRENCY_LEN_BYTES {
        return Err(IdError::TooLong);
    }
    if text.len() < CURRENCY_LEN_BYTES || !text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(IdError::BadCharacter);
    }
    Ok(CompactString::new(text))
}

/// A provider's name stands before a dot in the key of a payment's stream: it must hold none.
fn provider_name(text: &str) -> Result<CompactString, IdError> {
    if text.len() > PROVIDER_LEN_BYTES_MAX {
        return Err(IdError::TooLong);
    }
    if text.contains('.') {
        return Err(IdError::BadCharacter);
    }
    plain_id(text)
}

fn payment_id(text: &str) -> Result<CompactString, IdError> {
    if text.len() > PAYMENT_ID_LEN_BYTES_MAX {
        return Err(IdError::TooLong);
    }
    plain_id(text)
}

fn command_id(text: &str) -> Result<CompactString, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.chars().count() > COMMAND_ID_LEN_CHARS_MAX {
        return Err(IdError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::BadCharacter);
    }
    Ok(CompactString::new(text))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $parse:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "CompactString")]
        pub struct $name(CompactString);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as the small string it is, without a copy.
            pub fn into_text(self) -> CompactString {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                $parse(text).map(Self)
            }
        }

        impl TryFrom<CompactString> for $name {
            type Error = IdError;
            fn try_from(text: CompactString) -> Result<Self, IdError> {
                $parse(&text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

id!(
    /// A person: viewer, streamer, or both.
    UserId, plain_id);
id!(
    /// A room; its id is its streamer's user id.
    RoomId, plain_id);
id!(
    /// An entry of the gift catalogue.
    GiftId, plain_id);
id!(
    /// A combo, named by the client.
    ComboId, plain_id);
id!(
    /// The client's idempotency key of one command: 1 to 64 characters, no control characters.
    CommandId, command_id);
id!(
    /// One recharge that a user asked for.
    OrderId, plain_id);
id!(
    /// What can be bought: so many coins for so much money.
    PackId, plain_id);
id!(
    /// One withdrawal of tickets; the payout provider knows it by the same id.
    WithdrawalId, plain_id);
id!(
    /// One of staff.
    StaffId, plain_id);
id!(
    /// Who takes payments or pays out: at most 16 letters, digits or _ - @.
    ProviderName, provider_name);
id!(
    /// A payment as its provider names it: at most 40 characters of an id.
    PaymentId, payment_id);
id!(
    /// A currency by its three letters, as in `CNY`.
    Currency, currency_code);

/// The actor of the one catalogue.
pub fn catalogue_key() -> UserId {
    UserId(CompactString::const_new("gifts"))
}

impl Currency {
    /// The yuan, in which a ticket is worth 0.1.
    pub const fn cny() -> Self {
        Self(CompactString::const_new("CNY"))
    }
}

impl OrderId {
    /// The actor of this order.
    pub fn as_key(&self) -> UserId {
        UserId(self.0.clone())
    }
}

/// The actor of one payment: no two payments of all providers share a key.
pub fn payment_key(provider: &ProviderName, payment: &PaymentId) -> UserId {
    UserId(compact_str::format_compact!("{provider}.{payment}"))
}

/// Stands between the two users in a conversation's key: no id holds it.
const BETWEEN: char = '~';

/// The actor of the conversation of two users, whoever of them is named first.
pub fn conversation_key(one: &UserId, other: &UserId) -> UserId {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    UserId(compact_str::format_compact!("{first}{BETWEEN}{second}"))
}

impl RoomId {
    /// The room of a streamer.
    pub fn of(streamer: &UserId) -> Self {
        Self(streamer.0.clone())
    }

    /// The streamer whose room this is.
    pub fn streamer(&self) -> UserId {
        UserId(self.0.clone())
    }
}

/// Which of a streamer's live sessions, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionNumber(pub u32);

/// What kind of actor a stream belongs to. The numbers are stored: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum StreamKind {
    /// Coins, gifts sent, follows of one user.
    Viewer = 1,
    /// Live sessions and tickets of one streamer.
    Streamer = 2,
    /// Chat of one room.
    Room = 3,
    /// How far the settlement of gifts has come.
    Settlement = 4,
    /// One recharge.
    Order = 5,
    /// One payment of one provider.
    Payment = 6,
    /// The gifts on offer.
    Catalogue = 7,
    /// How far a process of the platform has come.
    Process = 8,
    /// The private messages of two users.
    Conversation = 9,
}

impl StreamKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Viewer,
        Self::Streamer,
        Self::Room,
        Self::Settlement,
        Self::Order,
        Self::Payment,
        Self::Catalogue,
        Self::Process,
        Self::Conversation,
    ];

    /// The word in front of a stream's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Streamer => "streamer",
            Self::Room => "room",
            Self::Settlement => "settlement",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Catalogue => "catalogue",
            Self::Process => "process",
            Self::Conversation => "conversation",
        }
    }

    /// The kind of a stored number, if it is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// The events of one actor: its kind and its key, written `viewer-42`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// Which kind of actor.
    pub kind: StreamKind,
    /// Which one of its kind: a user id, a room id, a number of a shard, an order's id, `PROVIDER.PAYMENT`, `gifts`,
    /// `PROCESS.SHARD`, or `USER~USER` in the order of their ids.
    pub key: CompactString,
}

impl StreamId {
    /// The stream of a kind and a key; the key is an id's text.
    pub fn new(kind: StreamKind, key: &str) -> Self {
        Self {
            kind,
            key: CompactString::new(key),
        }
    }

    /// A user's own stream.
    pub fn viewer(user: &UserId) -> Self {
        Self {
            kind: StreamKind::Viewer,
            key: user.0.clone(),
        }
    }

    /// The stream of a user as streamer.
    pub fn streamer(user: &UserId) -> Self {
        Self {
            kind: StreamKind::Streamer,
            key: user.0.clone(),
        }
    }

    /// A room's stream.
    pub fn room(room: &RoomId) -> Self {
        Self {
            kind: StreamKind::Room,
            key: room.0.clone(),
        }
    }

    /// The user of a viewer's or streamer's stream; none for other kinds.
    pub fn user(&self) -> Option<UserId> {
        matches!(self.kind, StreamKind::Viewer | StreamKind::Streamer).then(|| UserId(self.key.clone()))
    }

    /// The room of a streamer's or room's stream; none for other kinds.
    pub fn room_id(&self) -> Option<RoomId> {
        matches!(self.kind, StreamKind::Room | StreamKind::Streamer).then(|| RoomId(self.key.clone()))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.name(), self.key)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StreamId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, key) = text
            .split_once('-')
            .ok_or("a stream is written KIND-ID, as in viewer-42")?;
        let kind = StreamKind::ALL.into_iter().find(|k| k.name() == kind).ok_or(
            "a stream's kind is viewer, streamer, room, settlement, order, payment, catalogue, process or conversation",
        )?;
        let id = |text: &str| plain_id(text).map_err(|e| alloc::format!("{e}"));
        let key = match (kind, key.split_once(BETWEEN)) {
            (StreamKind::Conversation, Some((one, other))) => {
                conversation_key(&UserId(id(one)?), &UserId(id(other)?)).into_text()
            }
            (StreamKind::Conversation, None) => {
                return Err("a conversation is written conversation-USER~USER".into());
            }
            _ => id(key)?,
        };
        Ok(Self { kind, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_refuse_what_is_empty_long_or_strange() {
        assert_eq!("".parse::<UserId>(), Err(IdError::Empty));
        assert_eq!("a".repeat(65).parse::<UserId>(), Err(IdError::TooLong));
        assert_eq!("a b".parse::<UserId>(), Err(IdError::BadCharacter));
        assert_eq!("a/b".parse::<RoomId>(), Err(IdError::BadCharacter));
        assert_eq!("a\u{7}".parse::<CommandId>(), Err(IdError::BadCharacter));
        assert!("Ann.B_c-1@x".parse::<UserId>().is_ok());
        assert!("é 1".parse::<CommandId>().is_ok());
    }

    #[test]
    fn a_stream_is_read_back_from_its_name() {
        for kind in StreamKind::ALL {
            let key = if kind == StreamKind::Conversation {
                "a-b~c"
            } else {
                "a-b"
            };
            let id = StreamId::new(kind, key);
            assert_eq!(id.to_string().parse::<StreamId>(), Ok(id));
            assert_eq!(StreamKind::from_number(kind as u8), Some(kind));
        }
        for bad in ["vjewer-1", "viewer-a~b", "conversation-a", "conversation-a~b~c"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_conversation_has_one_key_whoever_begins_and_no_two_share_one() {
        let user = |text: &str| text.parse::<UserId>().unwrap();
        let key = |one: &str, other: &str| conversation_key(&user(one), &user(other)).to_string();
        assert_eq!(key("bob", "ann"), "ann~bob");
        assert_eq!(key("ann", "bob"), "ann~bob");
        let swapped = "conversation-bob~ann".parse::<StreamId>().unwrap();
        assert_eq!(swapped.key, "ann~bob");
        assert_ne!(key("a", "b-c"), key("a-b", "c"));
    }
}
