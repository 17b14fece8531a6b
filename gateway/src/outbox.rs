//! What waits to be sent on one socket, bounded in bytes, and what is held back for subscriptions that are still being
//! opened. Pure data: no lock, no socket, no clock. Never drops a durable publication without saying that its whole
//! channel is lost, and never lets two durable publications of a channel out of order or twice.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::limits::OUTBOX_STATE_RESERVE_BYTES;
use crate::protocol::{Format, append_encoded};
use crate::publication::Class;
use crate::stats::Losses;

/// Names one channel for as long as it lives in the hub.
pub(crate) type ChannelId = u64;

const NO_CHANNEL: ChannelId = 0;

/// What became of a publication offered to an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It waits to be sent, or is held back.
    Taken,
    /// Dropped as its class allows, or known already.
    Dropped,
    /// Durable and no room: the channel must be given up ([`Outbox::close_feed`] has been done).
    Lost,
    /// There is no such subscription here.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    channel: ChannelId,
    /// `None` = a reply or another message that is never dropped.
    class: Option<Class>,
    /// Empty = removed while waiting.
    encoded: Bytes,
}

#[derive(Debug)]
struct Held {
    class: Class,
    offset: Option<u64>,
    encoded: Bytes,
}

#[derive(Debug)]
struct Feed {
    channel: ChannelId,
    /// Newest durable offset queued or known to the client; anything up to it is a duplicate.
    floor: u64,
    /// Sequence of the waiting state publication.
    state: Option<u64>,
    /// `None` = live.
    held: Option<Hold>,
}

#[derive(Debug, Default)]
struct Hold {
    items: VecDeque<Held>,
    bytes: usize,
    /// Durable publications were forgotten: they must be read from the stream.
    gap: bool,
}

