//! What is published in a channel while a subscription to it is being opened or recovers. Bounded in bytes; at the bound
//! the durable publications are forgotten, to be read from the stream, and never a part of them only.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::batch::{Batch, EPHEMERAL_RANKS, Rank, Skipped};
use crate::stats::Losses;

#[derive(Debug, Default)]
pub(crate) struct Hold {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    /// Durable publications were forgotten.
    gap: bool,
}

impl Hold {
    /// Takes what fits; what does not is counted, or to be read from the stream.
    pub(crate) fn push(
        &mut self,
        batch: Arc<Batch>,
        bytes_max: usize,
        skipped: &mut Skipped,
        losses: &mut Losses,
    ) {
        if batch.has(Rank::State) {
            losses.conflated += self.retain(|part| part != Rank::State);
        }
        self.bytes += batch.len();
        self.batches.push_back(batch);
        if self.gap {
            self.retain(|part| part != Rank::Durable);
        }
        for rank in EPHEMERAL_RANKS {
            self.shed(rank, bytes_max, skipped, losses);
        }
        if self.bytes > bytes_max {
            self.forget_durable();
        }
        // The newest state alone is over the bound.
        self.shed(Rank::State, bytes_max, skipped, losses);
    }

    /// Everything durable is to be read from the stream.
    pub(crate) fn forget_durable(&mut self) {
        self.gap = true;
        self.retain(|part| part != Rank::Durable);
    }

    /// Has something to be read from the stream? Holds back anew from here on.
    pub(crate) fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }

    pub(crate) fn into_batches(self) -> VecDeque<Arc<Batch>> {
        self.batches
    }

    /// Loses publications of a rank, the oldest first, until the rest fits.
    fn shed(&mut self, rank: Rank, bytes_max: usize, skipped: &mut Skipped, losses: &mut Losses) {
        for _ in 0..self.strip(bytes_max, |other| other != rank) {
            skipped.count(rank);
            losses.count(rank);
        }
    }

    /// Keeps some ranks only.
    fn retain(&mut self, keep: impl Fn(Rank) -> bool) -> u64 {
        self.strip(0, keep)
    }

    /// Keeps some ranks only, from the oldest on, until the rest fits; returns how many publications went.
    fn strip(&mut self, bytes_max: usize, keep: impl Fn(Rank) -> bool) -> u64 {
        let mut gone = 0;
        let bytes = &mut self.bytes;
        self.batches.retain_mut(|batch| {
            let going = batch.parts().iter().filter(|part| !keep(part.rank)).count();
            if going == 0 || *bytes <= bytes_max {
                return true;
            }
            gone += going as u64;
            *bytes -= batch.len();
            match batch.keep(|part| keep(part.rank)) {
                Some(rest) => {
                    *bytes += rest.len();
                    *batch = rest;
                    true
                }
                None => false,
            }
        });
        gone
    }
}
