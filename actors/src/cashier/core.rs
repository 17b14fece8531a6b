//! What the cashier does next, without journal, actors or clock: records and outcomes in, effects out.
//!
//! It must never do the second step of an order before the first is known to be durable, and never move the cursor past
//! a step that is not.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use domain::event::{EventType, PaymentReceived};
use domain::viewer::{Recharge, TakeBack};
use domain::{CommandId, Event, OrderId, PaymentId, ProviderName, Rejection, StreamKind, UserId};
use foldhash::fast::FixedState;
use journal::{RecordBatch, RecordRef, codec};

use crate::limits::{
    ADVANCE_AFTER_RECORDS_MAX, CASHIER_OWED_RETRY_TURNS, CASHIER_RETRY_TURNS_MAX,
    CASHIER_STEPS_IN_FLIGHT_MAX, CASHIER_STEPS_PENDING_MAX,
};
use crate::{Failure, Request};

/// The actor of everything that the cashier causes.
pub(crate) const NAME: &str = "cashier";

/// Something to be performed; what comes of it comes back as [`Input`] with the same order and sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The order that it is about. At most one effect of an order is under way.
    pub order: OrderId,
    /// The record that it follows from.
    pub sequence: u64,
    /// What is to be done.
    pub errand: Errand,
}

/// What an effect is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Ask the payment whether it was set aside before: then its order must not hear of it again.
    AskPayment(PaymentReceived),
    /// Bring the payment to its order.
    Pay(PaymentReceived),
    /// Set the payment aside for staff.
    SetAside {
        /// Who took the money.
        provider: ProviderName,
        /// Which payment.
        payment: PaymentId,
        /// Why its order did not take it.
        rejection: Rejection,
    },
    /// Tell the order that its payment was given back.
    Refund {
        /// By whom.
        provider: ProviderName,
        /// Which payment.
        payment: PaymentId,
    },
    /// Credit the viewer.
    Recharge(UserId, Recharge),
    /// Take the coins back from the viewer.
    TakeBack(UserId, TakeBack),
}

/// What came of an effect.
#[derive(Debug)]
pub struct Input {
    /// As in the [`Effect`].
    pub order: OrderId,
    /// As in the [`Effect`].
    pub sequence: u64,
    /// What was said.
    pub outcome: Result<Told, Failure>,
}

/// What is said to the cashier when an effect is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It holds, now or before.
    Done,
    /// The payment was set aside before.
    SetAside,
    /// The payment was not set aside.
    NotSetAside,
}

impl Errand {
    /// How it is asked for. None when the order's id is too long to make a command id of, which none of ours is.
    pub fn request(&self) -> Option<Request> {
        let command_id = match self {
            Self::Recharge(_, recharge) => Some(recharge.order.as_str().parse::<CommandId>().ok()?),
            Self::TakeBack(_, back) => Some(format!("refund:{}", back.order).parse::<CommandId>().ok()?),
            // An order and a payment know by themselves what they have been through.
            Self::AskPayment(_) | Self::Pay(_) | Self::SetAside { .. } | Self::Refund { .. } => None,
        };
        Some(Request {
            command_id,
            ..Request::of_system(NAME)
        })
    }

    /// What follows when it was told so; none when the step is done.
    fn after(&self, told: Told) -> Option<Self> {
        match self {
            Self::AskPayment(payment) if told != Told::SetAside => Some(Self::Pay(payment.clone())),
            _ => None,
        }
    }

    /// What follows when it was refused for good.
    fn after_refusal(&self, rejection: Rejection) -> Refused {
        match self {
            Self::Pay(payment) => Refused::Next(Self::SetAside {
                provider: payment.provider.clone(),
                payment: payment.payment.clone(),
                rejection,
            }),
            // The payment was not the one that the order took, so that nothing was credited for it.
            Self::Refund { .. } => Refused::Done,
            _ => Refused::Owed,
        }
    }
}

enum Refused {
    Next(Errand),
    Done,
    /// It must be done and cannot be: a person has to look.
    Owed,
}

struct Step {
    sequence: u64,
    errand: Errand,
}

/// The steps of one order that are not done, first to last. There is no lane without a step.
#[derive(Default)]
struct Lane {
    steps: VecDeque<Step>,
    /// How often the first step failed in a row.
    failures: u32,
    under_way: bool,
    /// The first step was refused for good, and the others wait behind it.
    owed: bool,
}

