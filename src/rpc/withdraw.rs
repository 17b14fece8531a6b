//! `withdraw.terms`, `withdraw.request`, `withdraw.list`.

use domain::streamer::{Answer, Command, RequestWithdrawal};
use domain::{Rejection, UserId};
use projections::views::Withdrawal;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;
use crate::rpc::request::{Page, parse, parse_command};
use crate::rpc::{Outcome, json};

pub(super) fn terms(platform: &Platform) -> Outcome {
    json(&platform.payout_terms)
}

#[derive(Serialize, Deserialize)]
struct Ask {
    tickets: u64,
    account: String,
}

#[derive(Serialize)]
struct Requested<'a> {
    position: u64,
    withdrawal: &'a str,
    tickets: u64,
    fee: u64,
    /// In minor units of the currency.
    pays: u64,
    currency: &'a str,
    tickets_left: u64,
    held: u64,
}

pub(super) async fn request(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let command = parse_command::<Ask>("withdraw.request", data)?;
    if platform.withdrawals_stopped() {
        return Err(Rejection::WithdrawalsStopped.into());
    }
    let request = RequestWithdrawal {
        withdrawal: command.derived_id("withdrawal", user),
        tickets: command.body.tickets,
        account: command.body.account.clone(),
        // The actors know what is owed.
        debt: 0,
    };
    let request = Command::RequestWithdrawal(request);
    let accepted = platform
        .actors
        .streamer(user, command.request(user), request)
        .await?;
    let Answer::Requested(requested) = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    json(&Requested {
        position: accepted.position.sequence,
        withdrawal: requested.withdrawal.as_str(),
        tickets: requested.tickets,
        fee: requested.fee,
        pays: requested.pays,
        currency: requested.currency.as_str(),
        tickets_left: requested.tickets_left,
        held: requested.held_left,
    })
}

#[derive(Serialize)]
struct Line {
    withdrawal: String,
    tickets: u64,
    fee: u64,
    pays: u64,
    currency: String,
    account: String,
    state: &'static str,
    since: i64,
    changed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

impl From<Withdrawal> for Line {
    fn from(withdrawal: Withdrawal) -> Self {
        Self {
            withdrawal: withdrawal.withdrawal.to_string(),
            tickets: withdrawal.tickets,
            fee: withdrawal.fee,
            pays: withdrawal.pays,
            currency: withdrawal.currency.to_string(),
            account: withdrawal.account,
            state: withdrawal.state.word(),
            since: withdrawal.since_ms,
            changed: withdrawal.changed_at_ms,
            reason: withdrawal.reason,
            reference: withdrawal.reference,
        }
    }
}

#[derive(Serialize)]
struct Listed {
    withdrawals: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(super) fn list(platform: &Platform, user: &UserId, data: &[u8]) -> Outcome {
    let page = parse::<Page>(data)?;
    let limit = page.limit()?;
    let found = platform
        .views()
        .withdrawals_of(user, page.cursor.as_deref(), limit)??;
    json(&Listed {
        withdrawals: found.entries.into_iter().map(Line::from).collect(),
        cursor: found.cursor,
    })
}
