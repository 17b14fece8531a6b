//! `recharge.packs`, `recharge.create`, `recharge.cancel`, `recharge.list`.

use domain::event::OrderCreated;
use domain::order::{Answer, Command};
use domain::{Currency, OrderId, PackId, ProviderName, Rejection, UserId};
use projections::views::{OrderEntry, OrderState};
use serde::{Deserialize, Serialize};

use crate::payments::{Bill, Offer};
use crate::platform::Platform;
use crate::rpc::request::{Page, id, parse, parse_command};
use crate::rpc::{Failure, Outcome, json};

pub(super) fn packs(platform: &Platform) -> Outcome {
    #[derive(Serialize)]
    struct Packs {
        packs: Vec<Offer>,
    }
    json(&Packs {
        packs: platform.payments.offers().collect(),
    })
}

#[derive(Serialize, Deserialize)]
struct Create {
    pack: String,
}

#[derive(Serialize)]
struct Created {
    position: u64,
    order: OrderId,
    coins: u64,
    price: u64,
    currency: Currency,
    pay: Pay,
}

#[derive(Serialize)]
struct Pay {
    provider: ProviderName,
    url: String,
}

pub(super) async fn create(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Create>("recharge.create", data)?;
    let pack: PackId = id(&command.body.pack)?;
    let provider = platform.payments.first().ok_or(Rejection::UnknownPack)?;
    let order = command.derived_id("order", user);
    let wanted = match platform.payments.offers().find(|offer| offer.id == pack) {
        Some(offer) => OrderCreated {
            user: user.clone(),
            pack,
            coins: offer.coins,
            price: offer.price,
            currency: offer.currency,
        },
        // No longer for sale; but a retry gets its first answer. The order is there, so that none is made now.
        None => first_created(platform, user, &order)?.ok_or(Rejection::UnknownPack)?,
    };
    let request = command.request(user);
    let accepted = platform
        .actors
        .order(&order, request, Command::Create(wanted))
        .await?;
    let Answer::Created(created) = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    let OrderCreated {
        coins,
        price,
        currency,
        ..
    } = created;
    let bill = Bill {
        order: order.clone(),
        price,
        currency: currency.clone(),
    };
    json(&Created {
        position: accepted.position.sequence,
        order,
        coins,
        price,
        currency,
        pay: Pay {
            provider: provider.name().clone(),
            url: provider.pay_url(&bill),
        },
    })
}

/// What an order was made with, if it was.
fn first_created(
    platform: &Platform,
    user: &UserId,
    order: &OrderId,
) -> Result<Option<OrderCreated>, Failure> {
    let found = platform.views().order(order)?;
    Ok(found.map(|(_, entry)| OrderCreated {
        user: user.clone(),
        pack: entry.pack,
        coins: entry.coins,
        price: entry.price,
        currency: entry.currency,
    }))
}

#[derive(Serialize, Deserialize)]
struct Cancel {
    order: String,
}

#[derive(Serialize)]
struct Cancelled {
    position: u64,
    order: OrderId,
}

pub(super) async fn cancel(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Cancel>("recharge.cancel", data)?;
    let order: OrderId = id(&command.body.order)?;
    let cancel = Command::Cancel { user: user.clone() };
    let accepted = platform
        .actors
        .order(&order, command.request(user), cancel)
        .await?;
    if accepted.answer != Answer::Cancelled {
        return Err(Rejection::CommandReused.into());
    }
    json(&Cancelled {
        position: accepted.position.sequence,
        order,
    })
}

#[derive(Serialize)]
struct Orders {
    orders: Vec<Order>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Order {
    order: OrderId,
    pack: PackId,
    coins: u64,
    price: u64,
    currency: Currency,
    state: OrderState,
    since: i64,
}

impl From<OrderEntry> for Order {
    fn from(entry: OrderEntry) -> Self {
        let OrderEntry {
            order,
            pack,
            coins,
            price,
            currency,
            state,
            since_ms,
        } = entry;
        Self {
            order,
            pack,
            coins,
            price,
            currency,
            state,
            since: since_ms,
        }
    }
}

pub(super) fn list(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let page = parse::<Page>(data)?;
    let (cursor, limit) = (page.cursor.as_deref(), page.limit()?);
    let found = platform.views().orders(user, cursor, limit)??;
    json(&Orders {
        orders: found.entries.into_iter().map(Order::from).collect(),
        cursor: found.cursor,
    })
}
