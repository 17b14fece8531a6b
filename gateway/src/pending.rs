//! What one channel has to say and has not yet said, and when it says it. Bounded in bytes; publishers never wait for
//! it. Pure data: time is an argument. Never lets a durable publication go alone: at the bound the channel lapses, and
//! all its subscribers read it from the stream.

use crate::batch::{EPHEMERAL_RANKS, Item, Rank, Skipped};
use crate::limits::{
    CHANNEL_PENDING_BYTES_MAX, TICK_BYTES_TARGET, TICK_MS_MAX, TICK_MS_MIN, TICK_SUBSCRIBERS_PER_MS,
};
use crate::publication::Urgency;
use crate::stats::Losses;

/// A tick is doubled as many times at most.
const STRETCH_MAX: u32 = 2;

/// A channel's waiting publications and its pace.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    items: Vec<Item>,
    bytes: usize,
    /// Something durable did not fit.
    lapsed: bool,
    /// Copies every subscriber has lost.
    skipped: Skipped,
    due_ms: Option<u64>,
    told_ms: Option<u64>,
    /// How many times the tick is doubled.
    stretch: u32,
    /// Somebody is telling it now.
    in_hand: bool,
}

/// What is to be said now.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    pub(crate) items: Vec<Item>,
    /// All subscribers lost their place.
    pub(crate) lapsed: bool,
    /// What all subscribers lost before it came to them.
    pub(crate) skipped: Skipped,
}

impl Pending {
    /// Takes one more item. `Some` = the channel is now due at this moment, earlier than it was.
    pub(crate) fn push(
        &mut self,
        item: Item,
        urgency: Urgency,
        subscribers: usize,
        now_ms: u64,
        losses: &mut Losses,
    ) -> Option<u64> {
        if item.rank == Rank::State {
            let before = self.items.len();
            self.remove(Rank::State, 0);
            losses.conflated += (before - self.items.len()) as u64 * subscribers as u64;
        }
        self.bytes += item.weight_bytes();
        self.items.push(item);
        for rank in EPHEMERAL_RANKS {
            let lost = self.remove(rank, CHANNEL_PENDING_BYTES_MAX);
            self.lose(rank, lost, subscribers, losses);
        }
        if self.lapsed || self.bytes > CHANNEL_PENDING_BYTES_MAX {
            self.lapsed |= self.remove(Rank::Durable, 0) > 0;
        }
        let lost = self.remove(Rank::State, CHANNEL_PENDING_BYTES_MAX);
        self.lose(Rank::State, lost, subscribers, losses);
        self.hurry(urgency, subscribers, now_ms)
    }

    /// Takes what is to be said. `None` = it is not due, or already in somebody's hands.
    pub(crate) fn take(&mut self, now_ms: u64) -> Option<Telling> {
        if self.in_hand || self.due_ms.is_none_or(|due_ms| due_ms > now_ms) {
            return None;
        }
        self.in_hand = true;
        self.due_ms = None;
        self.told_ms = Some(now_ms);
        self.bytes = 0;
        Some(Telling {
            items: std::mem::take(&mut self.items),
            lapsed: std::mem::take(&mut self.lapsed),
            skipped: std::mem::take(&mut self.skipped),
        })
    }

    /// It has been said to `reached` subscribers, of whom `behind` had not taken what was said before. `Some` = more has
    /// come meanwhile and is due then.
    pub(crate) fn told(&mut self, reached: usize, behind: usize) -> Option<u64> {
        self.in_hand = false;
        if behind * 2 > reached {
            self.stretch = (self.stretch + 1).min(STRETCH_MAX);
        } else if behind * 8 <= reached {
            self.stretch = self.stretch.saturating_sub(1);
        }
        self.due_ms
    }

    /// Telling it went wrong midway: who had it and who had not, nobody knows. All are to read it from the stream; returns
    /// when they are to be told, which is a tick later, in case that goes wrong again.
    pub(crate) fn stumbled(&mut self, now_ms: u64) -> u64 {
        let due_ms = now_ms + TICK_MS_MAX;
        self.in_hand = false;
        self.due_ms = Some(due_ms);
        self.lapsed = true;
        due_ms
    }

    fn hurry(&mut self, urgency: Urgency, subscribers: usize, now_ms: u64) -> Option<u64> {
        let tick_ms = tick_ms(subscribers, self.stretch);
        let wait_ms = match urgency {
            _ if self.bytes >= TICK_BYTES_TARGET || self.lapsed => 0,
            Urgency::Tick => tick_ms,
            Urgency::Soon => tick_ms / 5,
            Urgency::Now => 0,
        };
        let due_ms = self
            .told_ms
            .map_or(now_ms, |told_ms| now_ms.max(told_ms + wait_ms));
        if self.due_ms.is_some_and(|known| known <= due_ms) {
            return None;
        }
        self.due_ms = Some(due_ms);
        // Who tells it now looks again when it is done.
        (!self.in_hand).then_some(due_ms)
    }

    fn lose(&mut self, rank: Rank, items: usize, subscribers: usize, losses: &mut Losses) {
        (0..items).for_each(|_| self.skipped.count(rank));
        losses.count_copies(rank, items as u64 * subscribers as u64);
    }

    /// Removes the oldest items of a rank while more than `bytes_max` wait; returns how many went.
    fn remove(&mut self, rank: Rank, bytes_max: usize) -> usize {
        if self.bytes <= bytes_max {
            return 0;
        }
        let (before, bytes) = (self.items.len(), &mut self.bytes);
        self.items.retain(|item| {
            let goes = item.rank == rank && *bytes > bytes_max;
            if goes {
                *bytes -= item.weight_bytes();
            }
            !goes
        });
        before - self.items.len()
    }
}

/// How long a channel collects what it says: see [`TICK_MS_MIN`].
fn tick_ms(subscribers: usize, stretch: u32) -> u64 {
    let by_size = (subscribers as u64 / TICK_SUBSCRIBERS_PER_MS).max(TICK_MS_MIN);
    (by_size << stretch).min(TICK_MS_MAX)
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
