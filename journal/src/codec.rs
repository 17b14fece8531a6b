//! Events to bytes and back.
//!
//! Compact binary (postcard) where only this program looks, JSON where people look with other tools. A stored shape is
//! for ever: every event type and schema version has a golden file in `tests/golden/`; old versions are raised to the
//! present shape in [`decode`], and nowhere else. Nothing here knows where the bytes are kept.

use domain::Event;
use domain::event::EventType;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, RecordRef, Result};

/// Bytes appended to a buffer, as postcard wants to be told.
struct Sink<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Sink<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

fn write<T: Serialize>(payload: &T, out: &mut Vec<u8>) {
    let written = postcard::serialize_with_flavor(payload, Sink(out));
    debug_assert!(
        written.is_ok(),
        "events are plain structs: writing one to memory cannot fail"
    );
}

/// The schema version in which events of a type are written now.
pub const fn schema(event_type: EventType) -> u8 {
    match event_type {
        EventType::ChatSent | EventType::Followed => 2,
        EventType::CoinsAdjusted
        | EventType::GiftSent
        | EventType::ComboRepeated
        | EventType::ComboEnded
        | EventType::CommandRefused
        | EventType::Unfollowed
        | EventType::Blocked
        | EventType::Unblocked
        | EventType::LiveStarted
        | EventType::LiveStopped
        | EventType::TicketsCredited
        | EventType::Muted
        | EventType::Unmuted
        | EventType::Kicked
        | EventType::Banned
        | EventType::Unbanned
        | EventType::SlowModeSet
        | EventType::FollowersOnlySet
        | EventType::NoticePosted
        | EventType::Pinned
        | EventType::Unpinned
        | EventType::ModeratorAdded
        | EventType::ModeratorRemoved
        | EventType::LikesCounted
        | EventType::SettlementAdvanced
        | EventType::CoinsRecharged
        | EventType::CoinsTakenBack
        | EventType::DebtForgiven
        | EventType::TicketsAdjusted
        | EventType::WithdrawalRequested
        | EventType::WithdrawalRefused
        | EventType::WithdrawalApproved
        | EventType::WithdrawalRejected
        | EventType::WithdrawalSubmitted
        | EventType::WithdrawalPaid
        | EventType::WithdrawalFailed
        | EventType::ProcessAdvanced
        | EventType::OrderCreated
        | EventType::OrderCancelled
        | EventType::OrderPaid
        | EventType::OrderRefunded
        | EventType::PaymentReceived
        | EventType::PaymentUnmatched
        | EventType::PaymentRefunded
        | EventType::GiftListed
        | EventType::GiftDelisted
        | EventType::MessageSent
        | EventType::MessagesRead => 1,
    }
}

/// An event as stored: its type, the schema version, the payload.
pub fn encode(event: &Event) -> (EventType, u8, Vec<u8>) {
    let mut payload = Vec::new();
    encode_into(event, &mut payload);
    (event.event_type(), schema(event.event_type()), payload)
}

/// Appends an event's payload to a buffer.
pub fn encode_into(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::CoinsAdjusted(e) => write(e, out),
        Event::GiftSent(e) => write(e, out),
        Event::ComboRepeated(e) => write(e, out),
        Event::ComboEnded(e) => write(e, out),
        Event::CommandRefused(e) => write(e, out),
        Event::Followed(e) => write(e, out),
        Event::Unfollowed(e) => write(e, out),
        Event::Blocked(e) => write(e, out),
        Event::Unblocked(e) => write(e, out),
        Event::LiveStarted(e) => write(e, out),
        Event::LiveStopped(e) => write(e, out),
        Event::TicketsCredited(e) => write(e, out),
        Event::ChatSent(e) => write(e, out),
        Event::Muted(e) => write(e, out),
        Event::Unmuted(e) => write(e, out),
        Event::Kicked(e) => write(e, out),
        Event::Banned(e) => write(e, out),
        Event::Unbanned(e) => write(e, out),
        Event::SlowModeSet(e) => write(e, out),
        Event::FollowersOnlySet(e) => write(e, out),
        Event::NoticePosted(e) => write(e, out),
        Event::Pinned(e) => write(e, out),
        Event::Unpinned(e) => write(e, out),
        Event::ModeratorAdded(e) => write(e, out),
        Event::ModeratorRemoved(e) => write(e, out),
        Event::LikesCounted(e) => write(e, out),
        Event::SettlementAdvanced(e) => write(e, out),
        Event::CoinsRecharged(e) => write(e, out),
        Event::CoinsTakenBack(e) => write(e, out),
        Event::DebtForgiven(e) => write(e, out),
        Event::TicketsAdjusted(e) => write(e, out),
        Event::WithdrawalRequested(e) => write(e, out),
        Event::WithdrawalRefused(e) => write(e, out),
        Event::WithdrawalApproved(e) => write(e, out),
        Event::WithdrawalRejected(e) => write(e, out),
        Event::WithdrawalSubmitted(e) => write(e, out),
        Event::WithdrawalPaid(e) => write(e, out),
        Event::WithdrawalFailed(e) => write(e, out),
        Event::ProcessAdvanced(e) => write(e, out),
        Event::OrderCreated(e) => write(e, out),
        Event::OrderCancelled(e) => write(e, out),
        Event::OrderPaid(e) => write(e, out),
        Event::OrderRefunded(e) => write(e, out),
        Event::PaymentReceived(e) => write(e, out),
        Event::PaymentUnmatched(e) => write(e, out),
        Event::PaymentRefunded(e) => write(e, out),
        Event::GiftListed(e) => write(e, out),
        Event::GiftDelisted(e) => write(e, out),
        Event::MessageSent(e) => write(e, out),
        Event::MessagesRead(e) => write(e, out),
    }
}

