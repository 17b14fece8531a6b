//! Gifts so big that every live room hears of them, between their commit and the moment they are told.
//!
//! Noting one never blocks and never waits: it happens on the thread of the views. What is too much to be told at once is
//! left out, the smallest first; the gifts themselves are in their own rooms, in order and durable.

use domain::event::GiftSent;
use domain::{Event, GiftId, RoomId, UserId};
use parking_lot::Mutex;
use projections::Shown;
use serde::Serialize;

/// Big gifts that wait to be told; one more pushes out the smallest. They are told five times a second.
const WAITING_MAX: usize = 8;

/// One gift command that is worth being told everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BigGift {
    r#type: &'static str,
    /// Who gave it.
    pub user: UserId,
    /// In which room.
    pub room: RoomId,
    /// Which gift.
    pub gift: GiftId,
    /// How many.
    pub count: u32,
    /// What they cost together.
    pub coins: u64,
    /// Where it stands.
    pub position: u64,
}

impl BigGift {
    fn of(shown: &Shown, sent: &GiftSent) -> Self {
        Self {
            r#type: "big_gift",
            user: shown.user.clone(),
            room: sent.room.clone(),
            gift: sent.gift.clone(),
            count: sent.count,
            coins: sent.coins,
            position: shown.position.sequence,
        }
    }

    /// Its publication, as JSON.
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("publications are plain data")
    }
}

/// The big gifts that wait to be told.
#[derive(Debug)]
pub struct BigGifts {
    coins_min: u64,
    waiting: Mutex<Vec<BigGift>>,
}

/// From so many coins on; 0 = never.
impl From<u64> for BigGifts {
    fn from(coins_min: u64) -> Self {
        Self {
            coins_min,
            waiting: Mutex::default(),
        }
    }
}

impl BigGifts {
    /// Keeps those that are big.
    pub fn note(&self, shown: &[Shown]) {
        if self.coins_min == 0 {
            return;
        }
        for shown in shown {
            if let Event::GiftSent(sent) = &shown.event
                && sent.coins >= self.coins_min
            {
                self.keep(BigGift::of(shown, sent));
            }
        }
    }

    fn keep(&self, big: BigGift) {
        let mut waiting = self.waiting.lock();
        waiting.push(big);
        if waiting.len() > WAITING_MAX {
            let smallest = (0..waiting.len()).min_by_key(|at| waiting[*at].coins);
            smallest.map(|at| waiting.remove(at));
        }
    }

    /// Takes those that wait, in order.
    pub fn take(&self) -> Vec<BigGift> {
        std::mem::take(&mut *self.waiting.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SessionNumber;
    use journal::Position;

    fn shown(coins: u64) -> Shown {
        Shown {
            room: "kim".parse().unwrap(),
            position: Position {
                shard: 0,
                sequence: coins,
            },
            at_ms: 0,
            user: "ann".parse().unwrap(),
            event: Event::from(GiftSent {
                room: "kim".parse().unwrap(),
                session: SessionNumber(1),
                gift: "castle".parse().unwrap(),
                count: 1,
                coins,
                tickets: 0,
                coins_left: 0,
                combo: None,
            }),
        }
    }

    fn coins(gifts: &BigGifts) -> Vec<u64> {
        gifts.take().iter().map(|big| big.coins).collect()
    }

    #[test]
    fn only_big_gifts_wait_and_the_smallest_of_too_many_are_left_out() {
        let gifts = BigGifts::from(100);
        gifts.note(&[shown(99), shown(100), shown(500)]);
        assert_eq!(coins(&gifts), [100, 500]);
        assert!(gifts.take().is_empty());
        let many: Vec<_> = (0..20).map(|n| shown(100 + n * 7 % 20)).collect();
        gifts.note(&many);
        let told = coins(&gifts);
        assert_eq!(told.len(), WAITING_MAX);
        assert!(told.iter().all(|coins| *coins >= 112), "{told:?}");
    }

    #[test]
    fn nothing_is_big_when_announcing_is_off() {
        let gifts = BigGifts::from(0);
        gifts.note(&[shown(0), shown(u64::MAX)]);
        assert!(gifts.take().is_empty());
    }
}
