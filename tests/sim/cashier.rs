//! The cashier's core with its cursor, driven by hand: what its task does in the server.

use std::sync::Arc;

use actors::cashier::{Core, Effect, Errand, Input, Told};
use actors::{Failure, House, Job, Kind, Outcome, Reply, Request, Work};
use domain::order::{self, Order};
use domain::payment::{self, Payment};
use domain::process::{Command, Process};
use domain::viewer::{self, Viewer};
use domain::{UserId, ids};
use futures_util::FutureExt;
use journal::{Reader, Tail};

use crate::cursor::{self, Beginning, Cursor, Inbox, SHARD};
use crate::hall::Hall;

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
    cursor: Cursor<Process>,
    core: Option<(Core, Box<dyn Tail>)>,
    inbox: Inbox<Input>,
    /// The journal failed it.
    ended: bool,
}

impl Till {
    /// One that begins where the cursor stands.
    pub fn new(house: &Arc<House>, reader: Arc<dyn Reader>) -> Self {
        Self {
            reader,
            cursor: Cursor::new(house, "cashier.0"),
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
        let went_on = self.cursor.resume();
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
        let due = self.core.as_ref().and_then(|(core, _)| core.advance_due());
        if let Some(upto) = due.filter(|_| !self.ended) {
            let command = Command::Advance { shard: SHARD, upto };
            self.cursor.advance("cashier", upto, command);
        }
    }

    /// Up to where everything is done that can be done.
    pub fn settled_upto(&self) -> u64 {
        self.core.as_ref().map_or(0, |(core, _)| core.settled_upto())
    }

    /// Steps that cannot be done now.
    pub fn owed(&self) -> usize {
        self.core.as_ref().map_or(0, |(core, _)| core.owed())
    }

    fn begin(&mut self) -> bool {
        match self.cursor.begin(|told| told.upto()) {
            Beginning::Behind(upto) => {
                self.core = Some((Core::new(SHARD, upto), cursor::tail(&*self.reader, upto)));
                true
            }
            Beginning::Asked => true,
            Beginning::Unknown => false,
        }
    }

    fn take_inputs(&mut self) -> bool {
        let Some((core, _)) = &mut self.core else {
            return false;
        };
        let advanced = self.cursor.advanced();
        advanced.inspect(|upto| core.advanced(*upto));
        let inputs = cursor::take_all(&self.inbox);
        let took = advanced.is_some() || !inputs.is_empty();
        for input in inputs {
            self.ended |= input.outcome.as_ref().is_err_and(cursor::is_broken);
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
            cursor::put(&inbox, input);
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