/// The event of a record, in its present shape whatever the schema version it was written in.
///
/// # Errors
/// [`Error::Undecodable`] for a schema version that this program does not know, or bytes that are no such event.
pub fn decode(record: &RecordRef<'_>) -> Result<Event> {
    decode_payload(record.event_type, record.schema, record.payload).map_err(|what| Error::Undecodable {
        position: record.position,
        stream: record.stream(),
        what,
    })
}

/// The event of a payload; the error says what is wrong with it.
pub fn decode_payload(
    event_type: EventType,
    schema: u8,
    payload: &[u8],
) -> std::result::Result<Event, String> {
    from_bytes(event_type, schema, &Binary(payload))
}

/// An event for people and other tools: one JSON object, with the event's name as `type`.
pub fn to_json(event: &Event) -> String {
    let json = serde_json::to_string(event);
    debug_assert!(
        json.is_ok(),
        "events are plain structs: writing one to memory cannot fail"
    );
    json.unwrap_or_default()
}

/// Reads what [`to_json`] of this schema version wrote; the error says what is wrong with it.
pub fn from_json(schema: u8, json: &str) -> std::result::Result<Event, String> {
    #[derive(serde::Deserialize)]
    struct Tag<'a> {
        #[serde(rename = "type")]
        name: &'a str,
    }
    let tag: Tag<'_> = serde_json::from_str(json).map_err(|e| e.to_string())?;
    let event_type = EventType::ALL
        .iter()
        .find(|t| t.name() == tag.name)
        .ok_or_else(|| format!("events of type {:?} are not known to this program", tag.name))?;
    from_bytes(*event_type, schema, &Json(json))
}

/// A way of writing payloads.
trait Encoding {
    fn read<T: DeserializeOwned + Into<Event>>(&self) -> std::result::Result<Event, String>;
}

struct Binary<'a>(&'a [u8]);

impl Encoding for Binary<'_> {
    fn read<T: DeserializeOwned + Into<Event>>(&self) -> std::result::Result<Event, String> {
        match postcard::take_from_bytes::<T>(self.0) {
            Ok((event, [])) => Ok(event.into()),
            Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
            Err(error) => Err(error.to_string()),
        }
    }
}

struct Json<'a>(&'a str);

impl Encoding for Json<'_> {
    fn read<T: DeserializeOwned + Into<Event>>(&self) -> std::result::Result<Event, String> {
        serde_json::from_str::<T>(self.0)
            .map(Into::into)
            .map_err(|e| e.to_string())
    }
}

/// Shapes that are written no more, and what they are raised to.
mod old {
    use domain::event::{ChatSent, Followed, Role};
    use domain::{Event, UserId};

    /// Before rooms had moderators.
    #[derive(serde::Deserialize)]
    pub(super) struct ChatSentV1 {
        user: UserId,
        text: String,
    }

    impl From<ChatSentV1> for Event {
        fn from(ChatSentV1 { user, text }: ChatSentV1) -> Self {
            let role = Role::Viewer;
            ChatSent { user, text, role }.into()
        }
    }

    /// Before there were blocks.
    #[derive(serde::Deserialize)]
    pub(super) struct FollowedV1 {
        streamer: UserId,
    }

    impl From<FollowedV1> for Event {
        fn from(FollowedV1 { streamer }: FollowedV1) -> Self {
            let cleared = 0;
            Followed { streamer, cleared }.into()
        }
    }
}

