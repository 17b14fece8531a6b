//! Whatever the rules let happen is a clean ledger: histories made by the domain's own decisions, audited.

use std::collections::HashMap;
use std::sync::Arc;

use domain::event::{OrderCreated, PaymentReceived};
use domain::ids::payment_key;
use domain::order::{self, Order};
use domain::payment::{self, Payment};
use domain::streamer::{self, CreditTickets, PayoutTerms, RequestWithdrawal, Streamer};
use domain::viewer::{self, Recharge, SendGift, TakeBack, Viewer};
use domain::{Aggregate, Catalogue, Context, Decision, Event, Gift, SessionNumber, StreamId, UserId};
use journal::memory::MemoryJournal;
use journal::{Append, Cause, Epoch, Expected, Reader, Writer};
use projections::ledger::{Books, stored_ledger};
use projections::{Options, Runner, Stopper, ViewStore, audit};
use proptest::prelude::*;

use crate::support::memory;

const VIEWERS: [&str; 3] = ["ann", "bob", "cat"];
const STARS: [&str; 2] = ["star", "moon"];

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Everybody's state, and the journal that their events go to.
struct House {
    journal: MemoryJournal,
    viewers: HashMap<&'static str, Viewer>,
    stars: HashMap<&'static str, Streamer>,
    orders: HashMap<String, (Order, Payment)>,
    /// Gifts of each star that are not credited: sequence and tickets.
    waiting: HashMap<&'static str, Vec<(u64, u64)>>,
    catalogue: Catalogue,
    payouts: PayoutTerms,
    commands: u64,
}

impl House {
    fn new() -> Self {
        let gifts = [("rose", 10, 5), ("like", 1, 0)].map(|(name, coins, tickets)| Gift {
            id: id(name),
            name: name.into(),
            coins,
            tickets,
        });
        Self {
            journal: MemoryJournal::new(),
            viewers: VIEWERS.map(|name| (name, Viewer::new(&id(name)))).into(),
            stars: STARS.map(|name| (name, Streamer::new(&id(name)))).into(),
            orders: HashMap::new(),
            waiting: HashMap::new(),
            catalogue: Catalogue::new(gifts).unwrap(),
            payouts: PayoutTerms {
                two_approvals_from: 300,
                ..PayoutTerms::default()
            },
            commands: 0,
        }
    }

    fn head(&self) -> u64 {
        self.journal.head().get(0)
    }

    /// Decides, writes what happens or the refusal, and evolves; as the shell does.
    fn ask<A: Aggregate>(
        &mut self,
        state: &mut A,
        key: &UserId,
        cause: (Option<String>, &str),
        command: &A::Command,
    ) -> Vec<Event> {
        let context = Context {
            now_ms: 1_000,
            catalogue: &self.catalogue,
            payouts: &self.payouts,
        };
        let events = match state.decide(command, &context) {
            Ok(Decision::Happens(events)) => events,
            Ok(Decision::Already(_)) => return Vec::new(),
            Err(rejection) => A::refused(command, rejection).into_iter().collect(),
        };
        if events.is_empty() {
            return events;
        }
        let (command_id, actor) = cause;
        let append = Append {
            stream: StreamId::new(A::KIND, key.as_str()),
            expected: Expected::Any,
            epoch: Epoch(1),
            cause: Cause {
                request_hash: u64::from(command_id.is_some()),
                command_id: command_id.map(Into::into),
                actor: actor.into(),
            },
            events: events.clone(),
        };
        let done = Box::new(|outcome: journal::Result<journal::Appended>| assert!(outcome.is_ok()));
        assert!(self.journal.append(append, done).is_ok());
        events.iter().for_each(|event| state.evolve(event, 1_000));
        events
    }

    fn new_command(&mut self) -> Option<String> {
        self.commands += 1;
        Some(format!("c{}", self.commands))
    }

    fn viewer(&mut self, name: &'static str, cause: (Option<String>, &str), command: &viewer::Command) {
        let mut state = self.viewers.remove(name).unwrap();
        for event in self.ask(&mut state, &id(name), cause, command) {
            if let Event::GiftSent(gift) = event {
                let star = STARS
                    .into_iter()
                    .find(|star| *star == gift.room.as_str())
                    .unwrap();
                let at = self.head();
                self.waiting.entry(star).or_default().push((at, gift.tickets));
            }
        }
        self.viewers.insert(name, state);
    }

