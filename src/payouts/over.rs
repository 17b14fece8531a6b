//! Payouts that have ended and are remembered: how, and when to look back at those that failed.
//!
//! It must never change how one ended: whoever says something else later is only told apart.

use std::collections::{BTreeMap, VecDeque};

use domain::WithdrawalId;

use super::Answer;
use super::core::{End, LOOK_BACK_AFTER_MS, LOOK_BACK_AFTER_MS_MAX, OVER_MAX};

/// How far one that failed has been looked back at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookBack {
    /// Not, or not any more.
    No,
    /// Then, for the n-th time.
    Due { at_ms: i64, looks: u32 },
    /// Its provider is being asked, for the n-th time.
    Asking { call: u64, looks: u32 },
}

#[derive(Debug)]
struct Over {
    /// None: the streamer did not let it be submitted, or knows of another end.
    end: Option<End>,
    look_back: LookBack,
}

/// At most [`OVER_MAX`]; the one that ended first is forgotten.
#[derive(Debug, Default)]
pub(super) struct Overs {
    known: BTreeMap<WithdrawalId, Over>,
    order: VecDeque<WithdrawalId>,
}

impl Overs {
    pub(super) fn knows(&self, id: &WithdrawalId) -> bool {
        self.known.contains_key(id)
    }

    /// How it ended, as the provider said first.
    pub(super) fn end(&self, id: &WithdrawalId) -> Option<&End> {
        self.known.get(id)?.end.as_ref()
    }

    /// Remembers one that has ended; says when to look back at it.
    pub(super) fn remember(&mut self, id: &WithdrawalId, end: Option<End>, now_ms: i64) -> Option<i64> {
        let failed = matches!(end, Some(End::Failed { .. }));
        let at_ms = failed.then_some(now_ms + LOOK_BACK_AFTER_MS);
        if self.order.len() >= OVER_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.known.remove(&first);
        }
        self.order.push_back(id.clone());
        let look_back = at_ms.map_or(LookBack::No, |at_ms| LookBack::Due { at_ms, looks: 1 });
        self.known.insert(id.clone(), Over { end, look_back });
        at_ms
    }

    /// Whether it is to be looked back at because of this time.
    pub(super) fn is_due(&self, id: &WithdrawalId, at: i64) -> bool {
        let look_back = self.known.get(id).map(|over| over.look_back);
        matches!(look_back, Some(LookBack::Due { at_ms, .. }) if at_ms == at)
    }

    /// It is looked back at only then.
    pub(super) fn put_off(&mut self, id: &WithdrawalId, until_ms: i64) {
        if let Some(LookBack::Due { at_ms, .. }) = self.known.get_mut(id).map(|over| &mut over.look_back) {
            *at_ms = until_ms;
        }
    }

    /// Its provider is asked now.
    pub(super) fn asked(&mut self, id: &WithdrawalId, call: u64) {
        if let Some(over) = self.known.get_mut(id)
            && let LookBack::Due { looks, .. } = over.look_back
        {
            over.look_back = LookBack::Asking { call, looks };
        }
    }

    /// The answer says neither paid nor failed: says when to ask again. Who never heard of it paid nothing.
    pub(super) fn still_open(
        &mut self,
        id: &WithdrawalId,
        call: u64,
        answer: &Answer,
        now_ms: i64,
    ) -> Option<i64> {
        let over = self.known.get_mut(id)?;
        let looks = match over.look_back {
            LookBack::Asking { call: newest, looks } if newest == call => looks,
            _ => return None,
        };
        over.look_back = LookBack::No;
        if *answer == Answer::NotFound {
            return None;
        }
        let wait_ms = (LOOK_BACK_AFTER_MS << looks.min(16)).min(LOOK_BACK_AFTER_MS_MAX);
        let at_ms = now_ms + wait_ms;
        over.look_back = LookBack::Due {
            at_ms,
            looks: looks + 1,
        };
        Some(at_ms)
    }
}
