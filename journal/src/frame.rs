//! The bytes of one record: the same on disk, in a batch and in memory.
//!
//! A frame is a fixed head, then key, actor, command id and payload without gaps; numbers are little-endian. Its
//! checksum covers the body first and the head last, so that the thread that encodes a record and the thread that
//! gives it its position each do their own part. Nothing here trusts a byte that it has not checked, and nothing here
//! does I/O.

use domain::event::EventType;
use domain::{StreamId, StreamKind};

use crate::limits::{ACTOR_BYTES_MAX, COMMAND_ID_BYTES_MAX, STREAM_KEY_BYTES_MAX};
use crate::{Cause, Position, RecordRef};

/// Bytes of a frame's head.
pub(crate) const HEAD_BYTES: usize = 48;
const LENGTH_AT: usize = 4;
const SEQUENCE_AT: usize = 8;
const VERSION_AT: usize = 16;
const RECORDED_AT: usize = 24;
const HASH_AT: usize = 32;
const TYPE_AT: usize = 40;
const KIND_AT: usize = 42;
const SCHEMA_AT: usize = 43;
const KEY_LENGTH_AT: usize = 44;
const ACTOR_LENGTH_AT: usize = 45;
const COMMAND_LENGTH_AT: usize = 46;
/// The length of a command id that is not there.
const NO_COMMAND: u16 = u16::MAX;

/// What is wrong with the bytes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Where the record starts, in bytes from the start of what was checked.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads a little-endian number at a place that the caller knows to exist.
macro_rules! number {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(bytes: &[u8], at: usize) -> $type {
            let mut number = [0; size_of::<$type>()];
            number.copy_from_slice(&bytes[at..at + size_of::<$type>()]);
            <$type>::from_le_bytes(number)
        }
    };
}
number!(u16_at, u16);
number!(u32_at, u32);
number!(u64_at, u64);
number!(i64_at, i64);
number!(u128_at, u128);

fn put(bytes: &mut [u8], at: usize, number: &[u8]) {
    bytes[at..at + number.len()].copy_from_slice(number);
}

/// The first thing in an append that no frame can hold: its bytes and the limit.
pub(crate) fn oversized(stream: &StreamId, cause: &Cause) -> Option<(usize, usize)> {
    let command = cause.command_id.as_ref().map_or(0, |id| id.len());
    [
        (stream.key.len(), STREAM_KEY_BYTES_MAX),
        (cause.actor.len(), ACTOR_BYTES_MAX),
        (command, COMMAND_ID_BYTES_MAX),
    ]
    .into_iter()
    .find(|(bytes, bytes_max)| bytes > bytes_max)
}

