//! A user as viewer: coins, gifts sent with their combos, follows, blocks.
//!
//! Debit and gift are one event. Combos are cumulative: the client sends the total it has reached, and what is applied
//! is the difference to the total known here, so duplicates, losses and reorders are harmless. A combo ends once: a step
//! that comes later is paid, and does not run the combo again.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::{ComboEnded, ComboRepeated, ComboStep, CommandRefused, GiftSent};
use crate::limits::{COMBO_IDLE_MS, COMBO_TOTAL_MAX, COMBOS_REMEMBERED_MAX, GIFT_COUNT_MAX};
use crate::{
    Aggregate, ComboId, Context, Decision, Event, GiftId, Rejection, RoomId, SessionNumber, StreamKind,
    UserId,
};

mod purse;
mod relations;

pub use purse::{Recharge, TakeBack};
pub use relations::{Blocks, Clearance, Toward};

/// What a viewer can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add coins, or take them when negative.
    AdjustCoins {
        /// Coins; not 0, and not below what there is.
        amount: i64,
        /// Why, for people: 1 to 200 characters.
        reason: String,
    },
    /// Take the coins of a paid order. Sent by the cashier, not by clients.
    Recharge(Recharge),
    /// Give up the coins of a refunded order. Sent by the cashier, not by clients.
    TakeBack(TakeBack),
    /// Let go of debt.
    ForgiveDebt {
        /// How much, in coins: 1 or more, at most the debt.
        coins: u64,
        /// Why, for people: 1 to 200 characters.
        reason: String,
    },
    /// How much does this viewer owe? Nothing happens. Asked before a withdrawal.
    AskDebt,
    /// Pay and give.
    SendGift(SendGift),
    /// The client says that a combo is over.
    EndCombo {
        /// Which.
        combo: ComboId,
    },
    /// Time has passed: end the combos whose last gift lies 5 s back. Sent by the shell, not by clients.
    EndIdleCombos,
    /// Follow a streamer.
    Follow {
        /// Whom.
        streamer: UserId,
        /// What the streamer's blocks say of this viewer, filled in by the shell at the moment of the decision; none when
        /// the streamer has to be asked.
        clearance: Option<Clearance>,
    },
    /// Follow no longer.
    Unfollow {
        /// Whom.
        streamer: UserId,
    },
    /// Let a follow go that somebody's block has ended. Sent by the process `relations`, not by clients.
    LoseFollow {
        /// Who has blocked this viewer.
        streamer: UserId,
        /// The number of that block: a follow that knew of it stays.
        change: u64,
    },
    /// Want nothing to do with a user.
    Block {
        /// Whom.
        user: UserId,
    },
    /// Block no longer.
    Unblock {
        /// Whom.
        user: UserId,
    },
    /// How does this viewer stand to somebody? Nothing happens. Asked by rooms, by follows, and by whoever carries messages.
    AskToward {
        /// To whom.
        user: UserId,
    },
}

/// One `gift.send`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendGift {
    /// Where.
    pub room: RoomId,
    /// The room's live session as the shell knows it; none when the room is not live.
    pub session: Option<SessionNumber>,
    /// Which gift.
    pub gift: GiftId,
    /// How many, 1 to 9999; ignored in a combo, where the total decides.
    pub count: u32,
    /// The combo and the cumulative total that the client has reached.
    pub combo: Option<ComboStep>,
}

/// What a viewer says when a command was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The balance after an adjustment.
    Adjusted {
        /// Coins left.
        coins: u64,
    },
    /// The balance and the debt after a recharge, a refund, or after debt was forgiven.
    Purse {
        /// Coins left; none where the event does not say.
        coins: Option<u64>,
        /// Coins owed.
        debt: u64,
    },
    /// How much the viewer owes, in coins.
    Owes(u64),
    /// A gift was sent, or its combo stood there already.
    Gift {
        /// Coins left.
        coins: u64,
        /// The combo's total after it; none outside a combo.
        combo_total: Option<u32>,
    },
    /// A combo ended.
    ComboEnded {
        /// Its final total.
        total: u32,
    },
    /// The follow or the block, or that there is none, holds now, or held already.
    Relation,
    /// How the viewer stands to the one asked for.
    Toward(Toward),
}

/// A combo that the viewer has sent to, running or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Combo {
    step: ComboStep,
    room: RoomId,
    gift: GiftId,
    last_at_ms: i64,
    ended: bool,
}

/// The state of one viewer. Its times are for time-outs only: while an event is not durable yet, they are the actor's
/// and not the record's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    user: UserId,
    coins: u64,
    debt: u64,
    /// Each with what it was cleared by: how many changes of the streamer's blocks it knows of.
    following: BTreeMap<UserId, u64>,
    blocks: Blocks,
    /// At most [`COMBOS_REMEMBERED_MAX`], the one with the newest gift last.
    combos: Vec<Combo>,
}

