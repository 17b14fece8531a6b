//! What waits to be sent on one socket, bounded in bytes, and what is held back for subscriptions that are still being
//! opened. Pure data: no lock, no socket, no clock. Never drops a durable publication without saying that its whole
//! channel is lost, never lets two durable publications of a channel out of order or twice, and never forgets what it
//! dropped before the client has been told.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::batch::{Batch, ChannelId, EPHEMERAL_RANKS, Rank, Skipped};
use crate::hold::Hold;
use crate::limits::{CHANNELS_PER_CONNECTION_MAX, OUTBOX_STATE_RESERVE_BYTES};
use crate::protocol::{Format, append_encoded};
use crate::stats::Losses;

const NO_CHANNEL: ChannelId = 0;

/// What became of a batch offered to an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So many of its publications wait to be sent, or are held back.
    Taken(u32),
    /// Dropped as their classes allow, or known already.
    Dropped,
    /// Durable and no room: the channel must be given up ([`Outbox::close_feed`] has been done).
    Lost,
    /// There is no such subscription here.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    channel: ChannelId,
    /// See [`Outbox::owed_bytes`].
    owed: bool,
    what: Waiting,
}

#[derive(Debug)]
enum Waiting {
    /// A reply or another message that is never dropped.
    Message(Bytes),
    Batch(Arc<Batch>),
    /// Removed while waiting.
    Gone,
}

impl Waiting {
    fn bytes(&self) -> usize {
        match self {
            Waiting::Message(bytes) => bytes.len(),
            Waiting::Batch(batch) => batch.len(),
            Waiting::Gone => 0,
        }
    }
}

#[derive(Debug)]
struct Feed {
    channel: ChannelId,
    /// Newest durable offset queued or known to the client; anything up to it is a duplicate.
    floor: u64,
    /// Sequence of the entry with the waiting state publication.
    state: Option<u64>,
    skipped: Skipped,
    /// `None` = live.
    held: Option<Box<Hold>>,
}