/// The cashier of one shard.
pub struct Core {
    shard: u16,
    lanes: HashMap<OrderId, Lane, FixedState>,
    /// Orders whose turn comes next.
    ready: VecDeque<OrderId>,
    /// Orders whose first step failed, by the turn in which it is tried again.
    failed: BTreeMap<u64, Vec<OrderId>>,
    /// Counts the calls of [`Self::retry`].
    turn: u64,
    under_way: usize,
    /// Sequences of the steps that are not done.
    open: BTreeSet<u64>,
    /// Those of them that cannot be done now.
    owed: BTreeSet<u64>,
    read_upto: u64,
    advanced_upto: u64,
    done_since_advance: bool,
}

impl Core {
    /// The cashier of a shard in which everything is done up to the sequence `upto`; reading starts after it.
    pub fn new(shard: u16, upto: u64) -> Self {
        Self {
            shard,
            lanes: HashMap::default(),
            ready: VecDeque::new(),
            failed: BTreeMap::new(),
            turn: 0,
            under_way: 0,
            open: BTreeSet::new(),
            owed: BTreeSet::new(),
            read_upto: upto,
            advanced_upto: upto,
            done_since_advance: false,
        }
    }

    /// Whether [`Self::read`] may be called: not while too much is to be done.
    pub fn can_read(&self) -> bool {
        self.open.len() < CASHIER_STEPS_PENDING_MAX
    }

    /// The sequence up to which the shard was read.
    pub fn read_upto(&self) -> u64 {
        self.read_upto
    }

    /// Takes the next records of the shard; those that were read before are skipped.
    pub fn read(&mut self, batch: &RecordBatch) -> journal::Result<()> {
        if batch.is_empty() || batch.shard() != self.shard {
            return Ok(());
        }
        for record in batch.iter() {
            let about_money = matches!(record.kind, StreamKind::Order | StreamKind::Payment);
            if about_money && record.position.sequence > self.read_upto {
                self.take(&record)?;
            }
        }
        self.read_upto = self.read_upto.max(batch.last().sequence);
        Ok(())
    }

