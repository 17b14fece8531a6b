//! What a command about money belongs to: a recharge from its order to its refund, a withdrawal from its request to its
//! payout.

use domain::{Event, OrderId, StreamId, StreamKind, UserId, WithdrawalId, ids, streamer};
use journal::{Position, Reader, Record, codec};
use projections::Zone;
use serde::Serialize;

use super::{Told, tell};
use crate::ledger::history::Backwards;
use crate::ledger::limits::{
    MONEY_STREAM_RECORDS_MAX, SAME_ID_COMMANDS_MAX, STREAM_PAGE_RECORDS, WITHDRAWAL_RECORDS_MAX,
};

/// A recharge: its order, its payments, what they did to the wallet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recharge {
    /// The order.
    pub order: String,
    /// How far it has come: `created`, `cancelled`, `received`, `paid`, `credited`, `refunded`, `taken_back` or
    /// `unmatched`.
    pub state: &'static str,
    /// Everything that happened, in order.
    pub steps: Vec<Told>,
}

/// A withdrawal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Withdrawal {
    /// Its id.
    pub withdrawal: String,
    /// How far it has come.
    pub state: &'static str,
    /// Everything that happened, in order.
    pub steps: Vec<Told>,
    /// Whether its request is among them; else it lies farther back than was looked.
    pub complete: bool,
}

/// The recharge of an event, if it is of one.
pub(super) async fn recharge(
    reader: &dyn Reader,
    first: &Record,
    event: &Event,
    zone: Zone,
) -> journal::Result<Option<Recharge>> {
    let Some(order) = order_of(first, event) else {
        return Ok(None);
    };
    let orders = StreamId::new(StreamKind::Order, order.as_str());
    let mut records = whole(reader, &orders).await?;
    let mut payments = Vec::new();
    if first.stream.kind == StreamKind::Payment {
        payments.push(first.stream.clone());
    }
    let mut user = None;
    for record in &records {
        let event = codec::decode(&record.as_ref())?;
        if let Event::OrderPaid(e) = &event {
            let key = ids::payment_key(&e.provider, &e.payment);
            payments.push(StreamId::new(StreamKind::Payment, key.as_str()));
        }
        if let Event::OrderCreated(e) = &event {
            user = Some(e.user.clone());
        }
    }
    payments.sort_unstable();
    payments.dedup();
    for payment in &payments {
        records.extend(whole(reader, payment).await?);
    }
    if let Some(user) = user {
        records.extend(in_wallet(reader, &user, &order).await?);
    }
    records.sort_by_key(|record| record.position);
    records.dedup_by_key(|record| record.position);
    let steps = records
        .iter()
        .map(|record| tell(record, zone))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Recharge {
        order: order.to_string(),
        state: steps
            .iter()
            .rev()
            .find_map(|told| state(&told.event))
            .unwrap_or("created"),
        steps,
    }))
}

fn order_of(first: &Record, event: &Event) -> Option<OrderId> {
    match event {
        Event::OrderCreated(_) | Event::OrderCancelled(_) | Event::OrderPaid(_) | Event::OrderRefunded(_) => {
            first.stream.key.parse().ok()
        }
        Event::CoinsRecharged(e) => Some(e.order.clone()),
        Event::CoinsTakenBack(e) => Some(e.order.clone()),
        Event::PaymentReceived(e) => Some(e.order.clone()),
        Event::PaymentRefunded(e) => Some(e.order.clone()),
        Event::PaymentUnmatched(e) => Some(e.order.clone()),
        _ => None,
    }
}

fn state(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::OrderCreated(_) => "created",
        Event::OrderCancelled(_) => "cancelled",
        Event::PaymentReceived(_) => "received",
        Event::OrderPaid(_) => "paid",
        Event::CoinsRecharged(_) => "credited",
        Event::PaymentRefunded(_) | Event::OrderRefunded(_) => "refunded",
        Event::CoinsTakenBack(_) => "taken_back",
        Event::PaymentUnmatched(_) => "unmatched",
        _ => return None,
    })
}

async fn whole(reader: &dyn Reader, stream: &StreamId) -> journal::Result<Vec<Record>> {
    reader
        .read_stream(stream, 0, Position::start(0), MONEY_STREAM_RECORDS_MAX)
        .await
}