/// One socket's queue and the feeds that fill it.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: VecDeque<Entry>,
    /// Sequence of the queue's front.
    front: u64,
    bytes: usize,
    owed_bytes: usize,
    /// Waiting bytes that may go, by rank, so that nobody searches for what is not there.
    ephemeral_bytes: [usize; EPHEMERAL_RANKS.len()],
    feeds: Vec<Feed>,
    /// Losses of channels that were given up, to be told when the client is back in them.
    untold: Vec<(Arc<str>, Skipped)>,
    bytes_max: usize,
    hold_bytes_max: usize,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize, hold_bytes_max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            front: 0,
            bytes: 0,
            owed_bytes: 0,
            ephemeral_bytes: [0; 2],
            feeds: Vec::new(),
            untold: Vec::new(),
            bytes_max,
            hold_bytes_max,
        }
    }

    /// Bytes waiting to be sent.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those among them that the client's own requests led to: replies, other messages, and what it recovers. No bound cuts
    /// them, so whoever makes them is to wait while there are many.
    pub(crate) fn owed_bytes(&self) -> usize {
        self.owed_bytes
    }

    /// Starts to hold back what is published in a channel.
    pub(crate) fn open_feed(&mut self, channel: ChannelId, name: &str) {
        let known = self.untold.iter().position(|(untold, _)| **untold == *name);
        self.feeds.push(Feed {
            channel,
            floor: 0,
            state: None,
            skipped: known.map_or_else(Skipped::default, |index| self.untold.swap_remove(index).1),
            held: Some(Box::default()),
        });
    }

    /// Forgets a channel. What is queued already goes out: it precedes whatever is said next.
    pub(crate) fn close_feed(&mut self, channel: ChannelId) {
        self.feeds.retain(|feed| feed.channel != channel);
    }

    /// Offers what a channel says.
    pub(crate) fn publish(&mut self, channel: ChannelId, batch: &Arc<Batch>, losses: &mut Losses) -> Verdict {
        let Some(index) = self.feeds.iter().position(|feed| feed.channel == channel) else {
            return Verdict::Unknown;
        };
        let feed = &mut self.feeds[index];
        match &mut feed.held {
            Some(hold) => {
                hold.push(batch.clone(), self.hold_bytes_max, &mut feed.skipped, losses);
                Verdict::Taken(batch.parts().len() as u32)
            }
            None => self.enqueue(index, batch.clone(), losses),
        }
    }

    /// May a batch go to the client right now and as it is? Then so many of its publications count as sent; whoever asks
    /// sends them. It is what [`Outbox::publish`] and [`Outbox::next_frame`] come to when nothing waits and nothing was
    /// lost, without touching a queue that is otherwise cold: most of a hot channel's members are asked this.
    pub(crate) fn pass(&mut self, channel: ChannelId, batch: &Batch) -> Option<u32> {
        if !self.queue.is_empty() || batch.len() > self.bytes_max {
            return None;
        }
        let feed = self.feeds.iter_mut().find(|feed| feed.channel == channel)?;
        if feed.held.is_some() || !feed.skipped.is_empty() || batch.repeats(feed.floor) {
            return None;
        }
        feed.floor = feed.floor.max(batch.last_offset());
        Some(batch.parts().len() as u32)
    }

    /// The channel said more than could be carried, `skipped` of it to be told. What is opening reads it from the
    /// stream; what is live is lost if something durable was among it.
    pub(crate) fn lapse(
        &mut self,
        channel: &Arc<str>,
        id: ChannelId,
        durable: bool,
        skipped: Skipped,
        losses: &mut Losses,
    ) -> Verdict {
        let Some(feed) = self.feeds.iter_mut().find(|feed| feed.channel == id) else {
            return Verdict::Unknown;
        };
        feed.skipped.add(skipped);
        match &mut feed.held {
            _ if !durable => Verdict::Dropped,
            Some(hold) => {
                hold.forget_durable();
                Verdict::Dropped
            }
            None => {
                self.give_up(channel, id, losses);
                Verdict::Lost
            }
        }
    }

    /// Queues what was read from the stream while its channel is held back. Not bounded: the reader paces itself by
    /// [`Outbox::owed_bytes`].
    pub(crate) fn publish_recovered(&mut self, channel: ChannelId, batch: Arc<Batch>) {
        let Some(feed) = self.feeds.iter_mut().find(|feed| feed.channel == channel) else {
            return;
        };
        let Some(batch) = after(batch, feed.floor) else {
            return;
        };
        feed.floor = feed.floor.max(batch.last_offset());
        self.push(channel, true, Waiting::Batch(batch));
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
        let Some(mut hold) = feed.held.take() else {
            return Ok(Verdict::Taken(0));
        };
        if hold.take_gap() {
            feed.held = Some(hold);
            return Err(Gap);
        }
        for batch in hold.into_batches() {
            if self.enqueue(index, batch, losses) == Verdict::Lost {
                return Ok(Verdict::Lost);
            }
        }
        Ok(Verdict::Taken(0))
    }

    /// Queues a reply, a ping or another message that is never dropped. False = it does not fit and the connection is
    /// beyond help.
    #[must_use]
    pub(crate) fn send(&mut self, encoded: Bytes, losses: &mut Losses) -> bool {
        for rank in EPHEMERAL_RANKS {
            self.make_room(rank, encoded.len(), losses);
        }
        // What finds nothing waiting is taken whatever its size: else no reconnect would ever get past it.
        if self.bytes > 0 && self.bytes + encoded.len() > self.bytes_max + OUTBOX_STATE_RESERVE_BYTES {
            return false;
        }
        self.push(NO_CHANNEL, true, Waiting::Message(encoded));
        true
    }

    /// Forgets everything that waits, for a connection that is closed without a flush.
    pub(crate) fn clear(&mut self) {
        self.front += self.queue.len() as u64;
        self.queue = VecDeque::new();
        self.bytes = 0;
        self.owed_bytes = 0;
        self.ephemeral_bytes = [0; 2];
        self.feeds = Vec::new();
        self.untold = Vec::new();
    }

    /// Takes one frame of about `bytes_target` off what waits, at least one entry. What goes alone is shared with all
    /// its readers. `None` = nothing waits.
    pub(crate) fn next_frame(&mut self, format: Format, bytes_target: usize) -> Option<Bytes> {
        let first = self.pop()?;
        let mut frame = None::<BytesMut>;
        while let Some(length) = self.next_bytes() {
            let so_far = frame.as_ref().map_or(first.len(), BytesMut::len);
            if so_far + length > bytes_target {
                break;
            }
            let frame = frame.get_or_insert_with(|| {
                let mut frame = BytesMut::with_capacity(bytes_target.min(first.len() + self.bytes + 64));
                append_encoded(format, &mut frame, &first);
                frame
            });
            if let Some(next) = self.pop() {
                append_encoded(format, frame, &next);
            }
        }
        if self.queue.is_empty() && self.queue.capacity() > 64 {
            // An idle socket keeps no memory of its worst hour.
            self.queue = VecDeque::new();
        }
        Some(frame.map_or(first, BytesMut::freeze))
    }

    /// Size of the next entry; removed ones are passed over.
    fn next_bytes(&mut self) -> Option<usize> {
        while let Some(entry) = self.queue.front() {
            if !matches!(entry.what, Waiting::Gone) {
                return Some(entry.what.bytes());
            }
            self.queue.pop_front();
            self.front += 1;
        }
        None
    }

    fn pop(&mut self) -> Option<Bytes> {
        self.next_bytes()?;
        let entry = self.queue.pop_front()?;
        self.front += 1;
        self.account(&entry.what, entry.owed, false);
        match entry.what {
            Waiting::Message(bytes) => Some(bytes),
            Waiting::Batch(batch) => Some(self.told(entry.channel, &batch)),
            Waiting::Gone => None,
        }
    }

    /// A batch's bytes, with what the client lost if it is to be told now.
    fn told(&mut self, channel: ChannelId, batch: &Batch) -> Bytes {
        let feed = self.feeds.iter_mut().find(|feed| feed.channel == channel);
        if let Some(feed) = feed.filter(|feed| !feed.skipped.is_empty())
            && let Some(bytes) = batch.telling(feed.skipped)
        {
            feed.skipped = Skipped::default();
            return bytes;
        }
        batch.bytes()
    }

    /// What fits of a batch. Ephemeral makes room first: trifles before others, older before newer.
    fn enqueue(&mut self, feed: usize, batch: Arc<Batch>, losses: &mut Losses) -> Verdict {
        let channel = self.feeds[feed].channel;
        let Some(mut batch) = after(batch, self.feeds[feed].floor) else {
            return Verdict::Dropped;
        };
        if batch.has(Rank::State) {
            self.remove_waiting_state(feed, losses);
        }
        for rank in EPHEMERAL_RANKS {
            self.make_room(rank, batch.len(), losses);
            if !self.fits(batch.len()) && batch.has(rank) {
                let Some(rest) = self.without(channel, &batch, rank, losses) else {
                    return Verdict::Dropped;
                };
                batch = rest;
            }
        }
        if !self.fits(batch.bytes_of(Rank::Durable)) {
            let name = batch.channel.clone();
            self.without(channel, &batch, Rank::State, losses);
            self.give_up(&name, channel, losses);
            return Verdict::Lost;
        }
        if self.bytes + batch.len() > self.bytes_max + OUTBOX_STATE_RESERVE_BYTES && batch.has(Rank::State) {
            let Some(rest) = self.without(channel, &batch, Rank::State, losses) else {
                return Verdict::Dropped;
            };
            batch = rest;
        }
        let (taken, has_state) = (batch.parts().len() as u32, batch.has(Rank::State));
        let offset = batch.last_offset();
        let sequence = self.push(channel, false, Waiting::Batch(batch));
        let feed = &mut self.feeds[feed];
        feed.floor = feed.floor.max(offset);
        if has_state {
            feed.state = Some(sequence);
        }
        Verdict::Taken(taken)
    }

    fn fits(&self, bytes: usize) -> bool {
        bytes == 0 || self.bytes + bytes <= self.bytes_max
    }

    /// A batch without one rank, which is lost.
    fn without(
        &mut self,
        channel: ChannelId,
        batch: &Batch,
        rank: Rank,
        losses: &mut Losses,
    ) -> Option<Arc<Batch>> {
        let lost = batch.parts().iter().filter(|part| part.rank == rank).count();
        (0..lost).for_each(|_| self.count(channel, rank, losses));
        batch.keep(|part| part.rank != rank)
    }

    fn count(&mut self, channel: ChannelId, rank: Rank, losses: &mut Losses) {
        losses.count(rank);
        if let Some(feed) = self.feeds.iter_mut().find(|feed| feed.channel == channel) {
            feed.skipped.count(rank);
        }
    }

    fn push(&mut self, channel: ChannelId, owed: bool, what: Waiting) -> u64 {
        self.account(&what, owed, true);
        self.queue.push_back(Entry { channel, owed, what });
        self.front + self.queue.len() as u64 - 1
    }

    fn account(&mut self, what: &Waiting, owed: bool, comes: bool) {
        let change = |counter: &mut usize, bytes: usize| {
            *counter = if comes { *counter + bytes } else { *counter - bytes };
        };
        let bytes = what.bytes();
        change(&mut self.bytes, bytes);
        if owed {
            change(&mut self.owed_bytes, bytes);
        }
        match what {
            Waiting::Batch(batch) => {
                for (counter, rank) in self.ephemeral_bytes.iter_mut().zip(EPHEMERAL_RANKS) {
                    change(counter, batch.bytes_of(rank));
                }
            }
            Waiting::Message(_) | Waiting::Gone => {}
        }
    }

    /// Puts something else in the place of what waits at an index of the queue.
    fn replace(&mut self, index: usize, with: Option<Arc<Batch>>) {
        let with = with.map_or(Waiting::Gone, Waiting::Batch);
        let Some(owed) = self.queue.get(index).map(|entry| entry.owed) else {
            return;
        };
        self.account(&with, owed, true);
        let replaced = std::mem::replace(&mut self.queue[index].what, with);
        self.account(&replaced, owed, false);
    }

    fn remove_waiting_state(&mut self, feed: usize, losses: &mut Losses) {
        let Some(sequence) = self.feeds[feed].state.take() else {
            return;
        };
        let Some(index) = sequence.checked_sub(self.front) else {
            return;
        };
        let index = index as usize;
        if let Some(Waiting::Batch(batch)) = self.queue.get(index).map(|entry| &entry.what)
            && batch.has(Rank::State)
        {
            let rest = batch.keep(|part| part.rank != Rank::State);
            self.replace(index, rest);
            losses.conflated += 1;
        }
    }

    /// Drops the oldest publications of a rank until `needed` bytes fit, or none is left.
    fn make_room(&mut self, rank: Rank, needed: usize, losses: &mut Losses) {
        let mut index = 0;
        while self.bytes + needed > self.bytes_max && self.ephemeral_bytes[rank as usize] > 0 {
            let Some(entry) = self.queue.get(index) else {
                return;
            };
            if let Waiting::Batch(batch) = &entry.what
                && batch.has(rank)
            {
                let (channel, batch) = (entry.channel, batch.clone());
                let rest = self.without(channel, &batch, rank, losses);
                self.replace(index, rest);
            }
            index += 1;
        }
    }

    /// The channel is lost: nothing of it waits any more, and what else was lost with it is told when it is back.
    fn give_up(&mut self, name: &Arc<str>, channel: ChannelId, losses: &mut Losses) {
        for index in 0..self.queue.len() {
            let entry = &self.queue[index];
            if entry.channel != channel {
                continue;
            }
            if let Waiting::Batch(batch) = &entry.what {
                let batch = batch.clone();
                batch
                    .parts()
                    .iter()
                    .for_each(|part| self.count(channel, part.rank, losses));
                self.replace(index, None);
            }
        }
        if let Some(feed) = self.feeds.iter().find(|feed| feed.channel == channel)
            && !feed.skipped.is_empty()
        {
            self.untold.push((name.clone(), feed.skipped));
            if self.untold.len() > CHANNELS_PER_CONNECTION_MAX {
                self.untold.remove(0);
            }
        }
        self.close_feed(channel);
    }
}

/// What of a batch lies behind a place in the stream, or outside it.
fn after(batch: Arc<Batch>, floor: u64) -> Option<Arc<Batch>> {
    if batch.repeats(floor) {
        batch.keep(|part| part.offset == 0 || part.offset > floor)
    } else {
        Some(batch)
    }
}

/// Publications were forgotten while a channel was held back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gap;

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