    fn star(&mut self, name: &'static str, cause: (Option<String>, &str), command: &streamer::Command) {
        let mut state = self.stars.remove(name).unwrap();
        self.ask(&mut state, &id(name), cause, command);
        self.stars.insert(name, state);
    }

    fn buy(&mut self, who: &'static str, number: u64, coins: u64) {
        let name = format!("o{number}");
        let (mut order, payment) = self
            .orders
            .remove(&name)
            .unwrap_or_else(|| (Order::new(&id("x")), Payment::new(&id("x"))));
        let created = OrderCreated {
            user: id(who),
            pack: id("small"),
            coins,
            price: coins * 6,
            currency: id("CNY"),
        };
        let command = self.new_command();
        self.ask(
            &mut order,
            &id(&name),
            (command, who),
            &order::Command::Create(created),
        );
        self.orders.insert(name, (order, payment));
    }

    /// The provider tells of a payment, and the cashier does what follows.
    fn pay(&mut self, number: u64, coins: u64, refund: bool) {
        let name = format!("o{number}");
        let Some((mut order, mut payment)) = self.orders.remove(&name) else {
            return;
        };
        let key = payment_key(&id("sandbox"), &id(&name));
        let webhook = (None, "sandbox");
        let told = PaymentReceived {
            provider: id("sandbox"),
            payment: id(&name),
            order: id(&name),
            amount: coins * 6,
            currency: id("CNY"),
        };
        if refund {
            let command = payment::Command::Refund {
                amount: coins * 6,
                currency: id("CNY"),
            };
            let events = self.ask(&mut payment, &key, webhook, &command);
            if !events.is_empty() {
                let command = order::Command::Refund {
                    provider: id("sandbox"),
                    payment: id(&name),
                };
                let events = self.ask(&mut order, &id(&name), (None, "cashier"), &command);
                self.follow(&name, &events);
            }
        } else {
            let command = payment::Command::Receive(told.clone());
            let events = self.ask(&mut payment, &key, webhook, &command);
            if !events.is_empty() {
                let events = self.ask(
                    &mut order,
                    &id(&name),
                    (None, "cashier"),
                    &order::Command::Pay(told),
                );
                self.follow(&name, &events);
            }
        }
        self.orders.insert(name, (order, payment));
    }

    /// What the cashier brings to the viewer.
    fn follow(&mut self, order: &str, events: &[Event]) {
        for event in events {
            let (user, command_id, command) = match event {
                Event::OrderPaid(e) => {
                    let recharge = Recharge {
                        order: id(order),
                        provider: e.provider.clone(),
                        payment: e.payment.clone(),
                        coins: e.coins,
                    };
                    (&e.user, order.to_owned(), viewer::Command::Recharge(recharge))
                }
                Event::OrderRefunded(e) => {
                    let back = TakeBack {
                        order: id(order),
                        provider: e.provider.clone(),
                        coins: e.coins,
                    };
                    (
                        &e.user,
                        format!("refund:{order}"),
                        viewer::Command::TakeBack(back),
                    )
                }
                _ => continue,
            };
            let name = VIEWERS.into_iter().find(|name| *name == user.as_str()).unwrap();
            self.viewer(name, (Some(command_id), "cashier"), &command);
        }
    }

    /// Credits the first gifts that wait, as settlement does.
    fn settle(&mut self, star: &'static str, gifts: usize) {
        let waiting = self.waiting.entry(star).or_default();
        let taken: Vec<_> = waiting.drain(..gifts.min(waiting.len())).collect();
        let Some(&(upto, _)) = taken.last() else { return };
        let credit = CreditTickets {
            shard: 0,
            after: self.stars[star].settled_upto(0),
            upto,
            gifts: taken.len() as u64,
            tickets: taken.iter().map(|(_, tickets)| tickets).sum(),
        };
        self.star(
            star,
            (None, "settlement"),
            &streamer::Command::CreditTickets(credit),
        );
    }