/// Appends an unplaced frame: everything but position, version and time, its checksum over the body only. The payload
/// is written by `payload`. The lengths are within the limits, see [`oversized`].
pub(crate) fn push(
    out: &mut Vec<u8>,
    stream: (StreamKind, &str),
    cause: (Option<&str>, u64, &str),
    shape: (EventType, u8),
    payload: impl FnOnce(&mut Vec<u8>),
) {
    let (kind, key) = stream;
    let (command_id, request_hash, actor) = cause;
    let start = out.len();
    let mut head = [0; HEAD_BYTES];
    put(&mut head, HASH_AT, &request_hash.to_le_bytes());
    put(&mut head, TYPE_AT, &(shape.0 as u16).to_le_bytes());
    head[KIND_AT] = kind as u8;
    head[SCHEMA_AT] = shape.1;
    head[KEY_LENGTH_AT] = key.len() as u8;
    head[ACTOR_LENGTH_AT] = actor.len() as u8;
    let command_length = command_id.map_or(NO_COMMAND, |id| id.len() as u16);
    put(&mut head, COMMAND_LENGTH_AT, &command_length.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(actor.as_bytes());
    out.extend_from_slice(command_id.unwrap_or_default().as_bytes());
    payload(out);
    let body_crc = crc32c::crc32c(&out[start + HEAD_BYTES..]);
    let length = (out.len() - start) as u32;
    put(out, start, &body_crc.to_le_bytes());
    put(out, start + LENGTH_AT, &length.to_le_bytes());
}

/// Gives an unplaced frame its place and completes its checksum.
pub(crate) fn place(frame: &mut [u8], sequence: u64, version: u64, recorded_at_ms: i64) {
    put(frame, SEQUENCE_AT, &sequence.to_le_bytes());
    put(frame, VERSION_AT, &version.to_le_bytes());
    put(frame, RECORDED_AT, &recorded_at_ms.to_le_bytes());
    let body_crc = u32_at(frame, 0);
    let crc = crc32c::crc32c_append(body_crc, &frame[LENGTH_AT..HEAD_BYTES]);
    put(frame, 0, &crc.to_le_bytes());
}

/// The length in bytes of the frame that starts here; the bytes are known to be checked.
pub(crate) fn length(bytes: &[u8]) -> usize {
    u32_at(bytes, LENGTH_AT) as usize
}

/// The sequence of the frame that starts here; the bytes are known to be checked.
pub(crate) fn sequence(bytes: &[u8]) -> u64 {
    u64_at(bytes, SEQUENCE_AT)
}

/// The length that the frame at the start of `bytes` claims, if it can be read and is not absurd.
pub(crate) fn claimed_length(bytes: &[u8]) -> Option<usize> {
    (bytes.len() >= HEAD_BYTES)
        .then(|| length(bytes))
        .filter(|length| *length >= HEAD_BYTES)
}

/// Checks the frame at the start of `bytes`: length, checksum, texts, and that this program knows its numbers.
/// Returns its length in bytes.
pub(crate) fn check(bytes: &[u8]) -> std::result::Result<usize, String> {
    let Some(length) = claimed_length(bytes) else {
        return Err("a record's head is cut short".into());
    };
    if length > bytes.len() {
        return Err(format!(
            "a record of {length} bytes is cut short at {}",
            bytes.len()
        ));
    }
    let frame = &bytes[..length];
    let crc = crc32c::crc32c_append(
        crc32c::crc32c(&frame[HEAD_BYTES..]),
        &frame[LENGTH_AT..HEAD_BYTES],
    );
    if crc != u32_at(frame, 0) {
        return Err(format!(
            "a record's checksum is {:08x}, its bytes give {crc:08x}",
            u32_at(frame, 0)
        ));
    }
    let (texts, kind, event_type) = (text_end(frame), frame[KIND_AT], u16_at(frame, TYPE_AT));
    if texts > length || std::str::from_utf8(&frame[HEAD_BYTES..texts]).is_err() {
        return Err("a record's names are not text".into());
    }
    if StreamKind::from_number(kind).is_none() {
        return Err(format!(
            "streams of kind {kind} are not known to this program: use a newer one"
        ));
    }
    if EventType::from_number(event_type).is_none() {
        return Err(format!(
            "events of type {event_type} are not known to this program: use a newer one"
        ));
    }
    Ok(length)
}

fn text_end(frame: &[u8]) -> usize {
    let command = u16_at(frame, COMMAND_LENGTH_AT);
    let command = if command == NO_COMMAND {
        0
    } else {
        usize::from(command)
    };
    HEAD_BYTES + usize::from(frame[KEY_LENGTH_AT]) + usize::from(frame[ACTOR_LENGTH_AT]) + command
}

/// The stream of a frame that was checked.
pub(crate) fn stream(frame: &[u8]) -> StreamId {
    let names = names(frame);
    let kind = StreamKind::from_number(names.kind).unwrap_or(StreamKind::Viewer);
    StreamId::new(kind, std::str::from_utf8(names.key).unwrap_or_default())
}

/// What a record is found by, as bytes.
pub(crate) struct Names<'a> {
    pub(crate) kind: u8,
    pub(crate) key: &'a [u8],
    pub(crate) command: Option<&'a [u8]>,
    pub(crate) version: u64,
}

/// What the record at the start of `bytes` is found by; it was checked.
pub(crate) fn names(bytes: &[u8]) -> Names<'_> {
    let key_end = HEAD_BYTES + usize::from(bytes[KEY_LENGTH_AT]);
    let actor_end = key_end + usize::from(bytes[ACTOR_LENGTH_AT]);
    let command = match u16_at(bytes, COMMAND_LENGTH_AT) {
        NO_COMMAND => None,
        length => Some(&bytes[actor_end..actor_end + usize::from(length)]),
    };
    Names {
        kind: bytes[KIND_AT],
        key: &bytes[HEAD_BYTES..key_end],
        command,
        version: u64_at(bytes, VERSION_AT),
    }
}

/// Reads a frame that was checked. (What cannot be after the check reads as nothing, so that this cannot panic.)
pub(crate) fn read(frame: &[u8], shard: u16) -> RecordRef<'_> {
    let payload_at = text_end(frame);
    // One check for all three: it costs by the call.
    let texts = std::str::from_utf8(&frame[HEAD_BYTES..payload_at]).unwrap_or_default();
    let (key, rest) = texts
        .split_at_checked(usize::from(frame[KEY_LENGTH_AT]))
        .unwrap_or_default();
    let (actor, command) = rest
        .split_at_checked(usize::from(frame[ACTOR_LENGTH_AT]))
        .unwrap_or_default();
    let has_command = u16_at(frame, COMMAND_LENGTH_AT) != NO_COMMAND;
    RecordRef {
        position: Position {
            shard,
            sequence: sequence(frame),
        },
        kind: StreamKind::from_number(frame[KIND_AT]).unwrap_or(StreamKind::Viewer),
        key,
        version: u64_at(frame, VERSION_AT),
        recorded_at_ms: i64_at(frame, RECORDED_AT),
        command_id: has_command.then_some(command),
        request_hash: u64_at(frame, HASH_AT),
        actor,
        event_type: EventType::from_number(u16_at(frame, TYPE_AT)).unwrap_or(EventType::CommandRefused),
        schema: frame[SCHEMA_AT],
        payload: &frame[payload_at..],
    }
}
