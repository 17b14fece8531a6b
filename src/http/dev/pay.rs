//! `/dev/pay` and `/dev/refund`: the page of the sandbox, which "pays". Mounted only under `livehouse demo`.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Data, Query};
use actors::Request;
use domain::order::Command;
use domain::{OrderId, PaymentId, UserId};
use projections::views::{OrderEntry, OrderState};
use serde::Deserialize;

use super::Dev;
use crate::payments::{Bill, Sandbox};
use crate::platform::Platform;
use crate::rpc::Failure;

const PAGE: &str = include_str!("pay.html");

#[derive(Deserialize)]
pub(in crate::http) struct PayQuery {
    order: OrderId,
}

/// `GET /dev/pay?order=ID`: what is to be paid, and buttons.
pub(in crate::http) async fn page(platform: Data<Platform>, query: Query<PayQuery>) -> HttpResponse {
    let (user, entry) = match find(&platform, &query.order).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let state = match entry.state {
        OrderState::Created => "waiting for payment",
        OrderState::Cancelled => "cancelled",
        OrderState::Paid => "paid",
        OrderState::Refunded => "refunded",
    };
    let page = PAGE
        .replace("{{order}}", entry.order.as_str())
        .replace("{{user}}", user.as_str())
        .replace("{{coins}}", &entry.coins.to_string())
        .replace("{{price}}", &major(entry.price))
        .replace("{{currency}}", entry.currency.as_str())
        .replace("{{state}}", state);
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(page)
}

/// Hundredths as people write them.
fn major(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Pay,
    /// By two payments, as when somebody presses the button on two screens.
    Twice,
    Cancel,
}

#[derive(Deserialize)]
pub(in crate::http) struct PressQuery {
    order: OrderId,
    how: How,
}

/// `POST /dev/pay?order=ID&how=pay|twice|cancel`: posts the webhooks and sends the user back.
pub(in crate::http) async fn press(
    platform: Data<Platform>,
    dev: Data<Dev>,
    query: Query<PressQuery>,
) -> HttpResponse {
    let (user, entry) = match find(&platform, &query.order).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let bill = bill(&entry);
    let payments = match query.how {
        How::Pay => 1,
        How::Twice => 2,
        How::Cancel => return cancel(&platform, &user, &entry.order).await,
    };
    for n in 1..=payments {
        match dev.sandbox.pay(&bill, n).await {
            Ok(answered) if answered.status == 200 => {}
            Ok(answered) => return HttpResponse::BadGateway().body(answered.body),
            Err(error) => return HttpResponse::BadGateway().body(format!("{error:#}\n")),
        }
    }
    back(&format!("/?paid={}", entry.order))
}

/// Who gives up at a provider's page comes back, and the app cancels the order.
async fn cancel(platform: &Platform, user: &UserId, order: &OrderId) -> HttpResponse {
    let command = Command::Cancel { user: user.clone() };
    let cancelled = platform
        .actors
        .order(order, Request::of_system(Sandbox::NAME), command);
    match cancelled.await {
        Ok(_) => back(&format!("/?cancelled={order}")),
        Err(failure) => {
            let (code, message) = Failure::from(failure).code_and_message();
            HttpResponse::UnprocessableEntity().body(format!("{code}: {message}\n"))
        }
    }
}

fn back(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, to)).finish()
}

#[derive(Deserialize)]
pub(in crate::http) struct RefundQuery {
    payment: PaymentId,
}

/// `POST /dev/refund?payment=ID`: says that a payment (`ORDER-1`, `ORDER-2`) was given back; answers what the webhook
/// was answered.
pub(in crate::http) async fn refund(
    platform: Data<Platform>,
    dev: Data<Dev>,
    query: Query<RefundQuery>,
) -> HttpResponse {
    let order = Sandbox::order_of(&query.payment).and_then(|order| order.parse::<OrderId>().ok());
    let Some(order) = order else {
        return HttpResponse::NotFound().body("no such payment\n");
    };
    let (_, entry) = match find(&platform, &order).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    match dev.sandbox.refund(&bill(&entry), &query.payment).await {
        Ok(answered) => {
            let status = answered.status.try_into().unwrap_or_default();
            HttpResponse::build(status)
                .content_type("application/json")
                .body(answered.body)
        }
        Err(error) => HttpResponse::BadGateway().body(format!("{error:#}\n")),
    }
}

fn bill(entry: &OrderEntry) -> Bill {
    Bill {
        order: entry.order.clone(),
        price: entry.price,
        currency: entry.currency.clone(),
    }
}

/// The order as the views know it, once they have everything that is there now.
async fn find(platform: &Platform, order: &OrderId) -> Result<(UserId, OrderEntry), HttpResponse> {
    let failed = |failure: Failure| {
        let (code, message) = failure.code_and_message();
        HttpResponse::ServiceUnavailable().body(format!("{code}: {message}\n"))
    };
    // Of the journal itself: the views learn of a new record a moment later.
    let head = platform.feed.reader().head().get(0);
    platform.caught_up(head).await.map_err(failed)?;
    let found = platform
        .views()
        .order(order)
        .map_err(Failure::from)
        .map_err(failed)?;
    found.ok_or_else(|| HttpResponse::NotFound().body("no such order\n"))
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn money_is_shown_in_major_units() {
        assert_eq!(major(600), "6.00");
        assert_eq!(major(7), "0.07");
        assert_eq!(major(123_456), "1234.56");
    }
}
