//! The day of a payment provider: every payment and refund that was recorded on it, with its order, and their sums.
//!
//! The journal is looked through once, from the first record of the day to the last; of records of other kinds only the
//! head is looked at.

use std::collections::BTreeMap;

use domain::{Event, OrderId, ProviderName, StreamId, StreamKind, ids};
use journal::{Position, Reader, Record, codec};
use projections::{Day, Zone};
use serde::{Deserialize, Serialize};

use super::calendar::{begins_ms, ends_ms, records_before, stamp};
use super::limits::{MONEY_STREAM_RECORDS_MAX, READ_BYTES};
use super::statement::Error;

/// Money that came, or went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It came.
    Payment,
    /// It went back.
    Refund,
}

impl Kind {
    /// Its name, as in files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
        }
    }
}

/// One payment or refund as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Where its record stands.
    pub position: u64,
    /// When it was recorded, unix ms.
    pub at_ms: i64,
    /// Which way.
    pub kind: Kind,
    /// The provider's name for the payment.
    pub payment: String,
    /// What it was said to be for.
    pub order: OrderId,
    /// How much, in minor units.
    pub amount: u64,
    /// In which currency.
    pub currency: String,
}

impl Movement {
    /// The movement of a record, if it is of one of this provider.
    pub fn of(provider: &ProviderName, record: &Record) -> journal::Result<Option<Self>> {
        let event = codec::decode(&record.as_ref())?;
        let (kind, by, payment, order, amount, currency) = match &event {
            Event::PaymentReceived(e) => (
                Kind::Payment,
                &e.provider,
                &e.payment,
                &e.order,
                e.amount,
                &e.currency,
            ),
            Event::PaymentRefunded(e) => (
                Kind::Refund,
                &e.provider,
                &e.payment,
                &e.order,
                e.amount,
                &e.currency,
            ),
            _ => return Ok(None),
        };
        Ok((by == provider).then(|| Self {
            position: record.position.sequence,
            at_ms: record.recorded_at_ms,
            kind,
            payment: payment.to_string(),
            order: order.clone(),
            amount,
            currency: currency.to_string(),
        }))
    }
}

/// The stream of a payment.
pub fn stream_of(provider: &ProviderName, payment: &str) -> Option<StreamId> {
    let payment = payment.parse().ok()?;
    let key = ids::payment_key(provider, &payment);
    Some(StreamId::new(StreamKind::Payment, key.as_str()))
}

/// Everything that the journal knows of one payment.
pub async fn known(reader: &dyn Reader, stream: &StreamId) -> journal::Result<Vec<Record>> {
    reader
        .read_stream(stream, 0, Position::start(0), MONEY_STREAM_RECORDS_MAX)
        .await
}

/// Shows every movement of a provider's day in order; `progress` is told how many of how many records are looked through.
pub async fn movements(
    reader: &dyn Reader,
    provider: &ProviderName,
    (day, zone): (Day, Zone),
    mut progress: impl FnMut(u64, u64),
) -> Result<Vec<Movement>, Error> {
    let prefix = format!("{provider}.");
    let mut found = Vec::new();
    for shard in 0..reader.shards() {
        let first = records_before(reader, shard, begins_ms(day, zone)).await?;
        let last = records_before(reader, shard, ends_ms(day, zone)).await?;
        let mut at = Position {
            shard,
            sequence: first,
        };
        while at.sequence < last {
            let batch = reader.read(at, READ_BYTES).await?;
            if batch.is_empty() {
                break;
            }
            let of_the_day = batch.iter().take_while(|record| record.position.sequence <= last);
            for record in of_the_day.filter(|r| r.kind == StreamKind::Payment && r.key.starts_with(&prefix)) {
                found.extend(Movement::of(provider, &record.to_record())?);
            }
            at = batch.last();
            progress(at.sequence.min(last) - first, last - first);
        }
    }
    Ok(found)
}

