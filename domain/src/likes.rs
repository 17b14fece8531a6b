//! One user who likes: how fast, and which sends were here before.
//!
//! It lives in memory only. Likes are no money: what it forgets costs at most a like counted twice. It must never touch
//! the count itself, which is the room's.

use alloc::collections::VecDeque;

use crate::Rejection;
use crate::limits::{LIKE_SENDS_REMEMBERED_MAX, LIKES_PER_SECOND_MAX, LIKES_PER_SEND_MAX};

/// A thousandth of a like: what one millisecond gives back is whole.
const MILLI: i64 = 1_000;
const FULL: i64 = LIKES_PER_SECOND_MAX as i64 * MILLI;

/// What a send is known again by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// A digest of the command's id.
    pub id: u64,
    /// A digest of everything else.
    pub body: u64,
}

/// What is remembered of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liker {
    /// Likes that may be given at once, in thousandths.
    left: i64,
    seen_ms: i64,
    sends: VecDeque<Key>,
}

impl Liker {
    /// One who has not liked yet.
    pub fn new(now_ms: i64) -> Self {
        Self {
            left: FULL,
            seen_ms: now_ms,
            sends: VecDeque::new(),
        }
    }

    /// Are these to be counted? False for one of the newest sends again.
    ///
    /// # Errors
    /// In this order: [`Rejection::BadLikeCount`], [`Rejection::CommandReused`], [`Rejection::TooManyLikes`].
    pub fn like(&mut self, count: u32, key: Key, now_ms: i64) -> Result<bool, Rejection> {
        if !(1..=LIKES_PER_SEND_MAX).contains(&count) {
            return Err(Rejection::BadLikeCount);
        }
        if let Some(known) = self.sends.iter().find(|known| known.id == key.id) {
            return if known.body == key.body {
                Ok(false)
            } else {
                Err(Rejection::CommandReused)
            };
        }
        let passed_ms = now_ms.saturating_sub(self.seen_ms).max(0);
        let back = passed_ms.saturating_mul(i64::from(LIKES_PER_SECOND_MAX));
        self.left = self.left.saturating_add(back).min(FULL);
        self.seen_ms = self.seen_ms.max(now_ms);
        let cost = i64::from(count) * MILLI;
        if cost > self.left {
            return Err(Rejection::TooManyLikes);
        }
        self.left -= cost;
        if self.sends.len() == LIKE_SENDS_REMEMBERED_MAX {
            self.sends.pop_front();
        }
        self.sends.push_back(key);
        Ok(true)
    }

    /// When this user liked last, unix ms.
    pub fn seen_ms(&self) -> i64 {
        self.seen_ms
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn key(id: u64) -> Key {
        Key { id, body: 1 }
    }

    /// Every refusal, each checked where it is listed.
    pub(crate) fn refused() -> [Rejection; 2] {
        let mut liker = Liker::new(0);
        for bad in [0, LIKES_PER_SEND_MAX + 1, u32::MAX] {
            assert_eq!(liker.like(bad, key(1), 0), Err(Rejection::BadLikeCount));
        }
        assert_eq!(liker.like(100, key(1), 0), Ok(true));
        assert_eq!(liker.like(100, key(2), 0), Ok(true));
        assert_eq!(liker.like(1, key(3), 0), Err(Rejection::TooManyLikes));
        [Rejection::BadLikeCount, Rejection::TooManyLikes]
    }

    #[test]
    fn who_likes_at_the_limit_is_never_refused_and_who_likes_faster_gets_no_more() {
        let mut liker = Liker::new(0);
        for ms in 1..5_000 {
            assert_eq!(liker.like(1, key(ms as u64), ms * 5), Ok(true), "{ms}");
        }
        let mut liker = Liker::new(0);
        let sent = (0..10_000u64).filter(|ms| liker.like(1, key(*ms), *ms as i64) == Ok(true));
        assert_eq!(sent.count(), 200 + 1_999);
    }

    #[test]
    fn a_repeated_send_counts_once_and_costs_nothing() {
        let mut liker = Liker::new(0);
        assert_eq!(liker.like(100, key(7), 0), Ok(true));
        for _ in 0..10 {
            assert_eq!(liker.like(100, key(7), 0), Ok(false));
        }
        assert_eq!(liker.like(100, key(8), 0), Ok(true));
        assert_eq!(liker.like(1, key(9), 0), Err(Rejection::TooManyLikes));
        assert_eq!(
            liker.like(1, key(9), 5),
            Ok(true),
            "a refused send may come again"
        );
        for send in 10..10 + LIKE_SENDS_REMEMBERED_MAX as u64 {
            assert_eq!(liker.like(1, key(send), 1_000), Ok(true));
        }
        assert_eq!(liker.like(1, key(9), 1_000), Ok(true), "it was forgotten");
    }

    #[test]
    fn one_id_stands_for_one_send() {
        let mut liker = Liker::new(0);
        assert_eq!(liker.like(1, Key { id: 1, body: 1 }, 0), Ok(true));
        let other = Key { id: 1, body: 2 };
        assert_eq!(liker.like(2, other, 0), Err(Rejection::CommandReused));
    }

    #[test]
    fn a_clock_that_jumps_gives_nothing_away() {
        let mut liker = Liker::new(1_000);
        assert_eq!(liker.like(100, key(1), 1_000), Ok(true));
        assert_eq!(liker.like(100, key(2), 0), Ok(true));
        assert_eq!(liker.like(1, key(3), 1_000), Err(Rejection::TooManyLikes));
        assert_eq!(liker.like(100, key(4), i64::MAX), Ok(true));
        assert_eq!(liker.like(100, key(5), i64::MAX), Ok(true));
        assert_eq!(liker.like(1, key(6), i64::MAX), Err(Rejection::TooManyLikes));
    }
}
