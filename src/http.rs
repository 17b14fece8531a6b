//! HTTP: the socket's address, health, metrics, the page, and what only a demo offers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::web::{Data, ServiceConfig, get};
use actix_web::{HttpResponse, web};

use crate::admin;
use crate::platform::Platform;

mod dev;
pub mod metrics;
mod page;
mod payments;

pub use dev::Dev;

/// How far a view may lie behind before `/readyz` says no.
#[derive(Debug, Clone, Copy)]
pub struct ReadyLag {
    /// In records.
    pub records_max: u64,
}

/// Mounts everything but the socket. The `/dev` helpers are there only if `dev` is.
pub fn configure(
    config: &mut ServiceConfig,
    platform: Arc<Platform>,
    ready: ReadyLag,
    metrics: Arc<metrics::Metrics>,
    desk: Option<Arc<admin::Desk>>,
    dev: Option<Dev>,
) {
    config
        .app_data(Data::from(platform))
        .app_data(Data::new(ready))
        .app_data(Data::from(metrics))
        .route(
            "/healthz",
            get().to(async || HttpResponse::Ok().content_type("text/plain").body("ok\n")),
        )
        .route("/readyz", get().to(readyz))
        .route("/metrics", get().to(metrics::serve))
        .service(payments::webhooks());
    if let Some(dev) = dev {
        config
            .app_data(Data::new(dev))
            .route("/dev/token", get().to(dev::token))
            .route("/dev/grant", web::post().to(dev::grant))
            .route("/dev/pay", get().to(dev::pay::page))
            .route("/dev/pay", web::post().to(dev::pay::press))
            .route("/dev/refund", web::post().to(dev::pay::refund));
    }
    admin::configure(config, desk);
    config.default_service(get().to(page::serve));
}

async fn readyz(platform: Data<Platform>, ready: Data<ReadyLag>) -> HttpResponse {
    match not_ready(&platform, *ready.get_ref()) {
        None => HttpResponse::Ok().content_type("text/plain").body("ready\n"),
        Some(why) => HttpResponse::ServiceUnavailable()
            .content_type("text/plain")
            .body(format!("{why}\n")),
    }
}

fn not_ready(platform: &Platform, ready: ReadyLag) -> Option<String> {
    let progress = platform.progress();
    if let Some(error) = platform.journal_failure() {
        return Some(error.to_string());
    }
    if progress.failed.load(Ordering::Acquire) {
        return Some("the views have stopped: see the log".into());
    }
    if !progress.live.load(Ordering::Acquire) {
        return Some(format!(
            "the views are {} records behind and catching up",
            progress.lag_records()
        ));
    }
    let lag = progress.lag_records();
    (lag > ready.records_max).then(|| {
        format!(
            "the views are {lag} records behind, more than {}",
            ready.records_max
        )
    })
}
