//! The platform as plain sums: what the rules of the business make of a list of records. Written a second time, from the
//! rules and not from the code, so that the two can disagree. It must never ask the code under test anything.

mod boards;
mod relations;
mod system;
mod viewer;

use std::collections::BTreeMap;

use domain::event::{
    CoinsAdjusted, CommandRefused, DebtForgiven, GiftSent, LiveStarted, LiveStopped, TicketsAdjusted,
    Unblocked, Unfollowed, WithdrawalRefused,
};
use domain::{Event, Rejection, SessionNumber};

pub use viewer::Viewer;

use crate::ledger::Books;
use crate::letters::{Letters, ROW};
use crate::offers::{Offers, Price};
use crate::payroll::Payroll;
use crate::rooms::{Room, without_time};
use crate::script::{Body, Family};
use crate::tills::Tills;

const COINS_HIGHEST: u64 = 4_503_599_627_370_496;
const TICKETS_HIGHEST: u64 = COINS_HIGHEST;

/// One record of the journal, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its place, counted from 1.
    pub sequence: u64,
    /// Kind and key of its stream, as in `viewer-ann`.
    pub stream: String,
    /// Its place in the stream, counted from 1.
    pub version: u64,
    /// Server time, unix ms.
    pub at_ms: i64,
    /// The command's id as the journal has it.
    pub command_id: Option<String>,
    /// Tells bodies of one id apart.
    pub hash: u64,
    /// Who caused it.
    pub actor: String,
    /// What happened.
    pub event: Event,
}

impl Seen {
    /// The key of its stream.
    pub fn key(&self) -> &str {
        self.stream.split_once('-').map_or("", |(_, key)| key)
    }
}

/// One streamer.
#[derive(Debug, Default)]
pub struct Streamer {
    sessions: u32,
    /// The session that runs: its number, title, place, time and tickets.
    pub live: Option<(u32, String, u64, i64, u64)>,
    /// Tickets available.
    pub tickets: u64,
    /// What is to be paid out.
    pub payroll: Payroll,
    settled: u64,
    /// Gifts that are not credited yet: place and tickets.
    pub owed: Vec<(u64, u64)>,
}

/// A score and the place of the record that reached it.
pub type Score = (u64, u64);

/// Everything.
#[derive(Debug, Default)]
pub struct Model {
    /// By name.
    pub viewers: BTreeMap<String, Viewer>,
    /// By name.
    pub streamers: BTreeMap<String, Streamer>,
    /// By the name of the streamer.
    pub rooms: BTreeMap<String, Room>,
    empty_room: Room,
    /// By their keys.
    pub conversations: BTreeMap<String, Letters>,
    /// Orders and payments.
    pub tills: Tills,
    /// Every account by double entry.
    pub books: Books,
    /// The gifts on offer.
    pub offers: Offers,
    /// Boards: day, board, who.
    pub boards: BTreeMap<(&'static str, i64, String), BTreeMap<String, Score>>,
    /// Places of what was shown in each room.
    pub feeds: BTreeMap<String, Vec<u64>>,
    /// Sums: granted, taken, spent, earned, credited.
    pub sums: [u64; 5],
    versions: BTreeMap<String, u64>,
    head: u64,
    last_ms: i64,
    settled_upto: u64,
    severed_upto: u64,
    /// Ends of combos that came with the gift before them.
    expected_next: Option<(u64, Event)>,
    /// How often a combo was pushed out by a newer one.
    pub pushed_out: u64,
    /// Why payments fitted no order.
    pub unmatched: Vec<Rejection>,
    /// The states that orders, payments, combos and withdrawals came to, and how often.
    pub reached: BTreeMap<&'static str, u64>,
}

/// What others knew when a command was decided.
#[derive(Debug, Clone, Copy, Default)]
pub struct Elsewhere {
    /// The room's session.
    pub session: Option<u32>,
    /// Whether the streamer owes coins as a viewer.
    pub owes: bool,
    /// What the gift cost, if it was on offer.
    pub price: Option<Price>,
    /// How many changes of the streamer's blocks a follow knew of.
    pub cleared: u64,
    /// Whether the two who write follow each other.
    pub mutual: bool,
}

impl Elsewhere {
    /// A room that is live, no debt, any price.
    pub fn usual() -> Self {
        Self {
            session: Some(1),
            owes: false,
            price: Some((1, 0)),
            cleared: 0,
            mutual: false,
        }
    }
}

/// The command behind a record.
pub struct Asked<'a> {
    /// What was asked.
    pub body: &'a Body,
    /// Every offer of the gift from when it was asked for until it was done.
    pub prices: Vec<Option<Price>>,
}