    /// What is to be done next; none when there is nothing, or enough is under way.
    pub fn next_effect(&mut self) -> Option<Effect> {
        if self.under_way >= CASHIER_STEPS_IN_FLIGHT_MAX {
            return None;
        }
        let order = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&order)?;
        let Step { sequence, errand } = lane.steps.front()?;
        let (sequence, errand) = (*sequence, errand.clone());
        lane.under_way = true;
        self.under_way += 1;
        Some(Effect {
            order,
            sequence,
            errand,
        })
    }

    /// Takes what came of an effect. Returns the errand if that is durable now, for whoever counts.
    pub fn input(&mut self, input: Input) -> Option<Errand> {
        let Input {
            order,
            sequence,
            outcome,
        } = input;
        let lane = self.lanes.get_mut(&order).filter(|lane| lane.under_way)?;
        let step = lane.steps.front_mut().filter(|step| step.sequence == sequence)?;
        lane.under_way = false;
        self.under_way = self.under_way.saturating_sub(1);
        match outcome {
            Ok(told) => {
                let next = step.errand.after(told);
                self.go_on(order, next)
            }
            Err(Failure::Rejected(rejection)) if !rejection.is_retryable() => {
                match step.errand.after_refusal(rejection) {
                    Refused::Next(next) => _ = self.go_on(order, Some(next)),
                    Refused::Done => _ = self.go_on(order, None),
                    Refused::Owed => self.owe(order, rejection),
                }
                None
            }
            Err(_) => {
                lane.failures = lane.failures.saturating_add(1);
                let pause = 1_u64 << (lane.failures - 1).min(u64::BITS - 1);
                self.again(order, pause.min(CASHIER_RETRY_TURNS_MAX));
                None
            }
        }
    }

    /// Some time has passed ([`crate::limits::PROCESS_RETRY_MS`]): lets those try again whose turn it is.
    pub fn retry(&mut self) {
        self.turn += 1;
        let later = self.failed.split_off(&(self.turn + 1));
        for order in std::mem::replace(&mut self.failed, later).into_values().flatten() {
            if let Some(lane) = self.lanes.get_mut(&order) {
                for step in lane.steps.iter().filter(|_| lane.owed) {
                    self.owed.remove(&step.sequence);
                }
                lane.owed = false;
                self.ready.push_back(order);
            }
        }
    }

    /// Every step at or below this sequence is done, durably.
    pub fn done_upto(&self) -> u64 {
        self.open.first().map_or(self.read_upto, |first| first - 1)
    }

    /// Every step at or below this sequence is done, or cannot be done now.
    pub fn settled_upto(&self) -> u64 {
        let waits = self.open.difference(&self.owed).next();
        waits.map_or(self.read_upto, |first| first - 1)
    }

    /// Steps that cannot be done now, those that wait behind them included.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Where the cursor should be written to, if that is worth a record.
    pub fn advance_due(&self) -> Option<u64> {
        let upto = self.done_upto();
        let far = upto >= self.advanced_upto.saturating_add(ADVANCE_AFTER_RECORDS_MAX);
        (upto > self.advanced_upto && (self.done_since_advance || far)).then_some(upto)
    }

    /// The cursor stands there, durably.
    pub fn advanced(&mut self, upto: u64) {
        self.advanced_upto = self.advanced_upto.max(upto);
        self.done_since_advance = false;
    }

    fn take(&mut self, record: &RecordRef<'_>) -> journal::Result<()> {
        let wanted = matches!(
            record.event_type,
            EventType::PaymentReceived
                | EventType::PaymentRefunded
                | EventType::OrderPaid
                | EventType::OrderRefunded
        );
        if !wanted {
            return Ok(());
        }
        // The key of an order's stream is its id.
        let of_stream = record.key.parse::<OrderId>().ok();
        let (order, errand) = match (codec::decode(record)?, of_stream) {
            (Event::PaymentReceived(e), _) => (e.order.clone(), Errand::AskPayment(e)),
            (Event::PaymentRefunded(e), _) => {
                let (provider, payment) = (e.provider, e.payment);
                (e.order, Errand::Refund { provider, payment })
            }
            (Event::OrderPaid(e), Some(order)) => {
                let recharge = Recharge {
                    order: order.clone(),
                    provider: e.provider,
                    payment: e.payment,
                    coins: e.coins,
                };
                (order, Errand::Recharge(e.user, recharge))
            }
            (Event::OrderRefunded(e), Some(order)) => {
                let back = TakeBack {
                    order: order.clone(),
                    provider: e.provider,
                    coins: e.coins,
                };
                (order, Errand::TakeBack(e.user, back))
            }
            _ => return Ok(()),
        };
        self.step(order, record.position.sequence, errand);
        Ok(())
    }

    fn step(&mut self, order: OrderId, sequence: u64, errand: Errand) {
        self.open.insert(sequence);
        let lane = self.lanes.entry(order.clone()).or_default();
        if lane.owed {
            self.owed.insert(sequence);
        }
        if lane.steps.is_empty() {
            self.ready.push_back(order);
        }
        lane.steps.push_back(Step { sequence, errand });
    }

    /// The first errand of an order is behind it: `next` takes its place, or the next step. Returns the errand.
    fn go_on(&mut self, order: OrderId, next: Option<Errand>) -> Option<Errand> {
        let lane = self.lanes.get_mut(&order)?;
        lane.failures = 0;
        let done = match next {
            Some(next) => std::mem::replace(&mut lane.steps.front_mut()?.errand, next),
            None => {
                let step = lane.steps.pop_front()?;
                self.open.remove(&step.sequence);
                self.done_since_advance = true;
                step.errand
            }
        };
        if lane.steps.is_empty() {
            self.lanes.remove(&order);
        } else {
            self.ready.push_back(order);
        }
        Some(done)
    }

    /// It stays owed and the cursor stays below it.
    fn owe(&mut self, order: OrderId, rejection: Rejection) {
        let Some(lane) = self.lanes.get_mut(&order) else {
            return;
        };
        tracing::error!(%order, %rejection, "what this order is owed cannot be done: it is tried again every minute");
        lane.owed = true;
        self.owed.extend(lane.steps.iter().map(|step| step.sequence));
        self.again(order, CASHIER_OWED_RETRY_TURNS);
    }

    fn again(&mut self, order: OrderId, pause: u64) {
        self.failed.entry(self.turn + pause).or_default().push(order);
    }
}

#[cfg(test)]
mod tests;
