//! A record: one event with everything known about it.

use bytes::Bytes;
use compact_str::CompactString;
use domain::event::EventType;
use domain::{StreamId, StreamKind};
use serde::{Deserialize, Serialize};

use crate::Position;

/// Why a record was written: the command, and who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The client's idempotency key; none for events that no client asked for (a combo that ran out, a settlement).
    pub command_id: Option<CompactString>,
    /// A digest of the request's body, so that a reused id with another body is seen; 0 without a command id.
    pub request_hash: u64,
    /// The user or the part of the system that caused it, such as `42`, `admin.kim`, `settlement`.
    pub actor: CompactString,
}

/// One record, borrowed from the batch it was read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Where it stands.
    pub position: Position,
    /// Kind of the stream it belongs to.
    pub kind: StreamKind,
    /// Key of that stream.
    pub key: &'a str,
    /// Its place in that stream, counted from 1.
    pub version: u64,
    /// Server time in unix ms; never goes back within a shard.
    pub recorded_at_ms: i64,
    /// The client's idempotency key, if a client asked for it.
    pub command_id: Option<&'a str>,
    /// Digest of the request's body; 0 without a command id.
    pub request_hash: u64,
    /// Who caused it.
    pub actor: &'a str,
    /// What happened.
    pub event_type: EventType,
    /// The schema version its payload is written in.
    pub schema: u8,
    /// The event, encoded; [`crate::codec::decode`] reads it.
    pub payload: &'a [u8],
}

/// One record that stands on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in that stream, counted from 1.
    pub version: u64,
    /// Server time in unix ms; never goes back within a shard.
    pub recorded_at_ms: i64,
    /// Why it was written.
    pub cause: Cause,
    /// What happened.
    pub event_type: EventType,
    /// The schema version its payload is written in.
    pub schema: u8,
    /// The event, encoded.
    pub payload: Bytes,
}

impl RecordRef<'_> {
    /// The stream it belongs to.
    pub fn stream(&self) -> StreamId {
        StreamId::new(self.kind, self.key)
    }

    /// A copy that stands on its own.
    pub fn to_record(&self) -> Record {
        Record {
            position: self.position,
            stream: self.stream(),
            version: self.version,
            recorded_at_ms: self.recorded_at_ms,
            cause: Cause {
                command_id: self.command_id.map(CompactString::new),
                request_hash: self.request_hash,
                actor: CompactString::new(self.actor),
            },
            event_type: self.event_type,
            schema: self.schema,
            payload: Bytes::copy_from_slice(self.payload),
        }
    }
}

impl Record {
    /// The same record, borrowed.
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef {
            position: self.position,
            kind: self.stream.kind,
            key: &self.stream.key,
            version: self.version,
            recorded_at_ms: self.recorded_at_ms,
            command_id: self.cause.command_id.as_deref(),
            request_hash: self.cause.request_hash,
            actor: &self.cause.actor,
            event_type: self.event_type,
            schema: self.schema,
            payload: &self.payload,
        }
    }
}
