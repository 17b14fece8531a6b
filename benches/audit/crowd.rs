//! A crowd whose history is true: gifts, combos, chats, follows, credits, recharges with their orders and payments, and
//! withdrawals, appended to a real journal.

use std::collections::VecDeque;

use domain::event::*;
use domain::{Event, RoomId, SessionNumber, StreamId, StreamKind, UserId};
use journal::Cause;
use journal::embedded::EmbeddedWriter;

use crate::filling;

const USERS: usize = 100_000;
const ROOMS: usize = 1_000;
/// Coins of one order, and its price in minor units.
const PACK: (u64, u64) = (5_000, 30_000);
/// Tickets of one withdrawal.
const WITHDRAWN: u64 = 10_000;

type Entry = (StreamId, Option<String>, &'static str, Event);

/// A crowd: who has what, so that the events are true.
struct Crowd {
    random: fastrand::Rng,
    users: Vec<UserId>,
    coins: Vec<u64>,
    /// Gifts and tickets of each room that are not credited.
    waiting: Vec<(u64, u64)>,
    settled: Vec<u64>,
    tickets: Vec<u64>,
    follows: Vec<usize>,
    /// What follows at once.
    queue: VecDeque<Entry>,
    orders: u64,
}

impl Crowd {
    fn new() -> Self {
        let users = (0..USERS).map(|n| format!("user{n:06}").parse().expect("an id"));
        Self {
            random: fastrand::Rng::with_seed(4),
            users: users.collect(),
            coins: vec![0; USERS],
            waiting: vec![(0, 0); ROOMS],
            settled: vec![0; ROOMS],
            tickets: vec![0; ROOMS],
            follows: vec![0; USERS],
            queue: VecDeque::new(),
            orders: 0,
        }
    }

    /// Event `n`, which is its position too.
    fn entry(&mut self, n: u64) -> Entry {
        if let Some(entry) = self.queue.pop_front() {
            return entry;
        }
        let user = self.random.usize(..USERS);
        // Low rooms are watched by more.
        let room = self.random.usize(..ROOMS).min(self.random.usize(..ROOMS));
        match self.random.u32(..100) {
            0..80 => self.spend(n, user, room),
            80..94 => {
                let said = ChatSent {
                    user: self.users[user].clone(),
                    text: "what a song, again please".into(),
                    role: Role::Viewer,
                };
                let to = StreamId::new(StreamKind::Room, self.users[room].as_str());
                (
                    to,
                    Some(format!("{}\u{1f}c{n}", self.users[user])),
                    "user",
                    said.into(),
                )
            }
            94..98 => {
                self.follows[user] += 1;
                let streamer = self.users[(user * 31 + self.follows[user]) % ROOMS].clone();
                let followed = Followed { streamer, cleared: 0 };
                (
                    StreamId::viewer(&self.users[user]),
                    Some(format!("f{n}")),
                    "user",
                    followed.into(),
                )
            }
            _ => self.settle(n, room),
        }
    }

    /// A gift, half of them of combos; an order instead when the user has too little.
    fn spend(&mut self, n: u64, user: usize, room: usize) -> Entry {
        let count = self.random.u32(1..10);
        let coins = u64::from(count) * 10;
        let Some(coins_left) = self.coins[user].checked_sub(coins) else {
            return self.buy(user);
        };
        self.coins[user] = coins_left;
        let (gifts, tickets) = self.waiting[room];
        self.waiting[room] = (gifts + 1, tickets + coins);
        let combo = n.is_multiple_of(2).then(|| ComboStep {
            id: "combo-of-tonight".parse().expect("an id"),
            total: count,
        });
        let sent = GiftSent {
            room: RoomId::of(&self.users[room]),
            session: SessionNumber(1),
            gift: "rose".parse().expect("an id"),
            count,
            coins,
            tickets: coins,
            coins_left,
            combo,
        };
        let command = Some(format!("0193a5c0-{n:012}"));
        (StreamId::viewer(&self.users[user]), command, "user", sent.into())
    }

    fn buy(&mut self, user: usize) -> Entry {
        self.orders += 1;
        let name = format!("{:032x}", self.orders);
        let who = self.users[user].clone();
        let (coins, price) = PACK;
        self.coins[user] += coins;
        let order: domain::OrderId = name.parse().expect("an id");
        let provider: domain::ProviderName = "sandbox".parse().expect("a name");
        let payment: domain::PaymentId = name.parse().expect("an id");
        let currency = domain::Currency::cny();
        let to = StreamId::new(StreamKind::Order, &name);
        let received = PaymentReceived {
            provider: provider.clone(),
            payment: payment.clone(),
            order: order.clone(),
            amount: price,
            currency: currency.clone(),
        };
        let paid = OrderPaid {
            user: who.clone(),
            provider: provider.clone(),
            payment: payment.clone(),
            coins,
            cancelled: false,
        };
        let recharged = CoinsRecharged {
            order,
            provider,
            payment,
            coins,
            debt_paid: 0,
            coins_left: self.coins[user],
            debt_left: 0,
        };
        let payment_stream = StreamId::new(StreamKind::Payment, &format!("sandbox.{name}"));
        let command = Some(format!("cashier\u{1f}{name}"));
        self.queue.extend([
            (payment_stream, None, "sandbox", received.into()),
            (to.clone(), None, "cashier", paid.into()),
            (StreamId::viewer(&who), command, "cashier", recharged.into()),
        ]);
        let created = OrderCreated {
            user: who,
            pack: "small".parse().expect("an id"),
            coins,
            price,
            currency,
        };
        (to, Some(name), "user", created.into())
    }

    /// A credit of all that waits in the room; a whole withdrawal when there is enough for one.
    fn settle(&mut self, n: u64, room: usize) -> Entry {
        let streamer = StreamId::streamer(&self.users[room]);
        let (gifts, tickets) = std::mem::take(&mut self.waiting[room]);
        self.tickets[room] += tickets;
        let credited = TicketsCredited {
            shard: 0,
            after: std::mem::replace(&mut self.settled[room], n - 1),
            upto: n - 1,
            gifts,
            tickets,
            tickets_total: self.tickets[room],
        };
        if self.tickets[room] >= WITHDRAWN {
            self.withdraw(n, room);
        }
        (streamer, None, "settlement", credited.into())
    }

    fn withdraw(&mut self, n: u64, room: usize) {
        let streamer = StreamId::streamer(&self.users[room]);
        let withdrawal: domain::WithdrawalId = format!("{n:032x}").parse().expect("an id");
        self.tickets[room] -= WITHDRAWN;
        let requested = WithdrawalRequested {
            withdrawal: withdrawal.clone(),
            tickets: WITHDRAWN,
            fee: WITHDRAWN / 20,
            pays: WITHDRAWN,
            currency: domain::Currency::cny(),
            account: "an account".into(),
            approvals_needed: 1,
            tickets_left: self.tickets[room],
            held_left: WITHDRAWN,
        };
        let approved = WithdrawalApproved {
            withdrawal: withdrawal.clone(),
            by: "kim".parse().expect("an id"),
            approvals: 1,
            approvals_needed: 1,
        };
        let submitted = WithdrawalSubmitted {
            withdrawal: withdrawal.clone(),
            provider: "sandbox".parse().expect("a name"),
        };
        let paid = WithdrawalPaid {
            withdrawal,
            tickets: WITHDRAWN,
            fee: WITHDRAWN / 20,
            reference: "a transfer".into(),
            held_left: 0,
        };
        self.queue.extend([
            (streamer.clone(), Some(format!("w{n}")), "user", requested.into()),
            (
                streamer.clone(),
                Some(format!("admin.kim\u{1f}a{n}")),
                "admin.kim",
                approved.into(),
            ),
            (streamer.clone(), None, "payouts", submitted.into()),
            (streamer, None, "payouts", paid.into()),
        ]);
    }
}

/// Appends the crowd's events.
pub(crate) fn fill(writer: &EmbeddedWriter, events: u64) {
    let mut crowd = Crowd::new();
    filling::fill(writer, events, |n| {
        let (stream, command_id, actor, event) = crowd.entry(n);
        let cause = Cause {
            request_hash: u64::from(command_id.is_some()) * n,
            command_id: command_id.map(Into::into),
            actor: actor.into(),
        };
        (stream, cause, event)
    });
}