/// What the rules make of a command.
pub type Verdict = Result<Vec<Event>, Rejection>;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("the script writes well-formed ids")
}

impl Model {
    /// Nothing has happened, and these gifts are on offer.
    pub fn new(offers: Offers) -> Self {
        Self {
            offers,
            ..Self::default()
        }
    }

    /// Takes the next record: its place, version and time must follow, and what it says must be what the rules make of
    /// the command that `asked` finds behind its id.
    pub fn take(&mut self, seen: &Seen, asked: Option<Asked<'_>>) {
        assert_eq!(seen.sequence, self.head + 1, "a gap in the journal at {seen:?}");
        self.head = seen.sequence;
        let version = self.versions.entry(seen.stream.clone()).or_default();
        *version += 1;
        assert_eq!(seen.version, *version, "versions of a stream: {seen:?}");
        assert!(
            seen.at_ms >= self.last_ms,
            "time went back from {} at {seen:?}",
            self.last_ms
        );
        self.last_ms = seen.at_ms;
        match self.expected_next.take() {
            Some((place, event)) => {
                assert_eq!((place, &event), (seen.sequence, &seen.event), "half of an append");
            }
            None => self.check(seen, asked),
        }
        self.apply(seen);
    }

    /// Whether the last append is whole.
    pub fn is_whole(&self) -> bool {
        self.expected_next.is_none()
    }

    fn check(&mut self, seen: &Seen, asked: Option<Asked<'_>>) {
        let Some(Asked { body, prices }) = asked else {
            return self.check_system(seen);
        };
        let refusal = refusal(&seen.event);
        let session = match &seen.event {
            Event::GiftSent(sent) => Some(sent.session.0),
            _ if refusal == Some(Rejection::RoomNotLive) => None,
            _ => Some(1),
        };
        let owes = refusal == Some(Rejection::InDebt);
        let cleared = match &seen.event {
            Event::Followed(e) => e.cleared,
            _ => 0,
        };
        let happened = without_time(&seen.event);
        let verdicts = prices.into_iter().map(|price| {
            let elsewhere = Elsewhere {
                session,
                owes,
                price,
                cleared,
                // What the record rests on there is asked beside it.
                mutual: true,
            };
            match self.verdict(seen.key(), &seen.actor, body, elsewhere) {
                Ok(events) => events,
                Err(rejection) if body.family() == Family::Streamer => {
                    vec![WithdrawalRefused { rejection }.into()]
                }
                Err(rejection) => vec![CommandRefused { rejection }.into()],
            }
        });
        let verdicts: Vec<_> = verdicts.collect();
        let Some(events) = verdicts.iter().find(|events| events[..1] == [happened.clone()]) else {
            panic!("the rules make something else of {body:?}: {verdicts:?}, not {seen:?}");
        };
        if let Some(next) = events.get(1) {
            self.pushed_out += u64::from(matches!(next, Event::ComboEnded(_)));
            self.expected_next = Some((seen.sequence + 1, next.clone()));
        }
    }

