//! The cashier's core with its cursor, driven by hand: what its task does in the server.

use std::sync::{Arc, Mutex, PoisonError};

use actors::cashier::{Core, Effect, Errand, Input, Told};
use actors::{Failure, House, Job, Kind, Outcome, Post, Reply, Request, Shell, Suspended, Work};
use domain::order::{self, Order};
use domain::payment::{self, Payment};
use domain::process::{Command, Process};
use domain::viewer::{self, Viewer};
use domain::{UserId, ids};
use futures_util::FutureExt;
use journal::{Checkpoint, Position, Reader, Tail};

use crate::hall::Hall;

const SHARD: u16 = 0;

struct Nobody;

impl Post<Process> for Nobody {
    fn post(&self, _: &UserId, _: Work<Process>) {}
}

type Slot<T> = Arc<Mutex<Option<Result<T, Failure>>>>;
type Inputs = Arc<Mutex<Vec<Input>>>;

/// The halls that the cashier talks to.
pub struct Counterparts<'a> {
    /// Viewers.
    pub viewers: &'a mut Hall<Viewer>,
    /// Orders.
    pub orders: &'a mut Hall<Order>,
    /// Payments.
    pub payments: &'a mut Hall<Payment>,
}

/// The cashier of the one shard.
pub struct Till {
    reader: Arc<dyn Reader>,
    cursor: Shell<Process>,
    waiting: Option<Suspended<Process>>,
    begun: Slot<u64>,
    advanced: Slot<()>,
    advancing: Option<u64>,
    asked: bool,
    core: Option<(Core, Box<dyn Tail>)>,
    inbox: Inputs,
    /// The journal failed it.
    ended: bool,
}

fn take<T>(slot: &Slot<T>) -> Option<Result<T, Failure>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn fill<T: Send + 'static, U: 'static>(slot: &Slot<T>, map: fn(U) -> T) -> Reply<U> {
    let slot = slot.clone();
    Reply::from(move |outcome: Outcome<U>| {
        let told = outcome.map(|accepted| map(accepted.answer));
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    })
}

impl Till {
    /// One that begins where the cursor stands.
    pub fn new(house: &Arc<House>, reader: Arc<dyn Reader>) -> Self {
        let key = "cashier.0".parse().expect("a good id");
        Self {
            reader,
            cursor: Shell::new(house.clone(), key, Arc::new(Nobody)),
            waiting: None,
            begun: Slot::default(),
            advanced: Slot::default(),
            advancing: None,
            asked: false,
            core: None,
            inbox: Arc::default(),
            ended: false,
        }
    }

    /// Goes on as far as it can without waiting; says whether anything happened.
    pub fn step(&mut self, with: &mut Counterparts<'_>) -> bool {
        if self.ended {
            return false;
        }
        let went_on = self.resume();
        if self.core.is_none() {
            return self.begin() || went_on;
        }
        let took = self.take_inputs();
        let read = self.read();
        self.perform(with) || took || read || went_on
    }

    /// Some time has passed.
    pub fn retry(&mut self) {
        if let Some((core, _)) = &mut self.core {
            core.retry();
        }
    }

    /// Writes the cursor, if that is due.
    pub fn advance(&mut self) {
        let Some(upto) = self.core.as_ref().and_then(|(core, _)| core.advance_due()) else {
            return;
        };
        if self.advancing.is_some() || self.waiting.is_some() || self.ended {
            return;
        }
        self.advancing = Some(upto);
        let job = Job {
            request: Request::of_system("cashier"),
            command: Command::Advance { shard: SHARD, upto },
            reply: fill(&self.advanced, |_| ()),
        };
        self.waiting = self.cursor.handle(Work::Command(job));
    }

    /// Up to where everything is done that can be done.
    pub fn settled_upto(&self) -> u64 {
        self.core.as_ref().map_or(0, |(core, _)| core.settled_upto())
    }

    /// Steps that cannot be done now.
    pub fn owed(&self) -> usize {
        self.core.as_ref().map_or(0, |(core, _)| core.owed())
    }

    fn resume(&mut self) -> bool {
        let Some(mut waiting) = self.waiting.take() else {
            return false;
        };
        match waiting.as_mut().now_or_never() {
            Some(resumption) => self.waiting = self.cursor.resume(resumption),
            None => {
                self.waiting = Some(waiting);
                return false;
            }
        }
        true
    }

