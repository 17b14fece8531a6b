//! What may be asked of the view of withdrawals.

use std::cmp::Reverse;

use domain::UserId;
use domain::streamer::WithdrawalState;
use journal::Position;

use super::{Filed, Step, Withdrawal, WithdrawalsView};
use crate::deltas::WithdrawalChange;
use crate::fact::{Place, place, position};
use crate::limits::PAGE_ENTRIES_MAX;
use crate::views::{Page, Views, read_cursor, write_cursor};
use crate::{BadCursor, Result};

impl Views {
    /// The view of withdrawals, for its numbers.
    pub fn withdrawals(&self) -> &WithdrawalsView {
        &self.withdrawals
    }

    /// A user's withdrawals, newest first. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn withdrawals_of(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<Withdrawal>, BadCursor>> {
        let Ok(behind) = cursor.map(read_cursor::<1>).transpose() else {
            return Ok(Err(BadCursor));
        };
        let Some(user) = self.number(user.as_str()) else {
            return Ok(Ok(Page::empty()));
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let stored = self.stored(WithdrawalsView::NAME);
        let found = self
            .withdrawals
            .of_user(user, behind.map(|[place]| place), limit + 1, &stored)?;
        Ok(Ok(page(found.into_iter().map(|(at, w)| (at.0, w)), limit)))
    }

    /// The withdrawals in a state: under way the oldest first, over the one that ended last first. `limit` is cut to
    /// [`PAGE_ENTRIES_MAX`].
    pub fn withdrawals_in(
        &self,
        state: WithdrawalState,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<Filed>, BadCursor>> {
        let Ok(behind) = cursor.map(read_cursor::<1>).transpose() else {
            return Ok(Err(BadCursor));
        };
        let behind = behind.map(|[place]| place);
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let filed = |user, withdrawal| -> Result<Filed> {
            let user = self.user(user)?;
            Ok(Filed { user, withdrawal })
        };
        let found: Vec<(Place, Filed)> = if state.is_over() {
            let stored = self.stored(WithdrawalsView::NAME);
            let ended = self.withdrawals.ended(state, behind, limit + 1, &stored)?;
            let ended = ended.into_iter().take(limit + 1);
            ended
                .map(|(at, (user, withdrawal))| Ok((at.0, filed(user, withdrawal)?)))
                .collect::<Result<_>>()?
        } else {
            let found = self
                .withdrawals
                .in_state(state, behind.unwrap_or(0))
                .take(limit + 1);
            found
                .filter_map(|(at, user)| Some((at, user, self.withdrawals.kept.get(&(user, Reverse(at)))?)))
                .map(|(at, user, kept)| Ok((at, filed(user, kept.withdrawal.clone())?)))
                .collect::<Result<_>>()?
        };
        Ok(Ok(page(found.into_iter(), limit)))
    }

    /// What is to be paid out: what the provider may have already, then what is approved, each the oldest first; of
    /// those that `wanted` says yes to, at most `limit`.
    pub fn payouts_due(
        &self,
        mut wanted: impl FnMut(&Withdrawal) -> bool,
        limit: usize,
    ) -> Result<Vec<Filed>> {
        let view = &self.withdrawals;
        let due = [WithdrawalState::Submitted, WithdrawalState::Approved].into_iter();
        let due = due.flat_map(|state| view.in_state(state, 0));
        let due = due.filter_map(|(at, user)| Some((user, &view.kept.get(&(user, Reverse(at)))?.withdrawal)));
        let due = due.filter(|(_, withdrawal)| wanted(withdrawal)).take(limit);
        due.map(|(user, withdrawal)| {
            let (user, withdrawal) = (self.user(user)?, withdrawal.clone());
            Ok(Filed { user, withdrawal })
        })
        .collect()
    }

    /// What changed last of a user's newest withdrawals behind a position, in the order of the changes: at most `limit`.
    pub fn withdrawals_changed(
        &self,
        user: &UserId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<WithdrawalChange>> {
        let Ok(newest) = self.withdrawals_of(user, None, limit)? else {
            return Ok(Vec::new());
        };
        let mut changed = newest.entries;
        changed.retain(|withdrawal| withdrawal.changed > place(after));
        changed.sort_unstable_by_key(|withdrawal| withdrawal.changed);
        let told = changed
            .into_iter()
            .map(|w| WithdrawalChange::last(user.clone(), w));
        Ok(told.collect())
    }

    pub(crate) fn told_steps(&self, steps: Vec<Step>) -> Result<Vec<WithdrawalChange>> {
        let mut told = Vec::with_capacity(steps.len());
        for step in steps {
            let Some(kept) = self.withdrawals.kept.get(&step.key) else {
                continue;
            };
            told.push(WithdrawalChange {
                user: self.user(step.key.0)?,
                position: position(step.place),
                at_ms: step.at_ms,
                state: step.state,
                approvals: step.approvals,
                withdrawal: kept.withdrawal.clone(),
            });
        }
        Ok(told)
    }
}

/// A page of what was found, which is one more than the page where there is another one.
fn page<T>(found: impl Iterator<Item = (Place, T)>, limit: usize) -> Page<T> {
    let mut found: Vec<_> = found.take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let cursor = found.last().filter(|_| more).map(|(at, _)| write_cursor([*at]));
    let entries = found.into_iter().map(|(_, entry)| entry).collect();
    Page { entries, cursor }
}
