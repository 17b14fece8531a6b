//! Performs what the cashier wants: talks to payments, orders and viewers.

use std::sync::Arc;

use domain::order::{self, Order};
use domain::payment::{self, Payment};
use domain::process::Process;
use domain::viewer::{self, Viewer};
use domain::{OrderId, Rejection, UserId, ids};
use journal::RecordBatch;

use super::core::{Core, Effect, Errand, Input, NAME, Told};
use crate::manager::{Inbox, Manager};
use crate::registry::Registry;
use crate::shell::{Job, Work};
use crate::{Failure, House, Kind, Outcome, Reply};

/// The actors that the cashier talks to.
#[derive(Clone)]
pub(crate) struct Counterparts {
    pub(crate) viewers: Arc<Registry<Viewer>>,
    pub(crate) orders: Arc<Registry<Order>>,
    pub(crate) payments: Arc<Registry<Payment>>,
}

/// The cashier of one shard.
pub(crate) struct Cashier {
    house: Arc<House>,
    with: Counterparts,
    core: Core,
}

/// Who waits for an effect.
struct Waiting {
    inbox: Arc<Inbox<Input>>,
    order: OrderId,
    sequence: u64,
}

impl Waiting {
    fn tell(self, outcome: Result<Told, Failure>) {
        let Self {
            inbox,
            order,
            sequence,
        } = self;
        inbox.put(Input {
            order,
            sequence,
            outcome,
        });
    }
}

impl Cashier {
    /// One that has done everything up to the sequence `upto`.
    pub(crate) fn new(house: Arc<House>, with: Counterparts, shard: u16, upto: u64) -> Self {
        Self {
            house,
            with,
            core: Core::new(shard, upto),
        }
    }

    fn run(&self, inbox: &Arc<Inbox<Input>>, effect: Effect) {
        let Effect {
            order,
            sequence,
            errand,
        } = effect;
        let order_key = order.as_key();
        let inbox = inbox.clone();
        let waiting = Waiting {
            inbox,
            order,
            sequence,
        };
        let Some(request) = errand.request() else {
            return waiting.tell(Err(Rejection::BadCommandId.into()));
        };
        let Counterparts {
            viewers,
            orders,
            payments,
        } = &self.with;
        match errand {
            Errand::AskPayment(payment) => {
                let told = move |told: Outcome<Payment>| {
                    let set_aside = told.map(|told| told.answer.is_set_aside());
                    waiting.tell(set_aside.map(|is| if is { Told::SetAside } else { Told::NotSetAside }));
                };
                let key = ids::payment_key(&payment.provider, &payment.payment);
                payments.send(&key, Work::Ask(Reply::from(told)));
            }
            Errand::SetAside {
                provider,
                payment,
                rejection,
            } => {
                let key = ids::payment_key(&provider, &payment);
                give(
                    payments,
                    &key,
                    request,
                    payment::Command::SetAside { rejection },
                    waiting,
                );
            }
            Errand::Pay(payment) => give(orders, &order_key, request, order::Command::Pay(payment), waiting),
            Errand::Refund { provider, payment } => {
                let refund = order::Command::Refund { provider, payment };
                give(orders, &order_key, request, refund, waiting);
            }
            Errand::Recharge(user, recharge) => give(
                viewers,
                &user,
                request,
                viewer::Command::Recharge(recharge),
                waiting,
            ),
            Errand::TakeBack(user, back) => {
                give(viewers, &user, request, viewer::Command::TakeBack(back), waiting)
            }
        }
    }
}

fn give<A: Kind>(
    registry: &Registry<A>,
    key: &UserId,
    request: crate::Request,
    command: A::Command,
    waiting: Waiting,
) {
    let told = move |outcome: Outcome<A::Answer>| waiting.tell(outcome.map(|_| Told::Done));
    let reply = Reply::from(told);
    registry.send(
        key,
        Work::Command(Job {
            request,
            command,
            reply,
        }),
    );
}

impl Manager for Cashier {
    type Input = Input;
    type Bookmark = Process;
    const NAME: &'static str = NAME;

    fn can_read(&self) -> bool {
        self.core.can_read()
    }

    fn read(&mut self, batch: &RecordBatch) -> journal::Result<()> {
        self.core.read(batch)
    }

    fn perform(&mut self, inbox: &Arc<Inbox<Input>>) -> Option<u64> {
        while let Some(effect) = self.core.next_effect() {
            self.run(inbox, effect);
        }
        None
    }

    fn failure(input: &Input) -> Option<&Failure> {
        input.outcome.as_ref().err()
    }

    fn input(&mut self, input: Input) {
        let stats = &self.house.stats;
        match self.core.input(input) {
            Some(Errand::Recharge(..)) => stats.recharges.add_one(),
            Some(Errand::TakeBack(..)) => stats.refunds.add_one(),
            Some(Errand::SetAside { .. }) => stats.payments_set_aside.add_one(),
            _ => {}
        }
        stats.recharges_owed.set(self.core.owed() as u64);
    }

    fn retry(&mut self) {
        self.core.retry();
    }

    fn done_upto(&self) -> u64 {
        self.core.done_upto()
    }

    fn settled_upto(&self) -> u64 {
        self.core.settled_upto()
    }

    fn advance_due(&self) -> Option<u64> {
        self.core.advance_due()
    }

    fn advanced(&mut self, upto: u64) {
        self.core.advanced(upto);
    }
}