    /// What the rules make of a command now, with what was known of others.
    pub fn verdict(&self, key: &str, actor: &str, body: &Body, elsewhere: Elsewhere) -> Verdict {
        let nobody = Viewer::default();
        let viewer = self.viewers.get(key).unwrap_or(&nobody);
        match body {
            Body::Adjust { amount, reason } => {
                let reason = reason.kept.clone()?;
                let after = i128::from(viewer.coins) + i128::from(*amount);
                let coins_left = match u64::try_from(after) {
                    _ if *amount == 0 => return Err(Rejection::BadAmount),
                    Err(_) => return Err(Rejection::BadAmount),
                    Ok(coins) if coins > COINS_HIGHEST => return Err(Rejection::BalanceLimit),
                    Ok(coins) => coins,
                };
                let amount = *amount;
                Ok(vec![
                    CoinsAdjusted {
                        amount,
                        coins_left,
                        reason,
                    }
                    .into(),
                ])
            }
            Body::Gift {
                room,
                gift,
                count,
                combo,
            } => viewer.gift(key, (room, gift), *count, combo.as_ref(), elsewhere),
            Body::EndCombo { combo } => match viewer.combo(combo) {
                None => Err(Rejection::UnknownCombo),
                Some(combo) if combo.ended => Ok(Vec::new()),
                Some(combo) => Ok(vec![combo.end().into()]),
            },
            Body::Follow { whom } if whom == key => Err(Rejection::FollowSelf),
            Body::Follow { whom } => viewer.follow(whom, elsewhere.cleared),
            Body::Block { whom } if whom == key => Err(Rejection::BlockSelf),
            Body::Block { whom } => viewer.block(whom),
            Body::Unblock { whom } if viewer.blocked.contains_key(whom) => {
                let (user, change) = (id(whom), viewer.block_changes.len() as u64 + 1);
                Ok(vec![Unblocked { user, change }.into()])
            }
            Body::Unblock { .. } => Ok(Vec::new()),
            Body::Unfollow { whom } if viewer.follows.contains_key(whom) => {
                Ok(vec![Unfollowed { streamer: id(whom) }.into()])
            }
            Body::Unfollow { .. } => Ok(Vec::new()),
            Body::StartLive { title } => {
                let title = title.kept.clone()?;
                if self.session(key).is_some() {
                    return Err(Rejection::AlreadyLive);
                }
                let sessions = self.streamers.get(key).map_or(0, |s| s.sessions);
                Ok(vec![
                    LiveStarted {
                        session: SessionNumber(sessions + 1),
                        title,
                    }
                    .into(),
                ])
            }
            Body::StopLive => {
                let session = self.session(key).ok_or(Rejection::NotLive)?;
                Ok(vec![
                    LiveStopped {
                        session: SessionNumber(session),
                    }
                    .into(),
                ])
            }
            Body::Chat { .. } | Body::Order { .. } => self.room(key).verdict(key, actor, body),
            Body::Message { .. } | Body::Read { .. } => {
                self.letters(key).verdict(actor, body, elsewhere.mutual)
            }
            Body::Forgive { coins, reason } => {
                let reason = reason.kept.clone()?;
                if *coins == 0 || *coins > viewer.debt {
                    return Err(Rejection::BadDebt);
                }
                let (coins, debt_left) = (*coins, viewer.debt - coins);
                Ok(vec![
                    DebtForgiven {
                        coins,
                        debt_left,
                        reason,
                    }
                    .into(),
                ])
            }
            Body::AdjustTickets { amount, reason } => self.adjust_tickets(key, *amount, reason.kept.clone()?),
            Body::Withdraw { .. } | Body::Approve { .. } | Body::Reject { .. } => {
                let nobody = Streamer::default();
                let streamer = self.streamers.get(key).unwrap_or(&nobody);
                streamer.payroll.verdict(streamer.tickets, elsewhere.owes, body)
            }
            Body::Buy { .. } | Body::CancelOrder | Body::PaymentTold { .. } | Body::RefundTold { .. } => {
                self.tills.verdict(key, actor, body)
            }
            Body::List { .. } | Body::Delist { .. } => self.offers.verdict(body),
        }
    }

    fn adjust_tickets(&self, key: &str, amount: i64, reason: String) -> Verdict {
        let nobody = Streamer::default();
        let streamer = self.streamers.get(key).unwrap_or(&nobody);
        let after = i128::from(streamer.tickets) + i128::from(amount);
        if amount == 0 || after < 0 {
            return Err(Rejection::BadAmount);
        }
        if after + i128::from(streamer.payroll.held()) > i128::from(TICKETS_HIGHEST) {
            return Err(Rejection::BalanceLimit);
        }
        let tickets_left = after as u64;
        Ok(vec![
            TicketsAdjusted {
                amount,
                tickets_left,
                reason,
            }
            .into(),
        ])
    }

