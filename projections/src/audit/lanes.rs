//! The gifts of each streamer on their way to the account: a credit covers exactly those of its range, and its range begins
//! where the last one ended.

use std::collections::{HashMap, VecDeque};

use domain::event::TicketsCredited;
use foldhash::fast::FixedState;

use crate::names::Number;

#[derive(Debug, Default)]
struct Lane {
    settled: u64,
    /// Sequence and tickets of gifts that are not credited, in order.
    gifts: VecDeque<(u64, u64)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lanes(HashMap<Number, Lane, FixedState>);

impl Lanes {
    pub(crate) fn gift(&mut self, streamer: Number, sequence: u64, tickets: u64) {
        self.0
            .entry(streamer)
            .or_default()
            .gifts
            .push_back((sequence, tickets));
    }

    /// Takes the gifts of a credit away; says what does not fit.
    pub(crate) fn credit(&mut self, streamer: Number, credit: &TicketsCredited) -> Option<String> {
        let lane = self.0.entry(streamer).or_default();
        let (mut gifts, mut tickets) = (0u64, 0u64);
        while let Some((_, worth)) = lane.gifts.pop_front_if(|(at, _)| *at <= credit.upto) {
            gifts += 1;
            tickets = tickets.saturating_add(worth);
        }
        let settled = std::mem::replace(&mut lane.settled, credit.upto);
        let fits = credit.after == settled
            && credit.upto > credit.after
            && (gifts, tickets) == (credit.gifts, credit.tickets);
        (!fits).then(|| {
            format!(
                "{} gifts of {} tickets in ({}, {}] are credited; settled was {settled}, and up to there are {gifts} gifts of {tickets} tickets",
                credit.gifts, credit.tickets, credit.after, credit.upto
            )
        })
    }

    /// Gifts that are not credited, their tickets, and how many streamers they are for.
    pub(crate) fn in_flight(&self) -> (u64, u64, u64) {
        let open = self.0.values().filter(|lane| !lane.gifts.is_empty());
        open.fold((0, 0, 0), |(gifts, tickets, streamers), lane| {
            let worth: u64 = lane.gifts.iter().map(|(_, tickets)| tickets).sum();
            (
                gifts + lane.gifts.len() as u64,
                tickets.saturating_add(worth),
                streamers + 1,
            )
        })
    }
}
