//! The cashier step by step: credited once, taken back once, set aside once, whatever crashes, fails or comes twice, and
//! whenever.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::System;
use domain::event::{OrderCreated, PaymentReceived};
use domain::order::{self, Order};
use domain::payment::{self, Payment};
use domain::{Event, OrderId, Rejection, StreamKind, ids};
use futures_util::FutureExt;
use journal::Position;

use super::settling::Dice;
use super::*;
use crate::cashier::{Core, Effect, Errand, Input, Told};
use crate::{Actors, Config, Failure};

const COINS: u64 = 60;
const PRICE: u64 = 600;

/// The cashier's core and whom it talks to, over one journal, step by step.
struct Cashing {
    world: World,
    core: Core,
    viewers: BTreeMap<String, Ann>,
    orders: BTreeMap<String, Driven<Order>>,
    payments: BTreeMap<String, Driven<Payment>>,
    inputs: Arc<Mutex<Vec<Input>>>,
    effects: Vec<Effect>,
    cursor: u64,
}

fn create(user: &str) -> order::Command {
    order::Command::Create(OrderCreated {
        user: id(user),
        pack: id("small"),
        coins: COINS,
        price: PRICE,
        currency: id("CNY"),
    })
}

fn received(payment: &str, order: &str, amount: u64) -> payment::Command {
    payment::Command::Receive(PaymentReceived {
        provider: id("p"),
        payment: id(payment),
        order: id(order),
        amount,
        currency: id("CNY"),
    })
}

fn refund() -> payment::Command {
    payment::Command::Refund {
        amount: PRICE,
        currency: id("CNY"),
    }
}

impl Cashing {
    fn new() -> Self {
        Self {
            world: World::new(),
            core: Core::new(0, 0),
            viewers: BTreeMap::new(),
            orders: BTreeMap::new(),
            payments: BTreeMap::new(),
            inputs: Arc::default(),
            effects: Vec::new(),
            cursor: 0,
        }
    }

    /// Everything but the journal is gone.
    fn crash_to(&mut self, cursor: u64) {
        self.viewers.clear();
        self.orders.clear();
        self.payments.clear();
        self.inputs = Arc::default();
        self.effects.clear();
        self.core = Core::new(0, cursor);
    }

    fn viewer(&mut self, key: &str) -> &mut Ann {
        let world = &self.world;
        self.viewers
            .entry(key.to_owned())
            .or_insert_with(|| world.actor(key))
    }

    fn order(&mut self, key: &str) -> &mut Driven<Order> {
        let world = &self.world;
        self.orders
            .entry(key.to_owned())
            .or_insert_with(|| world.actor(key))
    }

    fn payment(&mut self, key: &str) -> &mut Driven<Payment> {
        let world = &self.world;
        self.payments
            .entry(key.to_owned())
            .or_insert_with(|| world.actor(key))
    }

    /// What a webhook does.
    fn told(&mut self, payment: &str, command: payment::Command) -> Outcome<payment::Answer> {
        let payment = self.payment(&format!("p.{payment}"));
        payment.give(Request::of_system("p"), command);
        payment.outcome()
    }

    fn create(&mut self, order: &str, user: &str) {
        let actor = self.order(order);
        actor.give(request(user, order, 7), create(user));
        actor.outcome().expect("created");
    }

    fn cancel(&mut self, order: &str, user: &str) -> Outcome<order::Answer> {
        let actor = self.order(order);
        let cancel = order::Command::Cancel { user: id(user) };
        actor.give(request(user, "cancel", 7), cancel);
        actor.outcome()
    }

    fn read(&mut self, bytes_max: usize) {
        if self.core.can_read() {
            let after = Position {
                shard: 0,
                sequence: self.core.read_upto(),
            };
            let batch = self.world.journal.read(after, bytes_max);
            let batch = batch.now_or_never().expect("ready").expect("read");
            self.core.read(&batch).expect("decodes");
        }
    }