/// What the order did to its user's wallet; the cashier asks for it under ids that are made of the order's.
async fn in_wallet(reader: &dyn Reader, user: &UserId, order: &OrderId) -> journal::Result<Vec<Record>> {
    let wallet = StreamId::viewer(user);
    let mut records = Vec::new();
    for id in [order.to_string(), format!("refund:{order}")] {
        let found = reader.find_command_anywhere(&id, SAME_ID_COMMANDS_MAX).await?;
        let ours = |record: &Record| -> journal::Result<bool> {
            let event = codec::decode(&record.as_ref())?;
            Ok(record.stream == wallet && order_of(record, &event).as_ref() == Some(order))
        };
        for record in found {
            if ours(&record)? {
                records.push(record);
            }
        }
    }
    Ok(records)
}

/// The withdrawal that an event names.
pub(super) fn withdrawal_of(event: &Event) -> Option<&WithdrawalId> {
    Some(match event {
        Event::WithdrawalRequested(e) => &e.withdrawal,
        Event::WithdrawalApproved(e) => &e.withdrawal,
        Event::WithdrawalRejected(e) => &e.withdrawal,
        Event::WithdrawalSubmitted(e) => &e.withdrawal,
        Event::WithdrawalPaid(e) => &e.withdrawal,
        Event::WithdrawalFailed(e) => &e.withdrawal,
        _ => return None,
    })
}

/// Whether a record may name a withdrawal; its event need not be decoded.
pub(super) fn is_of_withdrawals(record: &Record) -> bool {
    record.event_type.name().starts_with("withdrawal_")
}

/// The withdrawal of an event, if it is of one.
pub(super) async fn withdrawal(
    reader: &dyn Reader,
    first: &Record,
    event: &Event,
    zone: Zone,
) -> journal::Result<Option<Withdrawal>> {
    let Some(id) = withdrawal_of(event) else {
        return Ok(None);
    };
    let mut steps = Vec::new();
    let mut complete = false;
    let mut earlier = Backwards::open(reader, first.stream.clone(), Some(first.version)).await?;
    for _ in 0..WITHDRAWAL_RECORDS_MAX {
        let Some(record) = earlier.next().await? else {
            break;
        };
        steps.extend(step(&record, id, zone)?);
        complete = steps
            .last()
            .is_some_and(|told: &Told| matches!(told.event, Event::WithdrawalRequested(_)));
        if complete {
            break;
        }
    }
    steps.reverse();
    look_ahead(reader, first, id, zone, &mut steps).await?;
    let after = |told: &Told| streamer::WithdrawalState::after(&told.event);
    Ok(Some(Withdrawal {
        withdrawal: id.to_string(),
        state: steps
            .iter()
            .rev()
            .find_map(after)
            .map_or("unknown", |state| state.word()),
        steps,
        complete,
    }))
}

/// From the command on to the end of the withdrawal.
async fn look_ahead(
    reader: &dyn Reader,
    first: &Record,
    id: &WithdrawalId,
    zone: Zone,
    steps: &mut Vec<Told>,
) -> journal::Result<()> {
    let over = |steps: &[Told]| {
        let last = steps
            .last()
            .and_then(|told| streamer::WithdrawalState::after(&told.event));
        last.is_some_and(streamer::WithdrawalState::is_over)
    };
    let (mut version, last) = (first.version, first.version + WITHDRAWAL_RECORDS_MAX);
    while version < last && !over(steps) {
        let records = reader
            .read_stream(&first.stream, version, Position::start(0), STREAM_PAGE_RECORDS)
            .await?;
        let Some(newest) = records.last() else { break };
        version = newest.version;
        for record in &records {
            steps.extend(step(record, id, zone)?);
        }
    }
    Ok(())
}

fn step(record: &Record, id: &WithdrawalId, zone: Zone) -> journal::Result<Option<Told>> {
    if !is_of_withdrawals(record) {
        return Ok(None);
    }
    let told = tell(record, zone)?;
    Ok((withdrawal_of(&told.event) == Some(id)).then_some(told))
}
