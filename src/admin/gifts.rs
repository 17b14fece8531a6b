//! The gifts on offer as staff list and delist them. A price holds from its record on: gifts that were sent keep theirs.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path, Query};
use domain::catalogue::Command;
use domain::{Gift, GiftId};
use serde::{Deserialize, Serialize};

use super::{Answer, Role, Staff};
use crate::platform::Platform;
use crate::rpc::request::{Command as Asked, id, parse_command};

#[derive(Serialize)]
struct Listed<'a> {
    gifts: Vec<&'a Gift>,
}

/// `GET /admin/api/gifts` -> `{gifts}`, cheapest first.
pub(super) async fn list(staff: Staff, platform: Data<Platform>) -> Answer {
    staff.with_role(Role::Catalogue)?;
    let offer = platform.actors.offer();
    Ok(HttpResponse::Ok().json(Listed {
        gifts: offer.by_price(),
    }))
}

#[derive(Serialize, Deserialize)]
struct Terms {
    name: String,
    coins: u64,
    tickets: u64,
}

#[derive(Serialize)]
struct Changed {
    position: u64,
}

/// `PUT /admin/api/gifts/{gift}` `{command_id, name, coins, tickets}` -> `{position}`.
pub(super) async fn put(staff: Staff, platform: Data<Platform>, gift: Path<String>, body: Bytes) -> Answer {
    let staff = staff.with_role(Role::Catalogue)?;
    let gift: GiftId = id(&gift)?;
    let command = parse_command::<Terms>(&format!("admin.list {gift}"), &body)?;
    let listed = Command::List(Gift {
        id: gift,
        name: command.body.name.clone(),
        coins: command.body.coins,
        tickets: command.body.tickets,
    });
    change(&staff, &platform, &command, listed).await
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
pub(super) struct Keyed {
    command_id: Option<String>,
}

/// `DELETE /admin/api/gifts/{gift}` `{command_id}` -> `{position}`. Where a client sends no body with a DELETE, the id may
/// stand in the query.
pub(super) async fn delete(
    staff: Staff,
    platform: Data<Platform>,
    gift: Path<String>,
    query: Query<Keyed>,
    body: Bytes,
) -> Answer {
    let staff = staff.with_role(Role::Catalogue)?;
    let gift: GiftId = id(&gift)?;
    let body = match &query.command_id {
        Some(id) if body.is_empty() => serde_json::json!({ "command_id": id }).to_string().into(),
        _ => body,
    };
    let command = parse_command::<Nothing>(&format!("admin.delist {gift}"), &body)?;
    change(&staff, &platform, &command, Command::Delist { gift }).await
}

async fn change<T>(staff: &Staff, platform: &Platform, command: &Asked<T>, change: Command) -> Answer {
    let request = command.request_of(&staff.author());
    let accepted = platform.actors.catalogue(request, change).await?;
    Ok(HttpResponse::Ok().json(Changed {
        position: accepted.position.sequence,
    }))
}
