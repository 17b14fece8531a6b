//! `wallet.get`, `wallet.history`.

use domain::UserId;
use projections::views::{read_cursor, write_cursor};
use serde::Serialize;

use crate::ledger::entry::Entry;
use crate::ledger::history::{self, Mark};
use crate::ledger::limits::HISTORY_RECORDS_MAX;
use crate::platform::Platform;
use crate::rpc::request::{Page, parse};
use crate::rpc::{Outcome, json};

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

pub(super) fn get(platform: &Platform, user: &UserId) -> Outcome {
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

#[derive(Serialize)]
struct Entries {
    entries: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// A cursor is the two versions of [`Mark`]; whatever it says, it leads to the caller's own streams only.
pub(super) async fn history(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let page = parse::<Page>(data)?;
    let limit = page.limit()?;
    let from = page.cursor.as_deref().map(read_cursor).transpose()?;
    let from = from.map(|[viewer, streamer]| Mark { viewer, streamer });
    let page = history::page(platform.feed.reader(), user, from, limit, HISTORY_RECORDS_MAX).await?;
    json(&Entries {
        entries: page.entries,
        cursor: page.next.map(|mark| write_cursor([mark.viewer, mark.streamer])),
    })
}