    fn perform(&mut self, effect: Effect) {
        let Effect {
            order,
            sequence,
            errand,
        } = effect;
        let request = errand.request().expect("a request");
        let (inputs, its_order) = (self.inputs.clone(), order.clone());
        let tell = move |outcome| {
            inputs.lock().push(Input {
                order: its_order,
                sequence,
                outcome,
            });
        };
        match errand {
            Errand::AskPayment(payment) => {
                let told = move |told: Outcome<Payment>| {
                    let is = told.map(|told| told.answer.is_set_aside());
                    tell(is.map(|is| if is { Told::SetAside } else { Told::NotSetAside }));
                };
                let key = ids::payment_key(&payment.provider, &payment.payment);
                let shell = &mut self.payment(key.as_str()).shell;
                assert!(shell.handle(Work::Ask(Reply::from(told))).is_none());
            }
            Errand::SetAside {
                provider,
                payment,
                rejection,
            } => {
                let key = ids::payment_key(&provider, &payment);
                let command = payment::Command::SetAside { rejection };
                give(self.payment(key.as_str()), request, command, tell);
            }
            Errand::Pay(payment) => {
                give(
                    self.order(order.as_str()),
                    request,
                    order::Command::Pay(payment),
                    tell,
                );
            }
            Errand::Refund { provider, payment } => {
                let command = order::Command::Refund { provider, payment };
                give(self.order(order.as_str()), request, command, tell);
            }
            Errand::Recharge(user, recharge) => {
                let command = viewer::Command::Recharge(recharge);
                give(self.viewer(user.as_str()), request, command, tell);
            }
            Errand::TakeBack(user, back) => {
                let command = viewer::Command::TakeBack(back);
                give(self.viewer(user.as_str()), request, command, tell);
            }
        }
    }

    fn step(&mut self) -> bool {
        self.effects
            .extend(std::iter::from_fn(|| self.core.next_effect()));
        let effects = std::mem::take(&mut self.effects);
        let mut moved = !effects.is_empty();
        effects.into_iter().for_each(|effect| self.perform(effect));
        let inputs = std::mem::take(&mut *self.inputs.lock());
        moved |= !inputs.is_empty();
        inputs.into_iter().for_each(|input| _ = self.core.input(input));
        moved
    }

    /// Runs until nothing moves and everything is read.
    fn settle(&mut self) {
        let mut rests = 0;
        for _ in 0..100_000 {
            self.core.retry();
            self.read(usize::MAX);
            let read_all = self.core.read_upto() == self.world.journal.head().get(0);
            rests = if !self.step() && read_all { rests + 1 } else { 0 };
            // Longer than what failed waits.
            if rests > 2 * crate::limits::CASHIER_RETRY_TURNS_MAX {
                return;
            }
        }
        panic!("the cashier does not come to rest");
    }

    /// Coins and debt.
    fn purse(&mut self, key: &str) -> (u64, u64) {
        let told = Arc::new(Mutex::new((0, 0)));
        let teller = told.clone();
        let reply = Reply::from(move |state: Outcome<Viewer>| {
            let viewer = state.expect("told").answer;
            *teller.lock() = (viewer.coins(), viewer.debt());
        });
        assert!(self.viewer(key).shell.handle(Work::Ask(reply)).is_none());
        *told.lock()
    }

    /// The money events of the journal: how many credits, take-backs and payments set aside.
    fn counted(&self) -> (usize, usize, usize) {
        let events = self.world.journal.records(0).into_iter();
        let events: Vec<_> = events
            .map(|r| journal::codec::decode(&r.as_ref()).expect("decodes"))
            .collect();
        let count = |is: fn(&Event) -> bool| events.iter().filter(|e| is(e)).count();
        (
            count(|e| matches!(e, Event::CoinsRecharged(_))),
            count(|e| matches!(e, Event::CoinsTakenBack(_))),
            count(|e| matches!(e, Event::PaymentUnmatched(_))),
        )
    }

    /// Why a payment was set aside.
    fn reason(&self, payment: &str) -> Option<Rejection> {
        let key = format!("p.{payment}");
        let records = self.world.journal.records(0).into_iter();
        let mut of_it = records.filter(|r| r.stream.kind == StreamKind::Payment && r.stream.key == key);
        of_it.find_map(|r| match journal::codec::decode(&r.as_ref()).expect("decodes") {
            Event::PaymentUnmatched(e) => Some(e.rejection),
            _ => None,
        })
    }
}

fn give<A: Kind>(
    actor: &mut Driven<A>,
    request: Request,
    command: A::Command,
    tell: impl FnOnce(Result<Told, Failure>) + Send + 'static,
) {
    let reply = Reply::from(move |outcome: Outcome<A::Answer>| tell(outcome.map(|_| Told::Done)));
    let work = Work::Command(Job {
        request,
        command,
        reply,
    });
    assert!(actor.shell.handle(work).is_none(), "suspended");
}

