//! What a channel sends at once, encoded once for all who speak alike and shared by them. A batch never changes: who can
//! take only a part of it gets a smaller one of its own. Never reorders.

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::{Address, Format, Push, append_encoded, append_push};
use crate::publication::{Class, ClientInfo, ENVELOPE_BYTES, Publication};
use crate::ws::Head;

/// Names one channel for as long as it lives in the hub; also what pushes may name it by.
pub(crate) type ChannelId = u64;

/// What a part may suffer, in the order in which they go under pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Trifle,
    Ephemeral,
    State,
    Durable,
}

/// Ranks that may go at any time, in their order.
pub(crate) const EPHEMERAL_RANKS: [Rank; 2] = [Rank::Trifle, Rank::Ephemeral];

/// How a subscription hears its channel. All who hear it alike share bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) format: Format,
    /// Pushes name the channel by its number.
    pub(crate) compact: bool,
}

impl Dialect {
    pub(crate) const COUNT: usize = 4;

    pub(crate) fn index(self) -> usize {
        usize::from(self.format == Format::Protobuf) * 2 + usize::from(self.compact)
    }
}

/// Copies of one channel that a client lost and has not been told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) ephemeral: u32,
    pub(crate) state: u32,
}

impl Skipped {
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.ephemeral = self.ephemeral.saturating_add(other.ephemeral);
        self.state = self.state.saturating_add(other.state);
    }

    /// Counts a copy that is lost; durable ones are not lost but recovered.
    pub(crate) fn count(&mut self, rank: Rank) {
        match rank {
            Rank::Trifle | Rank::Ephemeral => self.ephemeral = self.ephemeral.saturating_add(1),
            Rank::State => self.state = self.state.saturating_add(1),
            Rank::Durable => {}
        }
    }
}

/// One thing a channel says.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) rank: Rank,
    said: Said,
}

#[derive(Clone, Debug)]
enum Said {
    Publication(Publication),
    Join(Arc<ClientInfo>),
    Leave(Arc<ClientInfo>),
}

impl Item {
    pub(crate) fn publication(class: Class, publication: Publication) -> Self {
        let rank = match class {
            Class::Durable => Rank::Durable,
            Class::State => Rank::State,
            Class::Ephemeral if publication.handling.first_to_go => Rank::Trifle,
            Class::Ephemeral => Rank::Ephemeral,
        };
        let said = Said::Publication(publication);
        Self { rank, said }
    }

    pub(crate) fn join(info: Arc<ClientInfo>) -> Self {
        Self {
            rank: Rank::Ephemeral,
            said: Said::Join(info),
        }
    }

    pub(crate) fn leave(info: Arc<ClientInfo>) -> Self {
        Self {
            rank: Rank::Ephemeral,
            said: Said::Leave(info),
        }
    }

    /// About what it weighs on the wire, the channel's name apart.
    pub(crate) fn weight_bytes(&self) -> usize {
        match &self.said {
            Said::Publication(publication) => publication.weight_bytes(),
            Said::Join(info) | Said::Leave(info) => ENVELOPE_BYTES + info.weight_bytes(),
        }
    }

    fn push(&self) -> Push<'_> {
        match &self.said {
            Said::Publication(publication) => Push::Publication(publication),
            Said::Join(info) => Push::Join(info),
            Said::Leave(info) => Push::Leave(info),
        }
    }

    fn offset(&self) -> u64 {
        match &self.said {
            Said::Publication(publication) => publication.offset.unwrap_or(0),
            Said::Join(_) | Said::Leave(_) => 0,
        }
    }

    /// The payload to which each client's losses are to be added.
    fn telling(&self) -> Option<Bytes> {
        match &self.said {
            Said::Publication(publication)
                if self.rank == Rank::State && publication.handling.tells_losses =>
            {
                Some(publication.data.clone())
            }
            _ => None,
        }
    }
}

/// One item within a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) rank: Rank,
    start: u32,
    end: u32,
    /// 0 = outside the stream.
    pub(crate) offset: u64,
}

impl Part {
    pub(crate) fn length(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// What a channel sends at once, in one dialect. Holds one state part at most.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) channel: Arc<str>,
    id: ChannelId,
    dialect: Dialect,
    /// A whole frame of a WebSocket, so that nobody puts a head before the same bytes again for each socket.
    frame: Bytes,
    head_bytes: usize,
    parts: Box<[Part]>,
    telling: Option<Bytes>,
}

impl Batch {
    pub(crate) fn encode(channel: &Arc<str>, id: ChannelId, dialect: Dialect, items: &[Item]) -> Arc<Self> {
        let weight_bytes: usize = items.iter().map(Item::weight_bytes).sum();
        let mut bytes = BytesMut::with_capacity(weight_bytes + items.len() * channel.len());
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            let before = bytes.len();
            let address = address(channel, id, dialect);
            append_push(dialect.format, &mut bytes, address, &item.push());
            let separator = usize::from(dialect.format == Format::Json && before > 0);
            parts.push(Part {
                rank: item.rank,
                start: (before + separator) as u32,
                end: bytes.len() as u32,
                offset: item.offset(),
            });
        }
        let (frame, head_bytes) = framed(dialect.format, &bytes);
        Arc::new(Self {
            channel: channel.clone(),
            id,
            dialect,
            frame,
            head_bytes,
            parts: parts.into(),
            telling: items.iter().find_map(Item::telling),
        })
    }

