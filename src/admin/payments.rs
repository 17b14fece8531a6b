//! Payments that fit no order, for staff to look at. Nothing was credited for them; here they are only told.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use domain::{Currency, OrderId, PaymentId, ProviderName};
use projections::views::UnmatchedPayment;
use serde::{Deserialize, Serialize};

use super::{Answer, Role, Staff};
use crate::platform::Platform;
use crate::rpc::Failure;
use crate::rpc::request::Page;

#[derive(Deserialize)]
pub(super) struct Which {
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Line {
    provider: ProviderName,
    payment: PaymentId,
    order: OrderId,
    /// In minor units of the currency.
    amount: u64,
    currency: Currency,
    /// Why it fits none: the number of the refusal, and its words.
    code: u16,
    reason: String,
    since: i64,
}

impl From<UnmatchedPayment> for Line {
    fn from(payment: UnmatchedPayment) -> Self {
        Self {
            provider: payment.provider,
            payment: payment.payment,
            order: payment.order,
            amount: payment.amount,
            currency: payment.currency,
            code: payment.rejection.code(),
            reason: payment.rejection.to_string(),
            since: payment.since_ms,
        }
    }
}

#[derive(Serialize)]
struct Listed {
    payments: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// `GET /admin/api/payments/unmatched?cursor=&limit=`, latest set aside first.
pub(super) async fn unmatched(staff: Staff, platform: Data<Platform>, which: Query<Which>) -> Answer {
    staff.with_role(Role::Finance)?;
    let which = which.into_inner();
    let page = Page::new(which.cursor, which.limit);
    let limit = page.limit()?;
    let found = platform
        .views()
        .unmatched_payments(page.cursor.as_deref(), limit)
        .map_err(Failure::from)?;
    Ok(HttpResponse::Ok().json(Listed {
        payments: found.entries.into_iter().map(Line::from).collect(),
        cursor: found.cursor,
    }))
}
