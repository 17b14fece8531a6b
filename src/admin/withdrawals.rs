//! Withdrawals as staff see them, approve them and turn them down.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path, Query};
use domain::streamer::{Answer as Said, Command, WithdrawalState};
use domain::{Rejection, UserId, WithdrawalId};
use projections::views::Filed;
use serde::{Deserialize, Serialize};

use super::{Answer, Refused, Role, Staff};
use crate::platform::Platform;
use crate::rpc::Failure;
use crate::rpc::request::{Page, id, parse_command};

#[derive(Deserialize)]
pub(super) struct Which {
    state: Option<WithdrawalState>,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Line {
    user: UserId,
    withdrawal: WithdrawalId,
    tickets: u64,
    fee: u64,
    pays: u64,
    currency: String,
    account: String,
    state: &'static str,
    since: i64,
    changed: i64,
    approvals_needed: u8,
    approved_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

impl From<Filed> for Line {
    fn from(Filed { user, withdrawal }: Filed) -> Self {
        let approved_by = withdrawal.approved_by.iter().map(ToString::to_string);
        Self {
            user,
            approved_by: approved_by.collect(),
            withdrawal: withdrawal.withdrawal,
            tickets: withdrawal.tickets,
            fee: withdrawal.fee,
            pays: withdrawal.pays,
            currency: withdrawal.currency.to_string(),
            account: withdrawal.account,
            state: withdrawal.state.word(),
            since: withdrawal.since_ms,
            changed: withdrawal.changed_at_ms,
            approvals_needed: withdrawal.approvals_needed,
            rejected_by: withdrawal.rejected_by.map(|by| by.to_string()),
            provider: withdrawal.provider.map(|provider| provider.to_string()),
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

/// `GET /admin/api/withdrawals?state=requested&cursor=&limit=`.
pub(super) async fn list(staff: Staff, platform: Data<Platform>, which: Query<Which>) -> Answer {
    staff.with_role(Role::Finance)?;
    let which = which.into_inner();
    let page = Page::new(which.cursor, which.limit);
    let (limit, state) = (page.limit()?, which.state.unwrap_or(WithdrawalState::Requested));
    let found = platform
        .views()
        .withdrawals_in(state, page.cursor.as_deref(), limit)
        .map_err(Failure::from)?
        .map_err(Failure::from)?;
    Ok(HttpResponse::Ok().json(Listed {
        withdrawals: found.entries.into_iter().map(Line::from).collect(),
        cursor: found.cursor,
    }))
}

/// Beside the command id; the withdrawal is part of what is asked for.
#[derive(Serialize, Deserialize)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Why {
    reason: String,
}

#[derive(Serialize)]
struct Stands {
    position: u64,
    withdrawal: String,
    state: &'static str,
}

/// `POST /admin/api/withdrawals/{user}/{withdrawal}/approve` `{command_id}`.
pub(super) async fn approve(
    staff: Staff,
    platform: Data<Platform>,
    of: Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let staff = staff.with_role(Role::Finance)?;
    let (user, withdrawal) = read(&of)?;
    let command = parse_command::<Nothing>(&format!("admin.approve {withdrawal}"), &body)?;
    if platform.withdrawals_stopped() {
        return Err(Rejection::WithdrawalsStopped.into());
    }
    let approve = Command::ApproveWithdrawal {
        withdrawal: withdrawal.clone(),
        by: staff.name.clone(),
        // The actors know what is owed.
        debt: 0,
    };
    let request = command.request_of(&staff.author());
    let accepted = platform.actors.streamer(&user, request, approve).await?;
    stands(&withdrawal, &accepted)
}

/// `POST /admin/api/withdrawals/{user}/{withdrawal}/reject` `{command_id, reason}`.
pub(super) async fn reject(
    staff: Staff,
    platform: Data<Platform>,
    of: Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let staff = staff.with_role(Role::Finance)?;
    let (user, withdrawal) = read(&of)?;
    let command = parse_command::<Why>(&format!("admin.reject {withdrawal}"), &body)?;
    let reject = Command::RejectWithdrawal {
        withdrawal: withdrawal.clone(),
        by: staff.name.clone(),
        reason: command.body.reason.clone(),
    };
    let request = command.request_of(&staff.author());
    let accepted = platform.actors.streamer(&user, request, reject).await?;
    stands(&withdrawal, &accepted)
}

fn read((user, withdrawal): &(String, String)) -> Result<(UserId, WithdrawalId), Refused> {
    Ok((id(user)?, id(withdrawal)?))
}

fn stands(withdrawal: &WithdrawalId, accepted: &actors::Accepted<Said>) -> Answer {
    let Said::Withdrawal(state) = accepted.answer else {
        return Err(Rejection::CommandReused.into());
    };
    Ok(HttpResponse::Ok().json(Stands {
        position: accepted.position.sequence,
        withdrawal: withdrawal.to_string(),
        state: state.word(),
    }))
}
