//! What the standing audit has found: it goes with the views, so it has looked at everything that they have.

use actix_web::HttpResponse;
use actix_web::web::Data;
use projections::ledger::{Books, Break, Invariant};
use serde::Serialize;

use super::{Answer, Staff};
use crate::platform::Platform;

#[derive(Serialize)]
struct Audit {
    ok: bool,
    /// How far it has looked.
    position: u64,
    /// How many records broke a promise; 0 while the books add up.
    records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<Broken>,
}

/// The first promise that was broken.
#[derive(Serialize)]
struct Broken {
    position: u64,
    invariant: u8,
    words: &'static str,
    what: String,
}

impl From<Break> for Broken {
    fn from(first: Break) -> Self {
        Self {
            position: first.position,
            invariant: first.invariant,
            words: Invariant::from_number(first.invariant).map_or("", Invariant::words),
            what: first.what,
        }
    }
}

/// `GET /admin/api/audit` -> `{ok, position, records, broken?: {position, invariant, words, what}}`, for all of staff.
pub(super) async fn state(_: Staff, platform: Data<Platform>) -> Answer {
    // Asked first: what is told then holds at least so far.
    let position = platform.views_position();
    let (records, broken) = match platform.books() {
        Books::Ok => (0, None),
        Books::Broken { first, records, .. } => (records, Some(first.into())),
    };
    Ok(HttpResponse::Ok().json(Audit {
        ok: broken.is_none(),
        position,
        records,
        broken,
    }))
}