impl Viewer {
    /// Coins on the account.
    pub fn coins(&self) -> u64 {
        self.coins
    }

    /// Coins owed after a refund.
    pub fn debt(&self) -> u64 {
        self.debt
    }

    /// Whom the viewer follows.
    pub fn following(&self) -> impl Iterator<Item = &UserId> {
        self.following.keys()
    }

    /// Whom the viewer blocks.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// When the next running combo will have been idle long enough to end, unix ms; none when no combo runs.
    pub fn next_combo_end_ms(&self) -> Option<i64> {
        self.combos
            .iter()
            .filter(|c| !c.ended)
            .map(|c| c.last_at_ms + COMBO_IDLE_MS)
            .min()
    }

    fn send_gift(&self, send: &SendGift, context: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        let gift = context.catalogue.get(&send.gift).ok_or(Rejection::UnknownGift)?;
        let known = send.combo.as_ref().and_then(|step| self.combo(&step.id));
        let count = match &send.combo {
            Some(step) => self.combo_count(step, known, send)?,
            None => send.count,
        };
        if let (0, Some(combo)) = (count, known) {
            return Ok(Decision::happens(ComboRepeated {
                combo: combo.step.clone(),
                coins_left: self.coins,
            }));
        }
        if !(1..=GIFT_COUNT_MAX).contains(&count) {
            return Err(Rejection::BadCount);
        }
        if send.room.as_str() == self.user.as_str() {
            return Err(Rejection::GiftToSelf);
        }
        let session = send.session.ok_or(Rejection::RoomNotLive)?;
        // Prices are at most 10^9 and counts at most 10^4: neither product can overflow.
        let coins = gift.coins * u64::from(count);
        let coins_left = self.coins.checked_sub(coins).ok_or(Rejection::NotEnoughCoins)?;
        // After this point it must succeed.
        let sent = GiftSent {
            room: send.room.clone(),
            session,
            gift: send.gift.clone(),
            count,
            coins,
            tickets: gift.tickets * u64::from(count),
            coins_left,
            combo: send.combo.clone(),
        };
        let mut events = Vec::from([Event::from(sent)]);
        // A new combo may push a running one out of the memory: it ends first, so that its end is told.
        if known.is_none() && send.combo.is_some() {
            events.extend(self.combo_pushed_out().map(Combo::end));
        }
        Ok(Decision::Happens(events))
    }

    /// How many gifts the new total adds. 0 = nothing new.
    fn combo_count(
        &self,
        step: &ComboStep,
        known: Option<&Combo>,
        send: &SendGift,
    ) -> Result<u32, Rejection> {
        if step.total == 0 || step.total > COMBO_TOTAL_MAX {
            return Err(Rejection::BadCount);
        }
        let Some(known) = known else { return Ok(step.total) };
        if known.room != send.room || known.gift != send.gift {
            return Err(Rejection::ComboMismatch);
        }
        Ok(step.total.saturating_sub(known.step.total))
    }

    fn combo(&self, id: &ComboId) -> Option<&Combo> {
        self.combos.iter().find(|c| c.step.id == *id)
    }

    /// The running combo that one more combo would push out of the memory.
    fn combo_pushed_out(&self) -> Option<&Combo> {
        let full = self.combos.len() >= COMBOS_REMEMBERED_MAX;
        self.combos.first().filter(|c| full && !c.ended)
    }

    fn remember_combo(&mut self, sent: &GiftSent, step: &ComboStep, at_ms: i64) {
        // A step that comes after the end is paid, but the end was told already and is told once.
        let ended = self.combo(&step.id).is_some_and(|known| known.ended);
        self.combos.retain(|c| c.step.id != step.id);
        if self.combos.len() >= COMBOS_REMEMBERED_MAX {
            self.combos.remove(0);
        }
        self.combos.push(Combo {
            step: step.clone(),
            room: sent.room.clone(),
            gift: sent.gift.clone(),
            last_at_ms: at_ms,
            ended,
        });
    }
}

impl Combo {
    fn end(&self) -> Event {
        ComboEnded {
            room: self.room.clone(),
            gift: self.gift.clone(),
            combo: self.step.clone(),
        }
        .into()
    }
}

impl Aggregate for Viewer {
    const KIND: StreamKind = StreamKind::Viewer;
    const SNAPSHOT_SCHEMA: u16 = 3;
    type Command = Command;
    type Answer = Answer;