/// One socket's queue and the feeds that fill it.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Entry>,
    /// Sequence of the queue's front.
    front: u64,
    bytes: usize,
    feeds: Vec<Feed>,
    bytes_max: usize,
    hold_bytes_max: usize,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize, hold_bytes_max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            front: 0,
            bytes: 0,
            feeds: Vec::new(),
            bytes_max,
            hold_bytes_max,
        }
    }

    /// Bytes waiting to be sent.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Starts to hold back what is published in a channel.
    pub(crate) fn open_feed(&mut self, channel: ChannelId) {
        self.feeds.push(Feed {
            channel,
            floor: 0,
            state: None,
            held: Some(Hold::default()),
        });
    }

    /// Forgets a channel. What is queued already goes out: it precedes whatever is said next.
    pub(crate) fn close_feed(&mut self, channel: ChannelId) {
        self.feeds.retain(|feed| feed.channel != channel);
    }

    /// Offers a publication.
    pub(crate) fn publish(
        &mut self,
        channel: ChannelId,
        class: Class,
        offset: Option<u64>,
        encoded: &Bytes,
        losses: &mut Losses,
    ) -> Verdict {
        let Some(index) = self.feeds.iter().position(|feed| feed.channel == channel) else {
            return Verdict::Unknown;
        };
        let hold_bytes_max = self.hold_bytes_max;
        match &mut self.feeds[index].held {
            Some(hold) => hold.push(
                Held {
                    class,
                    offset,
                    encoded: encoded.clone(),
                },
                hold_bytes_max,
                losses,
            ),
            None => self.enqueue(index, class, offset, encoded.clone(), losses),
        }
    }

    /// Queues a publication read from the stream while its channel is held back. Not bounded: the reader paces itself
    /// by [`Outbox::bytes`].
    pub(crate) fn publish_recovered(&mut self, channel: ChannelId, offset: u64, encoded: Bytes) {
        let Some(feed) = self.feeds.iter_mut().find(|feed| feed.channel == channel) else {
            return;
        };
        if offset > feed.floor {
            feed.floor = offset;
            self.push(channel, Some(Class::Durable), encoded);
        }
    }

    /// The client knows everything up to `floor`: lets out what was held back behind it. `Err` = some of that was
    /// forgotten and the channel stays held back; read on from `floor` and come again.
    pub(crate) fn go_live(
        &mut self,
        channel: ChannelId,
        floor: u64,
        losses: &mut Losses,
    ) -> Result<Verdict, Gap> {
        let Some(index) = self.feeds.iter().position(|feed| feed.channel == channel) else {
            return Ok(Verdict::Unknown);
        };
        let feed = &mut self.feeds[index];
        feed.floor = feed.floor.max(floor);
        let Some(hold) = feed.held.take() else {
            return Ok(Verdict::Taken);
        };
        if hold.gap {
            feed.held = Some(Hold::default());
            return Err(Gap);
        }
        for item in hold.items {
            if self.enqueue(index, item.class, item.offset, item.encoded, losses) == Verdict::Lost {
                return Ok(Verdict::Lost);
            }
        }
        Ok(Verdict::Taken)
    }

    /// Queues a reply, a ping or another message that is never dropped. False = it does not fit and the connection is
    /// beyond help.
    #[must_use]
    pub(crate) fn send(&mut self, encoded: Bytes, losses: &mut Losses) -> bool {
        self.make_room(encoded.len(), losses);
        if self.bytes + encoded.len() > self.bytes_max + OUTBOX_STATE_RESERVE_BYTES {
            return false;
        }
        self.push(NO_CHANNEL, None, encoded);
        true
    }

    /// Forgets everything that waits, for a connection that is closed without a flush.
    pub(crate) fn clear(&mut self) {
        self.front += self.queue.len() as u64;
        self.queue.clear();
        self.bytes = 0;
        self.feeds.clear();
    }

    /// Takes what waits as one frame of about `bytes_target`, at least one object; a single object is not copied.
    /// `None` = nothing waits.
    pub(crate) fn next_frame(&mut self, format: Format, bytes_target: usize) -> Option<Bytes> {
        if self.queue.len() == 1
            && let Some(entry) = self.queue.front_mut()
            && !entry.encoded.is_empty()
        {
            let encoded = std::mem::take(&mut entry.encoded);
            self.bytes -= encoded.len();
            self.queue.pop_front();
            self.front += 1;
            return Some(encoded);
        }
        let mut frame = BytesMut::new();
        self.drain(format, &mut frame, bytes_target)
            .then(|| frame.freeze())
    }

    /// Moves what waits into one frame of about `bytes_target`, at least one object. False = nothing waits.
    pub(crate) fn drain(&mut self, format: Format, frame: &mut BytesMut, bytes_target: usize) -> bool {
        while let Some(entry) = self.queue.front() {
            let length = entry.encoded.len();
            if length > 0 {
                if !frame.is_empty() && frame.len() + length > bytes_target {
                    break;
                }
                append_encoded(format, frame, &entry.encoded);
                self.bytes -= length;
            }
            self.queue.pop_front();
            self.front += 1;
        }
        if self.queue.is_empty() && self.queue.capacity() > 64 {
            // An idle socket keeps no memory of its worst hour.
            self.queue = VecDeque::new();
        }
        !frame.is_empty()
    }

    fn enqueue(
        &mut self,
        feed: usize,
        class: Class,
        offset: Option<u64>,
        encoded: Bytes,
        losses: &mut Losses,
    ) -> Verdict {
        let channel = self.feeds[feed].channel;
        if class == Class::Durable && offset.is_some_and(|offset| offset <= self.feeds[feed].floor) {
            return Verdict::Dropped;
        }
        if class == Class::State {
            self.remove_waiting_state(feed, losses);
        }
        self.make_room(encoded.len(), losses);
        let reserve = if class == Class::State {
            OUTBOX_STATE_RESERVE_BYTES
        } else {
            0
        };
        if self.bytes + encoded.len() > self.bytes_max + reserve {
            if class == Class::Durable {
                self.drop_channel(channel, losses);
                return Verdict::Lost;
            }
            losses.count(class);
            return Verdict::Dropped;
        }
        let sequence = self.push(channel, Some(class), encoded);
        let feed = &mut self.feeds[feed];
        match class {
            Class::Durable => feed.floor = offset.map_or(feed.floor, |offset| offset.max(feed.floor)),
            Class::State => feed.state = Some(sequence),
            Class::Ephemeral => {}
        }
        Verdict::Taken
    }

    fn push(&mut self, channel: ChannelId, class: Option<Class>, encoded: Bytes) -> u64 {
        self.bytes += encoded.len();
        self.queue.push_back(Entry {
            channel,
            class,
            encoded,
        });
        self.front + self.queue.len() as u64 - 1
    }

    fn remove_waiting_state(&mut self, feed: usize, losses: &mut Losses) {
        let Some(sequence) = self.feeds[feed].state.take() else {
            return;
        };
        let Some(index) = sequence.checked_sub(self.front) else {
            return;
        };
        if let Some(entry) = self.queue.get_mut(index as usize) {
            self.bytes -= entry.encoded.len();
            entry.encoded = Bytes::new();
            losses.conflated += 1;
        }
    }

    /// Drops the oldest ephemeral publications until `needed` bytes fit, or none is left.
    fn make_room(&mut self, needed: usize, losses: &mut Losses) {
        if self.bytes + needed <= self.bytes_max {
            return;
        }
        for entry in &mut self.queue {
            if entry.class == Some(Class::Ephemeral) && !entry.encoded.is_empty() {
                self.bytes -= entry.encoded.len();
                entry.encoded = Bytes::new();
                losses.ephemeral += 1;
                if self.bytes + needed <= self.bytes_max {
                    return;
                }
            }
        }
    }

    fn drop_channel(&mut self, channel: ChannelId, losses: &mut Losses) {
        for entry in self.queue.iter_mut().filter(|entry| entry.channel == channel) {
            if let (Some(class), false) = (entry.class, entry.encoded.is_empty()) {
                self.bytes -= entry.encoded.len();
                entry.encoded = Bytes::new();
                losses.count(class);
            }
        }
        self.close_feed(channel);
    }
}

/// Publications were forgotten while a channel was held back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gap;

impl Hold {
    fn push(&mut self, item: Held, bytes_max: usize, losses: &mut Losses) -> Verdict {
        if self.gap && item.class == Class::Durable && item.offset.is_some() {
            return Verdict::Dropped;
        }
        if item.class == Class::State
            && let Some(index) = self.items.iter().position(|held| held.class == Class::State)
        {
            self.bytes -= self.items.remove(index).map_or(0, |held| held.encoded.len());
            losses.conflated += 1;
        }
        if self.bytes + item.encoded.len() > bytes_max {
            if item.class != Class::Durable {
                losses.count(item.class);
                return Verdict::Dropped;
            }
            self.gap = true;
            self.bytes = 0;
            self.items.clear();
            return Verdict::Dropped;
        }
        self.bytes += item.encoded.len();
        self.items.push_back(item);
        Verdict::Taken
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