    /// Bytes on the wire, framing apart.
    pub(crate) fn len(&self) -> usize {
        self.frame.len() - self.head_bytes
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// All of it, to be sent as one message.
    pub(crate) fn bytes(&self) -> Bytes {
        self.frame.slice(self.head_bytes..)
    }

    /// The same with the head of its WebSocket frame.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Is something in it that a client which knows everything up to `floor` has already?
    pub(crate) fn repeats(&self, floor: u64) -> bool {
        let known = |part: &Part| part.offset > 0 && part.offset <= floor;
        self.parts.iter().any(known)
    }

    /// Bytes of one rank.
    pub(crate) fn bytes_of(&self, rank: Rank) -> usize {
        let parts = self.parts.iter().filter(|part| part.rank == rank);
        parts.map(|part| part.length()).sum()
    }

    pub(crate) fn has(&self, rank: Rank) -> bool {
        self.parts.iter().any(|part| part.rank == rank)
    }

    /// Its last place in the stream, 0 if it has none.
    pub(crate) fn last_offset(&self) -> u64 {
        self.parts.iter().map(|part| part.offset).max().unwrap_or(0)
    }

    /// Only what is to be kept, in bytes of its own, so that the rest can be freed. `None` = nothing.
    pub(crate) fn keep(&self, keep: impl Fn(&Part) -> bool) -> Option<Arc<Self>> {
        let mut bytes = BytesMut::new();
        let mut parts = Vec::new();
        for part in self.parts.iter().filter(|part| keep(part)) {
            append_encoded(self.dialect.format, &mut bytes, self.slice(*part));
            let end = bytes.len() as u32;
            let start = end - part.length() as u32;
            parts.push(Part { start, end, ..*part });
        }
        if parts.is_empty() {
            return None;
        }
        let has_state = parts.iter().any(|part| part.rank == Rank::State);
        let (frame, head_bytes) = framed(self.dialect.format, &bytes);
        Some(Arc::new(Self {
            channel: self.channel.clone(),
            id: self.id,
            dialect: self.dialect,
            frame,
            head_bytes,
            parts: parts.into(),
            telling: self.telling.clone().filter(|_| has_state),
        }))
    }

    /// The bytes for a client that lost something. `None` = nothing in here tells.
    pub(crate) fn telling(&self, skipped: Skipped) -> Option<Bytes> {
        let payload = with_skipped(self.telling.as_ref()?, skipped)?;
        let publication = Publication::new(payload);
        let mut bytes = BytesMut::with_capacity(self.len() + 64);
        for part in &*self.parts {
            if part.rank == Rank::State {
                let address = address(&self.channel, self.id, self.dialect);
                let push = Push::Publication(&publication);
                append_push(self.dialect.format, &mut bytes, address, &push);
            } else {
                append_encoded(self.dialect.format, &mut bytes, self.slice(*part));
            }
        }
        Some(bytes.freeze())
    }

    fn slice(&self, part: Part) -> &[u8] {
        &self.frame[self.head_bytes..][part.start as usize..part.end as usize]
    }
}

/// A message as one frame, and how much of that is the head.
fn framed(format: Format, payload: &[u8]) -> (Bytes, usize) {
    let head = Head::of_message(format, payload.len());
    let frame = [head.as_bytes(), payload].concat();
    (frame.into(), head.as_bytes().len())
}

fn address(channel: &str, id: ChannelId, dialect: Dialect) -> Address<'_> {
    if dialect.compact {
        Address::Id(id)
    } else {
        Address::Name(channel)
    }
}

/// A JSON object with one more member; `None` = it is no object.
fn with_skipped(object: &[u8], skipped: Skipped) -> Option<Bytes> {
    let body = object.trim_ascii().strip_suffix(b"}")?;
    let members = body.strip_prefix(b"{")?;
    let counts: Vec<_> = [("ephemeral", skipped.ephemeral), ("state", skipped.state)]
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| format!("\"{class}\":{count}"))
        .collect();
    let mut with = BytesMut::with_capacity(object.len() + 64);
    with.put_slice(body);
    if !members.trim_ascii().is_empty() {
        with.put_u8(b',');
    }
    with.put_slice(format!("\"skipped\":{{{}}}}}", counts.join(",")).as_bytes());
    Some(with.freeze())
}

/// The same items in every dialect that somebody hears, each encoded when first needed.
pub(crate) struct Encoded<'a> {
    channel: &'a Arc<str>,
    id: ChannelId,
    items: &'a [Item],
    batches: [OnceCell<Arc<Batch>>; Dialect::COUNT],
}

impl<'a> Encoded<'a> {
    pub(crate) fn new(channel: &'a Arc<str>, id: ChannelId, items: &'a [Item]) -> Self {
        Self {
            channel,
            id,
            items,
            batches: Default::default(),
        }
    }

    pub(crate) fn get(&self, dialect: Dialect) -> &Arc<Batch> {
        self.batches[dialect.index()]
            .get_or_init(|| Batch::encode(self.channel, self.id, dialect, self.items))
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
