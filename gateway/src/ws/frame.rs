//! WebSocket frames as bytes: what the server writes, and messages out of what it reads. No socket here; never lets a
//! message grow beyond its limit before it is refused.

use std::io::IoSlice;

use actix_http::ws::{Codec, Frame as Parsed, Item, ProtocolError};
use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use crate::connection::Inbound;
use crate::error::Disconnect;
use crate::limits::{CLOSE_REASON_BYTES_MAX, READ_BYTES_AT_ONCE};
use crate::protocol::Format;

const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PONG: u8 = 0xA;

/// Longest head of a frame that a server sends.
const HEAD_BYTES_MAX: usize = 10;

/// Longest head of a frame that a client sends: it has a mask.
const MASKED_HEAD_BYTES_MAX: usize = HEAD_BYTES_MAX + 4;

/// Longest payload of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;

/// The head of a frame: final, unmasked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    length: u8,
}

impl Head {
    /// Of one whole message of the session.
    pub(crate) fn of_message(format: Format, payload_length: usize) -> Self {
        let opcode = match format {
            Format::Json => OPCODE_TEXT,
            Format::Protobuf => OPCODE_BINARY,
        };
        Self::new(opcode, payload_length)
    }

    fn new(opcode: u8, payload_length: usize) -> Self {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let mut rest = &mut bytes[..];
        rest.put_u8(0x80 | opcode);
        match payload_length {
            length @ ..126 => rest.put_u8(length as u8),
            length @ 126..=0xffff => {
                rest.put_u8(126);
                rest.put_u16(length as u16);
            }
            length => {
                rest.put_u8(127);
                rest.put_u64(length as u64);
            }
        }
        let length = (HEAD_BYTES_MAX - rest.len()) as u8;
        Self { bytes, length }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// Bytes on their way to a socket: a short head, and a payload that may be shared with other sockets.
#[derive(Debug)]
pub(crate) struct Frame {
    head: Head,
    payload: Bytes,
    /// Of both together.
    written: usize,
}

impl Frame {
    /// A message of the session, of which `written` bytes (the head included) are out already.
    pub(crate) fn message(format: Format, payload: Bytes, written: usize) -> Self {
        let head = Head::of_message(format, payload.len());
        Self {
            head,
            payload,
            written,
        }
    }

    /// The answer to a ping.
    pub(crate) fn pong(payload: Bytes) -> Self {
        Self::control(OPCODE_PONG, payload)
    }

    /// The end, with its number and its reason, which is cut to what a control frame holds.
    pub(crate) fn close(why: &Disconnect) -> Self {
        let reason = &why.reason[..why.reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
        let mut payload = BytesMut::with_capacity(2 + reason.len());
        payload.put_u16(why.code);
        payload.put_slice(reason.as_bytes());
        Self::control(OPCODE_CLOSE, payload.freeze())
    }

    /// The answer to the peer's close frame.
    pub(crate) fn close_echo(payload: Bytes) -> Self {
        Self::control(OPCODE_CLOSE, payload)
    }

    fn control(opcode: u8, payload: Bytes) -> Self {
        let head = Head::new(opcode, payload.len());
        Self {
            head,
            payload,
            written: 0,
        }
    }

    /// What is still to be written.
    pub(crate) fn rest(&self) -> [IoSlice<'_>; 2] {
        let head = self.head.as_bytes();
        let of_head = self.written.min(head.len());
        let of_payload = self.written - of_head;
        [
            IoSlice::new(&head[of_head..]),
            IoSlice::new(&self.payload[of_payload..]),
        ]
    }

    /// So many more bytes are out.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.written += bytes;
    }

    /// Nothing of it is left to be written.
    pub(crate) fn is_written(&self) -> bool {
        self.written >= self.head.as_bytes().len() + self.payload.len()
    }
}

/// Bytes of the socket made into messages.
pub(crate) struct Reader {
    codec: Codec,
    buffer: BytesMut,
    /// Pieces of a fragmented message.
    partial: BytesMut,
    bytes_max: usize,
    /// The newest ping to answer: a flood of them gets one pong.
    pub(crate) pong: Option<Bytes>,
    /// What to echo of the peer's close frame.
    pub(crate) peer_close: Option<Bytes>,
}

impl Reader {
    /// `beyond`: what was read beyond the handshake.
    pub(crate) fn new(beyond: &[u8], bytes_max: usize) -> Self {
        Self {
            codec: Codec::new().max_size(bytes_max),
            buffer: BytesMut::from(beyond),
            partial: BytesMut::new(),
            bytes_max,
            pong: None,
            peer_close: None,
        }
    }

    /// More of the socket.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, or what ends the connection. `None` = not enough was read.
    pub(crate) fn next(&mut self) -> Option<Inbound> {
        loop {
            match self.decode() {
                Ok(Some(frame)) => {
                    if let Some(inbound) = self.take(frame) {
                        return Some(inbound);
                    }
                }
                Ok(None) => {
                    if self.buffer.is_empty() {
                        // Messages keep slices of the old allocation; an idle socket keeps none.
                        self.buffer = BytesMut::new();
                    }
                    return None;
                }
                Err(why) => return Some(Inbound::Failed(why)),
            }
        }
    }

    /// The next frame, refused by what its head announces: the codec minds a length only when all of the frame is here.
    fn decode(&mut self) -> Result<Option<Parsed>, Disconnect> {
        if let Some((is_control, bytes)) = announced(&self.buffer) {
            if is_control && bytes > CONTROL_BYTES_MAX {
                return Err(Disconnect::WEBSOCKET_PROTOCOL);
            }
            if bytes > self.bytes_max as u64 {
                return Err(Disconnect::MESSAGE_TOO_BIG);
            }
        }
        let waiting_max = self.bytes_max + MASKED_HEAD_BYTES_MAX + READ_BYTES_AT_ONCE;
        match self.codec.decode(&mut self.buffer) {
            Ok(None) if self.buffer.len() > waiting_max => Err(Disconnect::MESSAGE_TOO_BIG),
            Ok(frame) => Ok(frame),
            Err(ProtocolError::Overflow) => Err(Disconnect::MESSAGE_TOO_BIG),
            Err(_) => Err(Disconnect::WEBSOCKET_PROTOCOL),
        }
    }

    /// Looks for the peer's close frame only; what it says otherwise is thrown away.
    pub(crate) fn peer_closed(&mut self) -> bool {
        loop {
            match self.decode() {
                Ok(Some(Parsed::Close(_))) => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => {
                    // Already broken, or too much: only the end of the stream counts.
                    self.buffer = BytesMut::new();
                    return false;
                }
            }
        }
    }

    /// Makes a message of a frame. `None` = not yet, or a control frame.
    fn take(&mut self, frame: Parsed) -> Option<Inbound> {
        match frame {
            Parsed::Text(message) | Parsed::Binary(message) => Some(Inbound::Message(message)),
            Parsed::Continuation(item) => {
                let (piece, last) = match item {
                    Item::FirstText(piece) | Item::FirstBinary(piece) | Item::Continue(piece) => {
                        (piece, false)
                    }
                    Item::Last(piece) => (piece, true),
                };
                if self.partial.len() + piece.len() > self.bytes_max {
                    return Some(Inbound::Failed(Disconnect::MESSAGE_TOO_BIG));
                }
                self.partial.extend_from_slice(&piece);
                last.then(|| Inbound::Message(std::mem::take(&mut self.partial).freeze()))
            }
            Parsed::Ping(payload) => {
                self.pong = Some(payload);
                None
            }
            Parsed::Pong(_) => None,
            Parsed::Close(reason) => {
                let code = reason.map(|reason| u16::from(reason.code).to_be_bytes());
                self.peer_close = Some(code.map_or_else(Bytes::new, |code| Bytes::copy_from_slice(&code)));
                Some(Inbound::Gone)
            }
        }
    }
}

/// What the head at the front of `bytes` says of its frame: is it a control frame, and how long is its payload? `None` =
/// not all of that is here.
fn announced(bytes: &[u8]) -> Option<(bool, u64)> {
    let is_control = bytes.first()? & 0x08 != 0;
    let length = match bytes.get(1)? & 0x7f {
        126 => u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        127 => u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?),
        length => u64::from(length),
    };
    Some((is_control, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 65_536;

    /// A masked head that announces so many bytes.
    fn head(opcode: u8, payload_length: usize) -> Vec<u8> {
        let mut head = Head::new(opcode, payload_length).as_bytes().to_vec();
        head[1] |= 0x80;
        head.extend_from_slice(&[0; 4]);
        head
    }

    fn refused(head: &[u8]) -> Option<u16> {
        let mut reader = Reader::new(head, BYTES_MAX);
        match reader.next() {
            Some(Inbound::Failed(why)) => Some(why.code),
            None => None,
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frame_is_refused_by_its_head_before_any_of_it_is_collected() {
        for (what, head, code) in [
            ("a terabyte", head(OPCODE_TEXT, 1 << 40), Some(1009)),
            ("one too many", head(OPCODE_BINARY, BYTES_MAX + 1), Some(1009)),
            ("a piece of a terabyte", head(0, 1 << 40), Some(1009)),
            ("as much as fits", head(OPCODE_TEXT, BYTES_MAX), None),
            ("a long ping", head(0x9, 126), Some(1002)),
            ("a ping of a terabyte", head(0x9, 1 << 40), Some(1002)),
            ("a ping as long as may be", head(0x9, 125), None),
        ] {
            assert_eq!(refused(&head), code, "{what}");
            let with_a_little = [&head[..], b"abc"].concat();
            assert_eq!(refused(&with_a_little), code, "{what}, begun");
        }
        assert_eq!(refused(&head(OPCODE_TEXT, 1 << 40)[..9]), None, "half a head");
    }

    #[test]
    fn while_the_peers_close_is_awaited_nothing_large_is_collected() {
        let mut reader = Reader::new(&head(OPCODE_TEXT, 1 << 40), BYTES_MAX);
        for _ in 0..100 {
            assert!(!reader.peer_closed());
            assert!(reader.buffer.capacity() <= 2 * (BYTES_MAX + READ_BYTES_AT_ONCE));
            reader.push(&[0; READ_BYTES_AT_ONCE]);
        }
    }

    fn written(mut frame: Frame, at_once: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !frame.is_written() {
            let rest: Vec<u8> = frame.rest().iter().flat_map(|slice| slice.to_vec()).collect();
            let bytes = rest.len().min(at_once);
            out.extend_from_slice(&rest[..bytes]);
            frame.advance(bytes);
        }
        out
    }

    #[test]
    fn a_frame_is_the_same_bytes_however_little_the_socket_takes_at_once() {
        for length in [0, 1, 125, 126, 300, 0xffff, 0x1_0000] {
            let payload = Bytes::from(vec![b'x'; length]);
            let whole = written(Frame::message(Format::Json, payload.clone(), 0), usize::MAX);
            assert_eq!(
                whole.len() - length,
                if length < 126 {
                    2
                } else if length < 0x1_0000 {
                    4
                } else {
                    10
                }
            );
            for at_once in [1, 3, 7] {
                let again = written(Frame::message(Format::Json, payload.clone(), 0), at_once);
                assert!(again == whole, "{length} bytes, {at_once} at once");
            }
            let rest = written(Frame::message(Format::Json, payload, 2), usize::MAX);
            assert!(rest == whole[2..], "{length} bytes, 2 of them out before");
        }
    }

    #[test]
    fn a_close_frame_holds_its_code_and_a_reason_cut_between_characters() {
        let why = Disconnect::new(4001, "ä".repeat(100));
        let bytes = written(Frame::close(&why), usize::MAX);
        assert_eq!(bytes[..4], [0x88, 124, 0x0f, 0xa1]);
        assert_eq!(std::str::from_utf8(&bytes[4..]), Ok("ä".repeat(61).as_str()));
    }
}
