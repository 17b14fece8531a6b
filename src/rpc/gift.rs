//! `gift.catalog`, `gift.stats`, `gift.send`, `gift.combo_end`.

use domain::event::ComboStep;
use domain::viewer::{Answer, Command, SendGift};
use domain::{Gift, GiftId, Rejection, RoomId, UserId};
use projections::views::GiftSums;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{id, parse, parse_command};
use crate::rpc::{Failure, Outcome, json};

pub(super) fn catalog(platform: &Platform) -> Outcome {
    #[derive(Serialize)]
    struct Catalog<'a> {
        gifts: Vec<&'a Gift>,
    }
    let offer = platform.actors.offer();
    json(&Catalog {
        gifts: offer.by_price(),
    })
}

/// Gifts that `gift.stats` tells, those that brought most; the rest is not told.
const STATS_GIFTS_MAX: usize = 100;

#[derive(Deserialize)]
struct StatsOf {
    room: Option<String>,
}

#[derive(Serialize)]
struct Stats {
    gifts: Vec<StatsOfGift>,
    position: u64,
}

#[derive(Serialize)]
struct StatsOfGift {
    gift: GiftId,
    count: u64,
    coins: u64,
    tickets: u64,
}

pub(super) fn stats(platform: &Platform, data: &[u8]) -> Outcome {
    let asked = parse::<StatsOf>(data)?;
    let room = asked.room.as_deref().map(id::<RoomId>).transpose()?;
    // Asked first: what is told is then at least as new.
    let position = platform.views_position();
    let found = platform.views().gift_stats(room.as_ref(), STATS_GIFTS_MAX);
    let told = |(gift, sums): (GiftId, GiftSums)| StatsOfGift {
        gift,
        count: sums.count,
        coins: sums.coins,
        tickets: sums.tickets,
    };
    json(&Stats {
        gifts: found.into_iter().map(told).collect(),
        position,
    })
}

#[derive(Serialize, Deserialize)]
struct Send {
    room: String,
    gift: String,
    #[serde(default)]
    count: u32,
    combo: Option<Combo>,
}

#[derive(Serialize, Deserialize)]
struct Combo {
    id: String,
    total: u32,
}

#[derive(Serialize)]
struct Sent {
    position: u64,
    coins: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    combo_total: Option<u32>,
}

pub(super) async fn send(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Send>("gift.send", data)?;
    let combo = match &command.body.combo {
        Some(combo) => Some(ComboStep {
            id: id(&combo.id)?,
            total: combo.total,
        }),
        None => None,
    };
    let gift = SendGift {
        room: id(&command.body.room)?,
        // The actors know which session runs.
        session: None,
        gift: id(&command.body.gift)?,
        count: command.body.count,
        combo,
    };
    let accepted = platform
        .actors
        .viewer(user, command.request(user), Command::SendGift(gift))
        .await?;
    let Answer::Gift { coins, combo_total } = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    json(&Sent {
        position: accepted.position.sequence,
        coins,
        combo_total,
    })
}

#[derive(Serialize, Deserialize)]
struct ComboEnd {
    combo: String,
}

#[derive(Serialize)]
struct ComboEnded {
    position: u64,
    combo_total: u32,
}

pub(super) async fn combo_end(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<ComboEnd>("gift.combo_end", data)?;
    let end = Command::EndCombo {
        combo: id(&command.body.combo)?,
    };
    let accepted = platform.actors.viewer(user, command.request(user), end).await?;
    let Answer::ComboEnded { total } = accepted.answer else {
        return Err(Failure::from(Rejection::CommandReused));
    };
    json(&ComboEnded {
        position: accepted.position.sequence,
        combo_total: total,
    })
}