/// One line of the statement. All lines have the same fields, in this order; what does not apply is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Row {
    /// Where the record stands; none in a line of sums.
    pub position: Option<u64>,
    /// When it was recorded.
    pub time: Option<String>,
    /// `payment` or `refund`; in the last lines `payments`, `refunds` and `net`, for each currency.
    pub r#type: String,
    /// The provider's name for the payment.
    pub payment: Option<String>,
    /// How much, in minor units; only `net` can be negative.
    pub amount: i128,
    /// In which currency.
    pub currency: String,
    /// How many, in a line of sums.
    pub count: Option<u64>,
    /// What became of it by now: `received`, `credited`, `refunded` or `unmatched` (set aside, it fits no order).
    pub state: Option<String>,
    /// What it was said to be for.
    pub order: Option<String>,
    /// Who ordered; none when there is no such order.
    pub user: Option<String>,
    /// Which pack.
    pub pack: Option<String>,
    /// What it gives, in coins.
    pub coins: Option<u64>,
    /// What the order costs, in minor units.
    pub price: Option<u64>,
    /// In which currency.
    pub price_currency: Option<String>,
}

/// Hands out the lines of a provider's day: every movement with its order, then the sums. Says how many movements there were.
pub async fn day(
    reader: &dyn Reader,
    provider: &ProviderName,
    when: (Day, Zone),
    progress: impl FnMut(u64, u64),
    mut line: impl FnMut(Row) -> std::io::Result<()>,
) -> Result<u64, Error> {
    let movements = movements(reader, provider, when, progress).await?;
    let mut sums: BTreeMap<(String, Kind), (u64, i128)> = BTreeMap::new();
    for movement in &movements {
        let (count, amount) = sums
            .entry((movement.currency.clone(), movement.kind))
            .or_default();
        *count += 1;
        *amount += i128::from(movement.amount);
        line(row(reader, provider, movement, when.1).await?)?;
    }
    let currencies: Vec<_> = sums.keys().map(|(currency, _)| currency.clone()).collect();
    let mut told = None;
    for currency in currencies {
        if told.as_ref() == Some(&currency) {
            continue;
        }
        let of = |kind| sums.get(&(currency.clone(), kind)).copied().unwrap_or_default();
        let (payments, refunds) = (of(Kind::Payment), of(Kind::Refund));
        let net = (payments.0 + refunds.0, payments.1 - refunds.1);
        for (name, (count, amount)) in [("payments", payments), ("refunds", refunds), ("net", net)] {
            line(Row {
                r#type: name.into(),
                amount,
                currency: currency.clone(),
                count: Some(count),
                ..Row::default()
            })?;
        }
        told = Some(currency);
    }
    Ok(movements.len() as u64)
}

async fn row(
    reader: &dyn Reader,
    provider: &ProviderName,
    movement: &Movement,
    zone: Zone,
) -> Result<Row, Error> {
    let mut row = Row {
        position: Some(movement.position),
        time: Some(stamp(movement.at_ms, zone)),
        r#type: movement.kind.word().into(),
        payment: Some(movement.payment.clone()),
        amount: i128::from(movement.amount),
        currency: movement.currency.clone(),
        order: Some(movement.order.to_string()),
        ..Row::default()
    };
    let mut state = "received";
    if let Some(stream) = stream_of(provider, &movement.payment) {
        for record in known(reader, &stream).await? {
            match codec::decode(&record.as_ref())? {
                Event::PaymentRefunded(_) => state = "refunded",
                Event::PaymentUnmatched(_) if state == "received" => state = "unmatched",
                _ => {}
            }
        }
    }
    let orders = StreamId::new(StreamKind::Order, movement.order.as_str());
    for record in known(reader, &orders).await? {
        match codec::decode(&record.as_ref())? {
            Event::OrderCreated(e) => {
                row.user = Some(e.user.to_string());
                row.pack = Some(e.pack.to_string());
                row.coins = Some(e.coins);
                row.price = Some(e.price);
                row.price_currency = Some(e.currency.to_string());
            }
            Event::OrderPaid(e) if state == "received" && e.payment.as_str() == movement.payment => {
                state = "credited";
            }
            _ => {}
        }
    }
    row.state = Some(state.into());
    Ok(row)
}