    fn new(key: &UserId) -> Self {
        Self {
            user: key.clone(),
            coins: 0,
            debt: 0,
            following: BTreeMap::new(),
            blocks: Blocks::default(),
            combos: Vec::new(),
        }
    }

    fn decide(&self, command: &Command, context: &Context<'_>) -> Result<Decision<Answer>, Rejection> {
        match command {
            Command::AdjustCoins { amount, reason } => self.adjust(*amount, reason),
            Command::Recharge(recharge) => self.recharge(recharge),
            Command::TakeBack(back) => self.take_back(back),
            Command::ForgiveDebt { coins, reason } => self.forgive(*coins, reason),
            Command::AskDebt => Ok(Decision::Already(Answer::Owes(self.debt))),
            Command::SendGift(send) => self.send_gift(send, context),
            Command::EndCombo { combo } => {
                let combo = self.combo(combo).ok_or(Rejection::UnknownCombo)?;
                if combo.ended {
                    return Ok(Decision::Already(Answer::ComboEnded {
                        total: combo.step.total,
                    }));
                }
                Ok(Decision::Happens(Vec::from([combo.end()])))
            }
            Command::EndIdleCombos => {
                let idle = |c: &&Combo| !c.ended && c.last_at_ms + COMBO_IDLE_MS <= context.now_ms;
                let ended: Vec<_> = self.combos.iter().filter(idle).map(Combo::end).collect();
                if ended.is_empty() {
                    Err(Rejection::UnknownCombo)
                } else {
                    Ok(Decision::Happens(ended))
                }
            }
            Command::Follow { streamer, clearance } => self.follow(streamer, *clearance),
            Command::Unfollow { streamer } => Ok(self.unfollow(streamer)),
            Command::LoseFollow { streamer, change } => Ok(self.lose_follow(streamer, *change)),
            Command::Block { user } => self.block(user),
            Command::Unblock { user } => Ok(self.unblock(user)),
            Command::AskToward { user } => Ok(Decision::Already(Answer::Toward(self.toward(user)))),
        }
    }

    fn evolve(&mut self, event: &Event, recorded_at_ms: i64) {
        match event {
            Event::CoinsAdjusted(e) => self.coins = e.coins_left,
            Event::CoinsRecharged(e) => (self.coins, self.debt) = (e.coins_left, e.debt_left),
            Event::CoinsTakenBack(e) => (self.coins, self.debt) = (e.coins_left, e.debt_left),
            Event::DebtForgiven(e) => self.debt = e.debt_left,
            Event::GiftSent(e) => {
                self.coins = e.coins_left;
                if let Some(step) = &e.combo {
                    self.remember_combo(e, step, recorded_at_ms);
                }
            }
            Event::ComboEnded(e) => {
                if let Some(combo) = self.combos.iter_mut().find(|c| c.step.id == e.combo.id) {
                    combo.ended = true;
                }
            }
            Event::Followed(e) => _ = self.following.insert(e.streamer.clone(), e.cleared),
            Event::Unfollowed(e) => _ = self.following.remove(&e.streamer),
            Event::Blocked(_) | Event::Unblocked(_) => self.blocks.evolve(event),
            _ => {}
        }
    }

    fn answer(event: &Event) -> Result<Answer, Rejection> {
        match event {
            Event::CoinsAdjusted(e) => Ok(Answer::Adjusted { coins: e.coins_left }),
            Event::CoinsRecharged(e) => Ok(Answer::Purse {
                coins: Some(e.coins_left),
                debt: e.debt_left,
            }),
            Event::CoinsTakenBack(e) => Ok(Answer::Purse {
                coins: Some(e.coins_left),
                debt: e.debt_left,
            }),
            Event::DebtForgiven(e) => Ok(Answer::Purse {
                coins: None,
                debt: e.debt_left,
            }),
            Event::GiftSent(e) => Ok(Answer::Gift {
                coins: e.coins_left,
                combo_total: e.combo.as_ref().map(|step| step.total),
            }),
            Event::ComboRepeated(e) => Ok(Answer::Gift {
                coins: e.coins_left,
                combo_total: Some(e.combo.total),
            }),
            Event::ComboEnded(e) => Ok(Answer::ComboEnded { total: e.combo.total }),
            Event::CommandRefused(e) => Err(e.rejection),
            _ => Ok(Answer::Relation),
        }
    }

    fn refused(command: &Command, rejection: Rejection) -> Option<Event> {
        let about_money = matches!(
            command,
            Command::AdjustCoins { .. } | Command::ForgiveDebt { .. } | Command::SendGift(_)
        );
        about_money.then(|| CommandRefused { rejection }.into())
    }
}

#[cfg(test)]
pub(crate) mod tests;
