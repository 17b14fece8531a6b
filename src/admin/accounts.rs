//! Corrections of what users have: coins, tickets, debt. Each is a new entry with a reason and its author.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path};
use domain::{Rejection, UserId, streamer, viewer};
use serde::{Deserialize, Serialize};

use super::{Answer, Role, Staff};
use crate::platform::Platform;
use crate::rpc::request::{id, parse_command};

#[derive(Serialize, Deserialize)]
struct Correction {
    amount: i64,
    reason: String,
}

#[derive(Serialize)]
struct Corrected {
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    coins: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tickets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    debt: Option<u64>,
}

/// `POST /admin/api/users/{user}/coins` `{command_id, amount, reason}` -> `{position, coins}`.
pub(super) async fn coins(staff: Staff, platform: Data<Platform>, user: Path<String>, body: Bytes) -> Answer {
    let staff = staff.with_role(Role::Finance)?;
    let user: UserId = id(&user)?;
    let command = parse_command::<Correction>("admin.coins", &body)?;
    let adjust = viewer::Command::AdjustCoins {
        amount: command.body.amount,
        reason: command.body.reason.clone(),
    };
    let request = command.request_of(&staff.author());
    let accepted = platform.actors.viewer(&user, request, adjust).await?;
    let viewer::Answer::Adjusted { coins } = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    Ok(HttpResponse::Ok().json(Corrected {
        position: accepted.position.sequence,
        coins: Some(coins),
        tickets: None,
        debt: None,
    }))
}

/// `POST /admin/api/users/{user}/tickets` `{command_id, amount, reason}` -> `{position, tickets}`.
pub(super) async fn tickets(
    staff: Staff,
    platform: Data<Platform>,
    user: Path<String>,
    body: Bytes,
) -> Answer {
    let staff = staff.with_role(Role::Finance)?;
    let user: UserId = id(&user)?;
    let command = parse_command::<Correction>("admin.tickets", &body)?;
    let adjust = streamer::Command::AdjustTickets {
        amount: command.body.amount,
        reason: command.body.reason.clone(),
    };
    let request = command.request_of(&staff.author());
    let accepted = platform.actors.streamer(&user, request, adjust).await?;
    let streamer::Answer::Adjusted { tickets } = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    Ok(HttpResponse::Ok().json(Corrected {
        position: accepted.position.sequence,
        coins: None,
        tickets: Some(tickets),
        debt: None,
    }))
}

/// `POST /admin/api/users/{user}/forgive` `{command_id, amount, reason}` -> `{position, debt}`.
pub(super) async fn forgive(
    staff: Staff,
    platform: Data<Platform>,
    user: Path<String>,
    body: Bytes,
) -> Answer {
    let staff = staff.with_role(Role::Finance)?;
    let user: UserId = id(&user)?;
    let command = parse_command::<Correction>("admin.forgive", &body)?;
    let forgive = viewer::Command::ForgiveDebt {
        coins: u64::try_from(command.body.amount).map_err(|_| Rejection::BadDebt)?,
        reason: command.body.reason.clone(),
    };
    let request = command.request_of(&staff.author());
    let accepted = platform.actors.viewer(&user, request, forgive).await?;
    let viewer::Answer::Purse { debt, .. } = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    Ok(HttpResponse::Ok().json(Corrected {
        position: accepted.position.sequence,
        coins: None,
        tickets: None,
        debt: Some(debt),
    }))
}