#[test]
fn a_paid_order_is_credited_once_also_when_everything_is_read_again_from_the_start() {
    let mut cashing = Cashing::new();
    cashing.create("o", "ann");
    cashing.told("1", received("1", "o", PRICE)).expect("noted");
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS, 0));
    let head = cashing.world.journal.head().get(0);
    assert_eq!(cashing.core.done_upto(), head);
    cashing.crash_to(0);
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS, 0));
    assert_eq!(
        cashing.world.journal.head().get(0),
        head,
        "nothing more was written"
    );
}

#[test]
fn a_crash_between_any_two_steps_changes_nothing() {
    let story = |crash_after: Option<usize>| {
        let mut cashing = Cashing::new();
        cashing.create("o", "ann");
        cashing.told("1", received("1", "o", PRICE)).expect("noted");
        cashing.told("2", received("2", "o", PRICE)).expect("noted");
        cashing.told("1", refund()).expect("noted");
        let mut steps = 0;
        loop {
            cashing.read(usize::MAX);
            let Some(effect) = cashing.core.next_effect() else {
                break;
            };
            steps += 1;
            // The effect takes place, and the crash comes before its outcome is heard, or after.
            cashing.perform(effect);
            if crash_after == Some(steps) {
                cashing.crash_to(0);
                continue;
            }
            let inputs = std::mem::take(&mut *cashing.inputs.lock());
            inputs.into_iter().for_each(|input| _ = cashing.core.input(input));
        }
        cashing.settle();
        (steps, cashing.purse("ann"), cashing.counted())
    };
    let (steps, purse, counted) = story(None);
    assert_eq!((purse, counted), ((0, 0), (1, 1, 1)));
    assert!(steps > 6, "{steps}");
    for crash_after in 1..=steps {
        let (_, again, counted_again) = story(Some(crash_after));
        assert_eq!(
            (again, counted_again),
            (purse, counted),
            "after step {crash_after}"
        );
    }
}

#[test]
fn a_payment_that_is_told_again_and_again_is_credited_once() {
    let mut cashing = Cashing::new();
    cashing.create("o", "ann");
    for _ in 0..5 {
        cashing.told("1", received("1", "o", PRICE)).expect("noted");
        cashing.settle();
    }
    assert_eq!(cashing.purse("ann"), (COINS, 0));
    assert_eq!(cashing.counted(), (1, 0, 0));
    let other = cashing.told("1", received("1", "o", PRICE + 1));
    assert!(matches!(other, Err(Failure::Rejected(Rejection::PaymentReused))));
}

#[test]
fn a_refund_before_spending_takes_the_coins_and_after_it_leaves_a_debt_that_the_next_recharge_pays() {
    let mut cashing = Cashing::new();
    for (order, payment) in [("o1", "1"), ("o2", "2"), ("o3", "3")] {
        cashing.create(order, "ann");
        if order != "o3" {
            cashing
                .told(payment, received(payment, order, PRICE))
                .expect("noted");
        }
    }
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (2 * COINS, 0));
    cashing.told("1", refund()).expect("noted");
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS, 0));
    cashing.viewer("ann").ask("g", roses(5)).expect("sent");
    cashing.told("2", refund()).expect("noted");
    cashing.told("2", refund()).expect("noted before");
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (0, 50));
    cashing.told("3", received("3", "o3", PRICE)).expect("noted");
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS - 50, 0));
    cashing.crash_to(0);
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS - 50, 0));
    assert_eq!(cashing.counted(), (3, 2, 0));
}

#[test]
fn a_refund_that_overtakes_its_credit_comes_after_it() {
    let mut cashing = Cashing::new();
    cashing.create("o", "ann");
    cashing.told("1", received("1", "o", PRICE)).expect("noted");
    cashing.told("1", refund()).expect("noted");
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (0, 0));
    assert_eq!(cashing.counted(), (1, 1, 0));
}