    fn begin(&mut self) -> bool {
        match take(&self.begun) {
            Some(Ok(upto)) => {
                let mut after = Checkpoint::start(1);
                let (shard, sequence) = (SHARD, upto);
                after.advance(Position { shard, sequence });
                self.core = Some((Core::new(SHARD, upto), self.reader.tail(&after)));
                return true;
            }
            Some(Err(_)) => self.asked = false,
            None => {}
        }
        if self.asked || self.waiting.is_some() {
            return false;
        }
        self.asked = true;
        let reply = fill(&self.begun, |told: Process| told.upto());
        self.waiting = self.cursor.handle(Work::Ask(reply));
        true
    }

    fn take_inputs(&mut self) -> bool {
        let Some((core, _)) = &mut self.core else {
            return false;
        };
        let mut took = false;
        match take(&self.advanced) {
            Some(Ok(())) => {
                if let Some(upto) = self.advancing.take() {
                    core.advanced(upto);
                }
                took = true;
            }
            Some(Err(_)) => self.advancing = None,
            None => {}
        }
        let inputs = std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        for input in inputs {
            took = true;
            let broken = matches!(
                &input.outcome,
                Err(Failure::Broken(
                    journal::Error::Poisoned(_) | journal::Error::Closed
                ))
            );
            self.ended |= broken;
            core.input(input);
        }
        took
    }

    fn read(&mut self) -> bool {
        let Some((core, tail)) = &mut self.core else {
            return false;
        };
        if !core.can_read() {
            return false;
        }
        match tail.next().now_or_never() {
            Some(Ok(batch)) => core.read(&batch).expect("what was written can be decoded"),
            Some(Err(_)) => self.ended = true,
            None => return false,
        }
        true
    }

    fn perform(&mut self, with: &mut Counterparts<'_>) -> bool {
        let mut performed = false;
        while let Some(effect) = self.core.as_mut().and_then(|(core, _)| core.next_effect()) {
            performed = true;
            self.run(effect, with);
        }
        performed
    }

    fn run(&self, effect: Effect, with: &mut Counterparts<'_>) {
        let Effect {
            order,
            sequence,
            errand,
        } = effect;
        let (inbox, key) = (self.inbox.clone(), order.as_key());
        let request = errand.request().expect("an order's id is a good command id");
        let tell = move |outcome: Result<Told, Failure>| {
            let input = Input {
                order,
                sequence,
                outcome,
            };
            inbox.lock().unwrap_or_else(PoisonError::into_inner).push(input);
        };
        match errand {
            Errand::AskPayment(payment) => {
                let told = move |told: Outcome<Payment>| {
                    let set_aside = told.map(|told| told.answer.is_set_aside());
                    tell(set_aside.map(|is| if is { Told::SetAside } else { Told::NotSetAside }));
                };
                let key = ids::payment_key(&payment.provider, &payment.payment);
                with.payments.deliver(&key, Work::Ask(Reply::from(told)));
            }
            Errand::Pay(payment) => give(with.orders, &key, request, order::Command::Pay(payment), tell),
            Errand::SetAside {
                provider,
                payment,
                rejection,
            } => {
                let key = ids::payment_key(&provider, &payment);
                give(
                    with.payments,
                    &key,
                    request,
                    payment::Command::SetAside { rejection },
                    tell,
                );
            }
            Errand::Refund { provider, payment } => {
                let refund = order::Command::Refund { provider, payment };
                give(with.orders, &key, request, refund, tell);
            }
            Errand::Recharge(user, recharge) => {
                give(
                    with.viewers,
                    &user,
                    request,
                    viewer::Command::Recharge(recharge),
                    tell,
                );
            }
            Errand::TakeBack(user, back) => {
                give(
                    with.viewers,
                    &user,
                    request,
                    viewer::Command::TakeBack(back),
                    tell,
                );
            }
        }
    }
}

fn give<A: Kind>(
    hall: &mut Hall<A>,
    key: &UserId,
    request: Request,
    command: A::Command,
    tell: impl FnOnce(Result<Told, Failure>) + Send + 'static,
) {
    let reply = Reply::from(move |outcome: Outcome<A::Answer>| tell(outcome.map(|_| Told::Done)));
    let job = Job {
        request,
        command,
        reply,
    };
    hall.deliver(key, Work::Command(job));
}