    /// A room as it stands.
    pub fn room(&self, name: &str) -> &Room {
        self.rooms.get(name).unwrap_or(&self.empty_room)
    }

    /// A conversation as it stands.
    pub fn letters(&self, key: &str) -> Letters {
        self.conversations.get(key).cloned().unwrap_or_default()
    }

    /// The session that runs in a room now.
    pub fn session(&self, room: &str) -> Option<u32> {
        self.streamers.get(room)?.live.as_ref().map(|live| live.0)
    }

    /// Coins of everybody.
    pub fn coins(&self) -> u64 {
        self.viewers.values().map(|viewer| viewer.coins).sum()
    }

    fn apply(&mut self, seen: &Seen) {
        let (place, key) = (seen.sequence, seen.key().to_owned());
        if let Event::PaymentUnmatched(e) = &seen.event {
            self.unmatched.push(e.rejection);
        }
        if let Some(state) = state_reached(&seen.event) {
            *self.reached.entry(state).or_default() += 1;
        }
        self.books.apply(seen);
        self.tills.apply(seen);
        self.offers.apply(seen);
        match &seen.event {
            Event::CoinsAdjusted(e) => {
                self.viewers.entry(key).or_default().coins = e.coins_left;
                self.sums[usize::from(e.amount < 0)] += e.amount.unsigned_abs();
            }
            Event::CoinsRecharged(e) => self.purse(key, e.coins_left, e.debt_left),
            Event::CoinsTakenBack(e) => self.purse(key, e.coins_left, e.debt_left),
            Event::DebtForgiven(e) => self.viewers.entry(key).or_default().debt = e.debt_left,
            Event::TicketsAdjusted(e) => self.streamers.entry(key).or_default().tickets = e.tickets_left,
            Event::WithdrawalRequested(e) => self.payroll(key, Some(e.tickets_left), &seen.event),
            Event::WithdrawalRejected(e) => self.payroll(key, Some(e.tickets_left), &seen.event),
            Event::WithdrawalFailed(e) => self.payroll(key, Some(e.tickets_left), &seen.event),
            Event::WithdrawalApproved(_) | Event::WithdrawalSubmitted(_) | Event::WithdrawalPaid(_) => {
                self.payroll(key, None, &seen.event);
            }
            Event::WithdrawalRefused(_)
            | Event::OrderCreated(_)
            | Event::OrderCancelled(_)
            | Event::OrderPaid(_)
            | Event::OrderRefunded(_)
            | Event::PaymentReceived(_)
            | Event::PaymentUnmatched(_)
            | Event::PaymentRefunded(_)
            | Event::GiftListed(_)
            | Event::GiftDelisted(_) => {}
            Event::ProcessAdvanced(e) => {
                if seen.stream == "process-relations.0" {
                    self.severed_upto = e.upto;
                }
            }
            Event::GiftSent(e) => {
                self.viewers.entry(key.clone()).or_default().sent(e);
                self.gift(&key, e, seen);
            }
            Event::ComboEnded(e) => {
                let viewer = self.viewers.entry(key).or_default();
                let combo = viewer.combos.iter_mut().find(|c| c.id == e.combo.id.as_str());
                // One that was pushed out is known no more.
                if let Some(combo) = combo {
                    combo.ended = true;
                }
                self.show(e.room.as_str(), place);
            }
            Event::Followed(_) | Event::Blocked(_) | Event::Unblocked(_) | Event::Unfollowed(_) => {
                self.relate(&key, seen);
            }
            Event::LiveStarted(e) => {
                let streamer = self.streamers.entry(key.clone()).or_default();
                streamer.sessions = e.session.0;
                streamer.live = Some((e.session.0, e.title.clone(), place, seen.at_ms, 0));
                self.show(&key, place);
            }
            Event::LiveStopped(_) => {
                self.streamers.entry(key.clone()).or_default().live = None;
                self.show(&key, place);
            }
            Event::TicketsCredited(e) => {
                let streamer = self.streamers.entry(key).or_default();
                (streamer.tickets, streamer.settled) = (e.tickets_total, e.upto);
                streamer.owed.retain(|(place, _)| *place > e.upto);
                self.sums[4] += e.tickets;
            }
            Event::MessageSent(_) | Event::MessagesRead(_) => {
                let letters = self.conversations.entry(key).or_default();
                letters.apply(&seen.event, place, seen.at_ms);
                let free = matches!(&seen.event, Event::MessageSent(e) if letters.row(e.from.as_str()) > ROW);
                if free {
                    *self
                        .reached
                        .entry("messages past three without an answer")
                        .or_default() += 1;
                }
            }
            Event::SettlementAdvanced(e) => self.settled_upto = e.upto,
            Event::LikesCounted(_) | Event::ComboRepeated(_) | Event::CommandRefused(_) => {}
            // What else there is stands in rooms, and is shown there.
            said_or_ordered => {
                self.rooms.entry(key.clone()).or_default().apply(said_or_ordered);
                self.show(&key, place);
            }
        }
    }