#[test]
fn of_two_payments_of_one_order_the_second_is_set_aside() {
    let mut cashing = Cashing::new();
    cashing.create("o", "ann");
    for payment in ["1", "2"] {
        cashing
            .told(payment, received(payment, "o", PRICE))
            .expect("noted");
    }
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS, 0));
    assert_eq!(cashing.reason("2"), Some(Rejection::OrderPaidAlready));
    // The one that was set aside is given back: nothing was credited for it.
    cashing.told("2", refund()).expect("noted");
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS, 0));
    assert_eq!(cashing.counted(), (1, 0, 1));
}

#[test]
fn a_payment_after_the_order_was_cancelled_is_honoured() {
    let mut cashing = Cashing::new();
    cashing.create("o", "ann");
    cashing.cancel("o", "ann").expect("cancelled");
    cashing.told("1", received("1", "o", PRICE)).expect("noted");
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (COINS, 0));
    assert_eq!(cashing.counted(), (1, 0, 0));
}

#[test]
fn a_payment_that_was_set_aside_stays_so_when_its_order_comes_later() {
    let mut cashing = Cashing::new();
    cashing.told("1", received("1", "o", PRICE)).expect("noted");
    cashing.settle();
    assert_eq!(cashing.reason("1"), Some(Rejection::UnknownOrder));
    cashing.create("o", "ann");
    // Staff may have given the coins by hand meanwhile.
    cashing.crash_to(0);
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (0, 0));
    assert_eq!(cashing.counted(), (0, 0, 1));
}

#[test]
fn coins_for_an_account_that_is_full_are_owed_until_there_is_room() {
    let mut cashing = Cashing::new();
    let max = i64::try_from(domain::limits::COINS_MAX).expect("fits");
    cashing.viewer("ann").ask("all", grant(max)).expect("granted");
    cashing.create("o", "ann");
    cashing.create("o2", "bob");
    cashing.told("1", received("1", "o", PRICE)).expect("noted");
    cashing.told("2", received("2", "o2", PRICE)).expect("noted");
    cashing.settle();
    assert_eq!(cashing.core.owed(), 1);
    assert_eq!(cashing.purse("bob"), (COINS, 0));
    assert!(cashing.core.done_upto() < cashing.world.journal.head().get(0));
    cashing.viewer("ann").ask("g", roses(6)).expect("sent");
    for _ in 0..crate::limits::CASHIER_OWED_RETRY_TURNS {
        cashing.core.retry();
    }
    cashing.settle();
    assert_eq!(cashing.purse("ann"), (domain::limits::COINS_MAX, 0));
    assert_eq!(cashing.core.done_upto(), cashing.world.journal.head().get(0));
}

#[test]
fn every_payment_counts_once_whatever_crashes_fails_or_comes_twice_at_any_point() {
    let (mut crashes, mut failures, mut twice, mut aside) = (0, 0, 0, 0);
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut cashing = Cashing::new();
        // By order: whether it is paid, and by which payment.
        let mut orders: Vec<(String, bool)> = Vec::new();
        for n in 0..120 {
            match dice.roll(12) {
                0 | 1 => {
                    let order = format!("o{n}");
                    cashing.create(&order, ["ann", "bob"][dice.roll(2) as usize]);
                    orders.push((order, false));
                }
                2..4 if !orders.is_empty() => {
                    let at = dice.roll(orders.len() as u64) as usize;
                    let (order, paid) = orders[at].clone();
                    let payment = if paid && dice.roll(2) == 0 {
                        format!("second-{order}")
                    } else {
                        order.clone()
                    };
                    if cashing.told(&payment, received(&payment, &order, PRICE)).is_ok() {
                        orders[at].1 = true;
                    }
                }
                4 if !orders.is_empty() => {
                    let order = orders[dice.roll(orders.len() as u64) as usize].0.clone();
                    _ = cashing.told(&order, refund());
                }
                5 => cashing.read(1 + dice.roll(400) as usize),
                6 => _ = cashing.step(),
                7 => cashing.effects.extend(cashing.core.next_effect()),
                8 if !cashing.effects.is_empty() => {
                    // Any order, and perhaps twice.
                    let at = dice.roll(cashing.effects.len() as u64) as usize;
                    let effect = cashing.effects.swap_remove(at);
                    if dice.roll(4) == 0 {
                        twice += 1;
                        cashing.perform(effect.clone());
                    }
                    cashing.perform(effect);
                }
                9 => {
                    failures += 1;
                    let conflict = journal::Error::Conflict {
                        stream: domain::StreamId::viewer(&id("ann")),
                        expected: journal::Expected::Any,
                        actual: 0,
                    };
                    cashing.world.journal.fail_next(conflict);
                    cashing.step();
                    // If it did not strike the cashier, it strikes somebody else.
                    while cashing.viewer("eve").ask(&format!("x{n}"), grant(1)).is_err() {}
                }
                10 if dice.roll(3) == 0 => {
                    crashes += 1;
                    let cursor = cashing.cursor;
                    cashing.crash_to(cursor);
                }
                _ => {
                    if let Some(upto) = cashing.core.advance_due() {
                        cashing.core.advanced(upto);
                        cashing.cursor = upto;
                    }
                }
            }
        }
        cashing.settle();
        aside += cashing.counted().2;
        check_books(&mut cashing, seed);
    }
    let reached = [crashes, failures, twice, aside];
    assert!(reached.iter().all(|n| *n > 50), "too narrow a test: {reached:?}");
}

