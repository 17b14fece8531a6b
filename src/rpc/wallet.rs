//! `wallet.get`.

use domain::UserId;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::parse;
use crate::rpc::{Outcome, json};

#[derive(Deserialize)]
struct Get {
    min_position: Option<u64>,
}

#[derive(Serialize)]
struct Wallet {
    coins: u64,
    tickets: u64,
    /// Tickets bound by withdrawals that are under way.
    held: u64,
    /// Coins owed: refunded when they were spent already.
    debt: u64,
    /// The last event that said any of it; 0 = none did.
    position: u64,
}

pub(super) async fn get(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let get = parse::<Get>(data)?;
    if let Some(position) = get.min_position {
        platform.caught_up(position).await?;
    }
    let balance = platform.views().balance(user);
    let position = projections::position(balance.changed).sequence;
    json(&Wallet {
        coins: balance.coins,
        tickets: balance.tickets,
        held: balance.held,
        debt: balance.debt,
        position,
    })
}
