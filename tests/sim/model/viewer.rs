//! A viewer by the rules: purse and combos, and what a gift comes to.

use std::collections::BTreeMap;

use domain::event::{ComboEnded, ComboRepeated, ComboStep, GiftSent};
use domain::{Event, Rejection, SessionNumber};

use super::{Elsewhere, Verdict, id};

const COMBOS_KEPT: usize = 16;
const COMBO_HIGHEST: u32 = 1_000_000;
const COUNT_HIGHEST: u32 = 9_999;

/// A combo of a viewer.
#[derive(Debug, Clone)]
pub struct Combo {
    /// Its name.
    pub id: String,
    room: String,
    gift: String,
    /// The total reached.
    pub total: u32,
    /// Whether it has ended.
    pub ended: bool,
}

/// One viewer.
#[derive(Debug, Default)]
pub struct Viewer {
    /// Coins left.
    pub coins: u64,
    /// Coins owed after refunds.
    pub debt: u64,
    /// Whom they follow as everybody sees it, and the place and time of the follow.
    pub following: BTreeMap<String, (u64, i64)>,
    /// Whom they follow by their own records, and how many changes of that one's blocks the follow knew of.
    pub(super) follows: BTreeMap<String, u64>,
    /// Whom they block, and the place and time of the block.
    pub blocked: BTreeMap<String, (u64, i64)>,
    /// Every change of that: whom, whether it was a block, and its place.
    pub(super) block_changes: Vec<(String, bool, u64)>,
    /// The combo with the newest gift last.
    pub combos: Vec<Combo>,
}

impl Viewer {
    pub(super) fn combo(&self, id: &str) -> Option<&Combo> {
        self.combos.iter().find(|c| c.id == id)
    }

    pub(super) fn gift(
        &self,
        user: &str,
        (room, gift): (&str, &str),
        count: u32,
        combo: Option<&(String, u32)>,
        elsewhere: Elsewhere,
    ) -> Verdict {
        let (price, worth) = elsewhere.price.ok_or(Rejection::UnknownGift)?;
        let mut count = count;
        let mut known = None;
        if let Some((name, total)) = combo {
            known = self.combo(name);
            if !(1..=COMBO_HIGHEST).contains(total) {
                return Err(Rejection::BadCount);
            }
            count = *total;
            if let Some(combo) = known {
                if (combo.room.as_str(), combo.gift.as_str()) != (room, gift) {
                    return Err(Rejection::ComboMismatch);
                }
                if *total <= combo.total {
                    let coins_left = self.coins;
                    return Ok(vec![
                        ComboRepeated {
                            combo: combo.step(),
                            coins_left,
                        }
                        .into(),
                    ]);
                }
                count = total - combo.total;
            }
        }
        if !(1..=COUNT_HIGHEST).contains(&count) {
            return Err(Rejection::BadCount);
        }
        if room == user {
            return Err(Rejection::GiftToSelf);
        }
        let session = SessionNumber(elsewhere.session.ok_or(Rejection::RoomNotLive)?);
        let coins = price * u64::from(count);
        if coins > self.coins {
            return Err(Rejection::NotEnoughCoins);
        }
        let sent = GiftSent {
            room: id(room),
            session,
            gift: id(gift),
            count,
            coins,
            tickets: worth * u64::from(count),
            coins_left: self.coins - coins,
            combo: combo.map(|(name, total)| ComboStep {
                id: id(name),
                total: *total,
            }),
        };
        let mut events = vec![Event::from(sent)];
        if combo.is_some() && known.is_none() && self.combos.len() == COMBOS_KEPT && !self.combos[0].ended {
            events.push(self.combos[0].end().into());
        }
        Ok(events)
    }

    pub(super) fn sent(&mut self, e: &GiftSent) {
        self.coins = e.coins_left;
        let Some(step) = &e.combo else { return };
        let name = step.id.as_str();
        let before = self.combos.iter().position(|c| c.id == name);
        let ended = before.is_some_and(|at| self.combos.remove(at).ended);
        if self.combos.len() == COMBOS_KEPT {
            self.combos.remove(0);
        }
        let (room, gift) = (e.room.to_string(), e.gift.to_string());
        self.combos.push(Combo {
            id: name.to_owned(),
            room,
            gift,
            total: step.total,
            ended,
        });
    }
}

impl Combo {
    fn step(&self) -> ComboStep {
        ComboStep {
            id: id(&self.id),
            total: self.total,
        }
    }

    pub(super) fn end(&self) -> ComboEnded {
        ComboEnded {
            room: id(&self.room),
            gift: id(&self.gift),
            combo: self.step(),
        }
    }
}