/// Every paid order is credited once and every refunded one taken back once; the purses add up.
fn check_books(cashing: &mut Cashing, seed: u64) {
    let head = cashing.world.journal.head().get(0);
    assert_eq!(cashing.core.done_upto(), head, "seed {seed}");
    let (mut paid, mut credited, mut refunded, mut taken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut owed = BTreeMap::<String, i64>::new();
    for record in cashing.world.journal.records(0) {
        let (key, coins) = (record.stream.key.to_string(), COINS as i64);
        match journal::codec::decode(&record.as_ref()).expect("decodes") {
            Event::OrderPaid(e) => {
                *owed.entry(e.user.to_string()).or_default() += coins;
                paid.push(key);
            }
            Event::OrderRefunded(e) => {
                *owed.entry(e.user.to_string()).or_default() -= coins;
                refunded.push(key);
            }
            Event::CoinsRecharged(e) => credited.push(e.order.to_string()),
            Event::CoinsTakenBack(e) => taken.push(e.order.to_string()),
            _ => {}
        }
    }
    for list in [&mut paid, &mut credited, &mut refunded, &mut taken] {
        list.sort_unstable();
    }
    assert!(
        paid.windows(2).all(|pair| pair[0] != pair[1]),
        "seed {seed}: paid twice"
    );
    assert_eq!(credited, paid, "seed {seed}");
    assert_eq!(taken, refunded, "seed {seed}");
    for (user, coins) in owed {
        let (has, owes) = cashing.purse(&user);
        assert_eq!(has as i64 - owes as i64, coins, "seed {seed}, {user}");
    }
}

async fn told<T: Send + 'static>(give: impl FnOnce(Reply<T>)) -> Outcome<T> {
    let (reply, outcome) = Reply::channel();
    give(reply);
    outcome.await
}

#[test]
fn a_payment_goes_all_the_way_to_the_viewers_coins_and_a_stop_notes_the_cursor() {
    System::new().block_on(async {
        let world = World::new();
        let config = Config {
            arbiters: 2,
            room_arbiters: 1,
            streamer_arbiters: 1,
            idle_after_ms: 1_000_000,
            settle: true,
        };
        let actors = Actors::start(world.house(), &config);
        let order: OrderId = id("o");
        told(|reply| actors.order(&order, request("ann", "c", 7), create("ann"), reply))
            .await
            .expect("created");
        let (provider, payment) = (id("p"), id("1"));
        let receive = received("1", "o", PRICE);
        told(|reply| actors.payment(&provider, &payment, Request::of_system("p"), receive, reply))
            .await
            .expect("noted");
        // A stop credits what is there.
        assert!(actors.stop(Duration::from_secs(20)).await);
        let actors = Actors::start(world.house(), &config);
        let viewer = told(|reply| actors.ask_viewer(&id("ann"), reply))
            .await
            .expect("told");
        assert_eq!((viewer.answer.coins(), viewer.answer.debt()), (COINS, 0));
        assert!(actors.stop(Duration::from_secs(20)).await);
        let records = world.journal.records(0);
        let cursor = records.iter().rfind(|r| r.stream.kind == StreamKind::Process);
        assert_eq!(cursor.expect("a cursor").stream.to_string(), "process-cashier.0");
        let credits = records.iter().filter(|r| r.stream.kind == StreamKind::Viewer);
        assert_eq!(credits.count(), 1);
    });
}
