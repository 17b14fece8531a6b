//! One record as an entry of a user's wallet: what it changed, what was left, and what it was about.
//!
//! The one place where postings become what a user, an operator or a statement reads. What moves nothing of the user's is
//! no entry.

use domain::ledger::{self, Account, Asset, Posting};
use domain::{Event, StreamKind};
use journal::Record;
use serde::Serialize;

/// Signed changes of the four things that a wallet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Change {
    /// Coins that can be spent.
    #[serde(skip_serializing_if = "is_nothing")]
    pub coins: i64,
    /// Tickets that can be withdrawn.
    #[serde(skip_serializing_if = "is_nothing")]
    pub tickets: i64,
    /// Tickets that withdrawals hold.
    #[serde(skip_serializing_if = "is_nothing")]
    pub held: i64,
    /// Coins owed; more debt is a positive change.
    #[serde(skip_serializing_if = "is_nothing")]
    pub debt: i64,
}

fn is_nothing(amount: &i64) -> bool {
    *amount == 0
}

impl Change {
    /// Whether nothing changes.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            coins: self.coins.saturating_add(other.coins),
            tickets: self.tickets.saturating_add(other.tickets),
            held: self.held.saturating_add(other.held),
            debt: self.debt.saturating_add(other.debt),
        }
    }

    fn add(&mut self, posting: &Posting<'_>, user: &str) {
        if posting.account.owner() != Some(user) {
            return;
        }
        let side = match posting.account {
            Account::Coins(_) => &mut self.coins,
            Account::Tickets(_) => &mut self.tickets,
            Account::Held(_) => &mut self.held,
            Account::Debt(_) => {
                self.debt = self.debt.saturating_sub(posting.amount);
                return;
            }
            _ => return,
        };
        *side = side.saturating_add(posting.amount);
    }
}

/// What the event says is left after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Left {
    /// Coins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coins_left: Option<u64>,
    /// Tickets that can be withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tickets_left: Option<u64>,
    /// Tickets that withdrawals hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_left: Option<u64>,
    /// Coins owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debt_left: Option<u64>,
}

/// What an entry was about: the fields that its event has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct About {
    /// Which gift was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gift: Option<String>,
    /// To whose room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// How many of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The combo it was a step of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combo: Option<String>,
    /// How many gifts of others a credit is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gifts: Option<u64>,
    /// The order of a recharge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// The withdrawal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<String>,
    /// Why, in people's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One line of a wallet's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Where its record stands.
    pub position: u64,
    /// Server time, unix ms.
    pub time: i64,
    /// The name of the event.
    pub r#type: &'static str,
    /// What it changed.
    #[serde(flatten)]
    pub change: Change,
    /// What was left.
    #[serde(flatten)]
    pub left: Left,
    /// What it was about.
    #[serde(flatten)]
    pub about: About,
}

impl Entry {
    /// The record as an entry in the wallet of its stream's own user; none for what moves nothing of that user's.
    pub fn of(record: &Record, event: &Event) -> Option<Self> {
        if !matches!(record.stream.kind, StreamKind::Viewer | StreamKind::Streamer) {
            return None;
        }
        let user = record.stream.key.as_str();
        let mut change = Change::default();
        ledger::postings(event, user, |posting| change.add(&posting, user));
        if change.is_none() {
            return None;
        }
        Some(Self {
            position: record.position.sequence,
            time: record.recorded_at_ms,
            r#type: event.event_type().name(),
            change,
            left: left(event, user),
            about: about(event),
        })
    }
}

fn left(event: &Event, user: &str) -> Left {
    let mut left = Left::default();
    ledger::stated(event, user, |account, amount| {
        let side = match account {
            Account::Coins(_) => &mut left.coins_left,
            Account::Tickets(_) => &mut left.tickets_left,
            Account::Held(_) => &mut left.held_left,
            Account::Debt(_) => &mut left.debt_left,
            _ => return,
        };
        *side = Some(amount);
    });
    left
}