    fn withdraw(&mut self, star: &'static str, kind: u8, tickets: u64, number: u64) {
        let withdrawal = id(&format!("w{number}"));
        let by = id(["kim", "lee"][kind as usize % 2]);
        let command = match kind {
            0 | 1 => streamer::Command::RequestWithdrawal(RequestWithdrawal {
                withdrawal,
                tickets,
                account: "a".into(),
                debt: 0,
            }),
            2..=5 => streamer::Command::ApproveWithdrawal {
                withdrawal,
                by,
                debt: 0,
            },
            6 => streamer::Command::RejectWithdrawal {
                withdrawal,
                by,
                reason: "no".into(),
            },
            7..=9 => streamer::Command::SubmitWithdrawal {
                withdrawal,
                provider: id("sandbox"),
            },
            10 | 11 => streamer::Command::ConfirmWithdrawal {
                withdrawal,
                reference: "t".into(),
            },
            _ => streamer::Command::FailWithdrawal {
                withdrawal,
                reason: "no".into(),
            },
        };
        let by_star = kind < 2;
        let command_id = self.new_command();
        let actor = if by_star { star } else { "admin.kim" };
        self.star(star, (command_id, actor), &command);
    }

    fn step(&mut self, step: Step) {
        let who = VIEWERS[step.who % VIEWERS.len()];
        let star = STARS[step.who % STARS.len()];
        let amount = step.amount;
        match step.what {
            0 => {
                let adjust = viewer::Command::AdjustCoins {
                    amount: amount as i64 - 200,
                    reason: "why".into(),
                };
                let command = self.new_command();
                self.viewer(who, (command, "admin.kim"), &adjust);
            }
            1 => self.buy(who, amount % 8, 100 + amount % 2),
            2 => self.pay(amount % 8, 100 + step.other % 2, false),
            3 => self.pay(amount % 8, 100 + step.other % 2, true),
            4 => {
                let forgive = viewer::Command::ForgiveDebt {
                    coins: amount,
                    reason: "why".into(),
                };
                let command = self.new_command();
                self.viewer(who, (command, "admin.kim"), &forgive);
            }
            5 => {
                let adjust = streamer::Command::AdjustTickets {
                    amount: amount as i64 - 200,
                    reason: "why".into(),
                };
                let command = self.new_command();
                self.star(star, (command, "admin.kim"), &adjust);
            }
            6 => self.settle(star, step.other as usize % 4 + 1),
            7..=10 => self.withdraw(star, step.other as u8 % 14, amount, step.other / 14 % 3),
            _ => {
                let send = viewer::Command::SendGift(SendGift {
                    room: id(star),
                    session: Some(SessionNumber(1)),
                    gift: id(["rose", "like"][step.other as usize % 2]),
                    count: amount as u32 % 9 + 1,
                    combo: None,
                });
                let command = self.new_command();
                self.viewer(who, (command, who), &send);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Step {
    what: u8,
    who: usize,
    amount: u64,
    other: u64,
}

fn step() -> impl Strategy<Value = Step> {
    (0u8..18, 0usize..6, 1u64..600, 0u64..200).prop_map(|(what, who, amount, other)| Step {
        what,
        who,
        amount,
        other,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_rules_let_happen_is_a_clean_ledger(steps in proptest::collection::vec(step(), 1..250)) {
        let mut house = House::new();
        let store: Arc<dyn ViewStore> = memory();
        for (n, &step) in steps.iter().enumerate() {
            house.step(step);
            // The live fold is cut otherwise than the audit's, and begins again now and then.
            if n % 40 == 39 {
                let reader = Arc::new(house.journal.clone());
                let mut runner = Runner::open(reader, store.clone(), Options::default(), Arc::new(())).unwrap();
                runner.turn().unwrap();
                let handle = runner.handle();
                let views = handle.read();
                prop_assert_eq!(views.balances().books(), Books::Ok);
                for (name, viewer) in &house.viewers {
                    let balance = views.balance(&id(name));
                    prop_assert_eq!((balance.coins, balance.debt), (viewer.coins(), viewer.debt()));
                }
                for (name, star) in &house.stars {
                    let balance = views.balance(&id(name));
                    prop_assert_eq!((balance.tickets, balance.held), (star.tickets(), star.held()));
                }
                let sums = views.balances().sums();
                let (coins, tickets) = views.balances().added_up();
                prop_assert_eq!((sums.coins(), sums.tickets()), (coins as i128, tickets as i128));
            }
        }
        let stored = stored_ledger(&*store, house.journal.id()).unwrap();
        let compares = stored.is_some();
        let report = audit::run(&house.journal, stored, &Stopper::default(), |_| {}).unwrap();
        prop_assert_eq!(report.first_break(), None);
        prop_assert_eq!(report.stored.map(|compared| compared.equal), compares.then_some(true));
        let waiting: usize = house.waiting.values().map(Vec::len).sum();
        prop_assert_eq!(report.in_flight.gifts, waiting as u64);
    }
}