    fn purse(&mut self, key: String, coins: u64, debt: u64) {
        let viewer = self.viewers.entry(key).or_default();
        (viewer.coins, viewer.debt) = (coins, debt);
    }

    fn payroll(&mut self, key: String, tickets: Option<u64>, event: &Event) {
        let streamer = self.streamers.entry(key).or_default();
        streamer.tickets = tickets.unwrap_or(streamer.tickets);
        streamer.payroll.apply(event);
    }

    fn show(&mut self, room: &str, place: u64) {
        self.feeds.entry(room.to_owned()).or_default().push(place);
    }

    fn gift(&mut self, sender: &str, e: &GiftSent, seen: &Seen) {
        let room = e.room.as_str();
        self.show(room, seen.sequence);
        self.sums[2] += e.coins;
        self.sums[3] += e.tickets;
        let streamer = self.streamers.entry(room.to_owned()).or_default();
        streamer.owed.push((seen.sequence, e.tickets));
        let mut session = None;
        if let Some(live) = streamer.live.as_mut().filter(|live| live.0 == e.session.0) {
            live.4 += e.tickets;
            session = Some(("session", i64::from(e.session.0)));
        }
        self.score(e, sender, session, seen);
    }
}

/// What a record refuses.
pub fn refusal(event: &Event) -> Option<Rejection> {
    match event {
        Event::CommandRefused(refused) => Some(refused.rejection),
        Event::WithdrawalRefused(refused) => Some(refused.rejection),
        _ => None,
    }
}

/// The state that an event brings an order, a payment, a combo or a withdrawal to.
fn state_reached(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::OrderCreated(_) => "orders created",
        Event::OrderCancelled(_) => "orders cancelled",
        Event::OrderPaid(e) if e.cancelled => "orders paid after they were cancelled",
        Event::OrderPaid(_) => "orders paid",
        Event::OrderRefunded(_) => "orders refunded",
        Event::PaymentReceived(_) => "payments received",
        Event::PaymentUnmatched(_) => "payments unmatched",
        Event::PaymentRefunded(_) => "payments refunded",
        Event::CoinsRecharged(e) if e.debt_paid > 0 => "recharges that paid debt",
        Event::CoinsTakenBack(e) if e.debt_added > 0 => "refunds that left a debt",
        Event::DebtForgiven(_) => "debts forgiven",
        Event::GiftSent(e) if e.combo.is_some() => "combos running",
        Event::ComboRepeated(_) => "combos repeated",
        Event::ComboEnded(_) => "combos ended",
        Event::WithdrawalRequested(_) => "withdrawals requested",
        Event::WithdrawalApproved(e) if e.approvals < e.approvals_needed => {
            "withdrawals approved by one of two"
        }
        Event::WithdrawalApproved(e) if e.approvals_needed > 1 => "withdrawals approved by two",
        Event::WithdrawalApproved(_) => "withdrawals approved",
        Event::WithdrawalSubmitted(_) => "withdrawals submitted",
        Event::WithdrawalPaid(_) => "withdrawals paid",
        Event::WithdrawalRejected(_) => "withdrawals rejected",
        Event::WithdrawalFailed(_) => "withdrawals failed",
        Event::MessagesRead(_) => "messages read",
        Event::GiftListed(_) => "gifts listed",
        Event::GiftDelisted(_) => "gifts delisted",
        _ => return None,
    })
}