/// Every type and version that was ever written; a version that is old gets its own line, which raises it.
fn from_bytes(
    event_type: EventType,
    schema: u8,
    bytes: &impl Encoding,
) -> std::result::Result<Event, String> {
    use domain::event as e;
    match (event_type, schema) {
        (EventType::CoinsAdjusted, 1) => bytes.read::<e::CoinsAdjusted>(),
        (EventType::GiftSent, 1) => bytes.read::<e::GiftSent>(),
        (EventType::ComboRepeated, 1) => bytes.read::<e::ComboRepeated>(),
        (EventType::ComboEnded, 1) => bytes.read::<e::ComboEnded>(),
        (EventType::CommandRefused, 1) => bytes.read::<e::CommandRefused>(),
        (EventType::Followed, 1) => bytes.read::<old::FollowedV1>(),
        (EventType::Followed, 2) => bytes.read::<e::Followed>(),
        (EventType::Unfollowed, 1) => bytes.read::<e::Unfollowed>(),
        (EventType::Blocked, 1) => bytes.read::<e::Blocked>(),
        (EventType::Unblocked, 1) => bytes.read::<e::Unblocked>(),
        (EventType::LiveStarted, 1) => bytes.read::<e::LiveStarted>(),
        (EventType::LiveStopped, 1) => bytes.read::<e::LiveStopped>(),
        (EventType::TicketsCredited, 1) => bytes.read::<e::TicketsCredited>(),
        (EventType::ChatSent, 1) => bytes.read::<old::ChatSentV1>(),
        (EventType::ChatSent, 2) => bytes.read::<e::ChatSent>(),
        (EventType::Muted, 1) => bytes.read::<e::Muted>(),
        (EventType::Unmuted, 1) => bytes.read::<e::Unmuted>(),
        (EventType::Kicked, 1) => bytes.read::<e::Kicked>(),
        (EventType::Banned, 1) => bytes.read::<e::Banned>(),
        (EventType::Unbanned, 1) => bytes.read::<e::Unbanned>(),
        (EventType::SlowModeSet, 1) => bytes.read::<e::SlowModeSet>(),
        (EventType::FollowersOnlySet, 1) => bytes.read::<e::FollowersOnlySet>(),
        (EventType::NoticePosted, 1) => bytes.read::<e::NoticePosted>(),
        (EventType::Pinned, 1) => bytes.read::<e::Pinned>(),
        (EventType::Unpinned, 1) => bytes.read::<e::Unpinned>(),
        (EventType::ModeratorAdded, 1) => bytes.read::<e::ModeratorAdded>(),
        (EventType::ModeratorRemoved, 1) => bytes.read::<e::ModeratorRemoved>(),
        (EventType::LikesCounted, 1) => bytes.read::<e::LikesCounted>(),
        (EventType::SettlementAdvanced, 1) => bytes.read::<e::SettlementAdvanced>(),
        (EventType::CoinsRecharged, 1) => bytes.read::<e::CoinsRecharged>(),
        (EventType::CoinsTakenBack, 1) => bytes.read::<e::CoinsTakenBack>(),
        (EventType::DebtForgiven, 1) => bytes.read::<e::DebtForgiven>(),
        (EventType::TicketsAdjusted, 1) => bytes.read::<e::TicketsAdjusted>(),
        (EventType::WithdrawalRequested, 1) => bytes.read::<e::WithdrawalRequested>(),
        (EventType::WithdrawalRefused, 1) => bytes.read::<e::WithdrawalRefused>(),
        (EventType::WithdrawalApproved, 1) => bytes.read::<e::WithdrawalApproved>(),
        (EventType::WithdrawalRejected, 1) => bytes.read::<e::WithdrawalRejected>(),
        (EventType::WithdrawalSubmitted, 1) => bytes.read::<e::WithdrawalSubmitted>(),
        (EventType::WithdrawalPaid, 1) => bytes.read::<e::WithdrawalPaid>(),
        (EventType::WithdrawalFailed, 1) => bytes.read::<e::WithdrawalFailed>(),
        (EventType::ProcessAdvanced, 1) => bytes.read::<e::ProcessAdvanced>(),
        (EventType::OrderCreated, 1) => bytes.read::<e::OrderCreated>(),
        (EventType::OrderCancelled, 1) => bytes.read::<e::OrderCancelled>(),
        (EventType::OrderPaid, 1) => bytes.read::<e::OrderPaid>(),
        (EventType::OrderRefunded, 1) => bytes.read::<e::OrderRefunded>(),
        (EventType::PaymentReceived, 1) => bytes.read::<e::PaymentReceived>(),
        (EventType::PaymentUnmatched, 1) => bytes.read::<e::PaymentUnmatched>(),
        (EventType::PaymentRefunded, 1) => bytes.read::<e::PaymentRefunded>(),
        (EventType::GiftListed, 1) => bytes.read::<e::GiftListed>(),
        (EventType::GiftDelisted, 1) => bytes.read::<e::GiftDelisted>(),
        (EventType::MessageSent, 1) => bytes.read::<e::MessageSent>(),
        (EventType::MessagesRead, 1) => bytes.read::<e::MessagesRead>(),
        (known, _) => Err(format!(
            "{} of schema {schema} is not known to this program: use a newer one",
            known.name()
        )),
    }
}