fn about(event: &Event) -> About {
    let mut about = About::default();
    let text = |id: &dyn std::fmt::Display| Some(id.to_string());
    match event {
        Event::GiftSent(e) => {
            about.gift = text(&e.gift);
            about.room = text(&e.room);
            about.count = Some(e.count);
            about.combo = e.combo.as_ref().and_then(|step| text(&step.id));
        }
        Event::TicketsCredited(e) => about.gifts = Some(e.gifts),
        Event::CoinsRecharged(e) => about.order = text(&e.order),
        Event::CoinsTakenBack(e) => about.order = text(&e.order),
        Event::CoinsAdjusted(e) => about.reason = text(&e.reason),
        Event::DebtForgiven(e) => about.reason = text(&e.reason),
        Event::TicketsAdjusted(e) => about.reason = text(&e.reason),
        Event::WithdrawalRequested(e) => about.withdrawal = text(&e.withdrawal),
        Event::WithdrawalPaid(e) => about.withdrawal = text(&e.withdrawal),
        Event::WithdrawalRejected(e) => {
            about.withdrawal = text(&e.withdrawal);
            about.reason = text(&e.reason);
        }
        Event::WithdrawalFailed(e) => {
            about.withdrawal = text(&e.withdrawal);
            about.reason = text(&e.reason);
        }
        _ => {}
    }
    about
}

/// One posting that stands on its own, with the position of its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Where its record stands.
    pub position: u64,
    /// Which account, as in `coins`.
    pub account: &'static str,
    /// Whose it is; none for the platform's own.
    pub owner: Option<String>,
    /// What moves.
    pub asset: Asset,
    /// How much comes, or goes when negative.
    pub amount: i64,
}

/// The postings of a record; none for one that moves nothing.
pub fn lines(record: &Record, event: &Event) -> Vec<Line> {
    let mut lines = Vec::new();
    ledger::postings(event, &record.stream.key, |posting| {
        lines.push(Line {
            position: record.position.sequence,
            account: posting.account.word(),
            owner: posting.account.owner().map(str::to_owned),
            asset: posting.asset,
            amount: posting.amount,
        });
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::event::{CoinsTakenBack, Followed, GiftSent, WithdrawalPaid};
    use domain::{SessionNumber, StreamId};
    use journal::{Cause, Position};
    use serde_json::json;

    fn record(stream: &str, event: &Event) -> Record {
        Record {
            position: Position {
                shard: 0,
                sequence: 7,
            },
            stream: stream.parse::<StreamId>().unwrap(),
            version: 1,
            recorded_at_ms: 17,
            cause: Cause {
                command_id: None,
                request_hash: 0,
                actor: "ann".into(),
            },
            event_type: event.event_type(),
            schema: 1,
            payload: bytes::Bytes::new(),
        }
    }

    fn told(stream: &str, event: impl Into<Event>) -> serde_json::Value {
        let event = event.into();
        serde_json::to_value(Entry::of(&record(stream, &event), &event)).unwrap()
    }

    #[test]
    fn an_entry_tells_what_changed_what_is_left_and_what_it_was_about() {
        let gift = GiftSent {
            room: "kim".parse().unwrap(),
            session: SessionNumber(1),
            gift: "rose".parse().unwrap(),
            count: 3,
            coins: 30,
            tickets: 15,
            coins_left: 70,
            combo: None,
        };
        assert_eq!(
            told("viewer-ann", gift),
            json!({"position": 7, "time": 17, "type": "gift_sent", "coins": -30, "coins_left": 70, "gift": "rose",
                "room": "kim", "count": 3})
        );
        let back = CoinsTakenBack {
            order: "o1".parse().unwrap(),
            provider: "pay".parse().unwrap(),
            coins: 100,
            debt_added: 60,
            coins_left: 0,
            debt_left: 60,
        };
        assert_eq!(
            told("viewer-ann", back),
            json!({"position": 7, "time": 17, "type": "coins_taken_back", "coins": -40, "debt": 60, "coins_left": 0,
                "debt_left": 60, "order": "o1"})
        );
        let paid = WithdrawalPaid {
            withdrawal: "w1".parse().unwrap(),
            tickets: 100,
            fee: 5,
            reference: "r".into(),
            held_left: 0,
        };
        assert_eq!(
            told("streamer-kim", paid),
            json!({"position": 7, "time": 17, "type": "withdrawal_paid", "held": -100, "held_left": 0, "withdrawal": "w1"})
        );
    }

    #[test]
    fn what_moves_nothing_of_the_user_is_no_entry() {
        let followed = Followed {
            streamer: "kim".parse().unwrap(),
            cleared: 0,
        };
        assert_eq!(told("viewer-ann", followed), serde_json::Value::Null);
    }
}
