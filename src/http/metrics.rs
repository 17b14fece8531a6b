//! `/metrics`: the public numbers of every layer, read when asked, in the Prometheus text format.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::HttpResponse;
use actix_web::web::Data;
use actors::Actors;
use domain::Rejection;
use domain::streamer::WithdrawalState;
use gateway::Hub;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::platform::Platform;

/// Everything that is measured, under names that begin with `livehouse_`.
pub struct Metrics(Registry);

impl Metrics {
    /// The numbers of these parts.
    pub fn new(actors: Actors, hub: Arc<Hub>, platform: Arc<Platform>) -> Self {
        let mut registry = Registry::with_prefix("livehouse");
        registry.register_collector(Box::new(Parts {
            actors,
            hub,
            platform,
        }));
        Self(registry)
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

pub(super) async fn serve(metrics: Data<Metrics>) -> HttpResponse {
    match metrics.text() {
        Ok(text) => HttpResponse::Ok()
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

struct Parts {
    actors: Actors,
    hub: Arc<Hub>,
    platform: Arc<Platform>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts")
    }
}

impl Collector for Parts {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.gateway(&mut page)?;
        self.rooms(&mut page)?;
        self.payments(&mut page)?;
        self.actors(&mut page)?;
        self.withdrawals(&mut page)?;
        self.views(&mut page)
    }
}

impl Parts {
    fn gateway(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.hub.stats();
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        page.gauge("connections", "Open sockets", of(&stats.connections))?;
        page.gauge(
            "subscriptions",
            "Subscriptions, open or being opened",
            of(&stats.subscriptions),
        )?;
        page.counter(
            "connections_opened",
            "Sockets accepted",
            of(&stats.connections_opened),
        )?;
        page.counter(
            "messages_received",
            "WebSocket messages received",
            of(&stats.messages_received),
        )?;
        page.counter(
            "messages_sent",
            "WebSocket messages sent",
            of(&stats.messages_sent),
        )?;
        page.counter("sent_bytes", "Payload bytes sent", of(&stats.bytes_sent))?;
        page.counter("publications", "Publications taken", of(&stats.published))?;
        page.counter(
            "ticks",
            "Frames made of publications, before they are copied to sockets",
            of(&stats.ticks),
        )?;
        page.counter(
            "deliveries",
            "Copies of publications queued to sockets",
            of(&stats.deliveries),
        )?;
        let lost = "Copies dropped because a reader was slow, by class; durable: subscriptions given up, to be recovered";
        page.counters(
            "lost",
            lost,
            "class",
            &[
                ("ephemeral", of(&stats.lost_ephemeral)),
                ("state", of(&stats.lost_state)),
                ("durable", of(&stats.lost_durable_subscriptions)),
            ],
        )?;
        page.counter(
            "state_conflated",
            "Copies of state replaced by newer ones before they were sent",
            of(&stats.conflated_state),
        )?;
        page.counter(
            "channels_lapsed",
            "Times a channel said more at once than can wait, so that all its subscribers had to recover",
            of(&stats.lapsed_channels),
        )?;
        page.counters(
            "closed",
            "Sockets closed by the server for a fault of the peer, by cause",
            "cause",
            &[
                ("slow", of(&stats.closed_slow)),
                ("malformed", of(&stats.closed_malformed)),
                ("silent", of(&stats.closed_silent)),
                ("flooding", of(&stats.closed_flooding)),
            ],
        )?;
        page.counter(
            "commands_throttled",
            "Commands refused because their connection asked more than it may",
            of(&stats.commands_throttled),
        )?;
        page.counters(
            "turned_away",
            "Connections refused at the door, by cause",
            "cause",
            &[
                ("full", of(&stats.turned_full)),
                ("storm", of(&stats.turned_storm)),
                ("address", of(&stats.turned_address)),
                ("origin", of(&stats.turned_origin)),
            ],
        )?;
        page.gauge("viewers", "Users in rooms", self.platform.audience.total())
    }

    fn rooms(&self, page: &mut Page<'_>) -> fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (likes, pictures) = (&self.platform.likes, &self.platform.pictures);
        page.gauge(
            "live_rooms",
            "Rooms that are live",
            self.platform.hot.len() as u64,
        )?;
        page.counter("likes", "Likes taken", of(&likes.taken))?;
        page.counter(
            "likes_lost",
            "Likes that were taken and could not be journalled",
            of(&likes.lost),
        )?;
        page.counter(
            "room_pictures_shown",
            "Pictures of rooms shown to newcomers",
            of(&pictures.shown),
        )?;
        page.counter(
            "room_pictures_made",
            "Pictures of rooms made for them",
            of(&pictures.made),
        )
    }

    fn payments(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counters(
            "payment_webhooks",
            "Webhooks of payment providers, by what became of them",
            "fate",
            &self.platform.payments.webhooks.counts(),
        )?;
        let stats = self.actors.stats();
        page.counter("recharges", "Paid orders credited", stats.recharges.get())?;
        page.counter("refunds", "Refunded orders taken back", stats.refunds.get())?;
        page.counter(
            "payments_set_aside",
            "Payments that fitted no order",
            stats.payments_set_aside.get(),
        )?;
        page.gauge(
            "payments_unmatched",
            "Payments that staff have to look at",
            self.platform.views().unmatched_count() as u64,
        )?;
        page.gauge(
            "recharges_owed",
            "Steps of orders that cannot be done now: see the log",
            stats.recharges_owed.get(),
        )?;
        page.gauge(
            "relations_lag_records",
            "Records between the durable head and the position up to which every block has ended the follow that it ends",
            self.actors.relations_lag_records(),
        )?;
        page.gauge(
            "cashier_lag_records",
            "Records between the journal's head and the position up to which every payment and order is dealt with",
            self.actors.cashier_lag_records(),
        )
    }

    fn actors(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.actors.stats();
        page.counter(
            "commands_accepted",
            "Commands that took place, repetitions included",
            stats.accepted.get(),
        )?;
        page.counter(
            "commands_repeated",
            "Commands that had been done before",
            stats.repeated.get(),
        )?;
        page.counter(
            "commands_failed",
            "Commands that ended in something broken",
            stats.failed.get(),
        )?;
        let refused: Vec<_> = Rejection::ALL
            .iter()
            .map(|&r| (r.word(), stats.refused(r)))
            .collect();
        page.counters(
            "commands_refused",
            "Commands refused, by reason",
            "reason",
            &refused,
        )?;
        page.counter(
            "actor_replays",
            "Actors brought to their state from the journal",
            stats.replays.get(),
        )?;
        page.counter(
            "actor_panics",
            "Panics caught in actors, each followed by a replay",
            stats.panics.get(),
        )?;
        page.counter(
            "actors_stopped_idle",
            "Actors stopped as idle",
            stats.stopped_idle.get(),
        )?;
        page.counter(
            "messages",
            "Private messages taken, repetitions included",
            stats.messages.get(),
        )?;
        page.counter(
            "gifts_settled",
            "Gifts credited to their streamers",
            stats.gifts_settled.get(),
        )?;
        page.gauge(
            "settlement_lag_records",
            "Records between the journal's head and the position up to which every gift is credited",
            self.actors.settlement_lag_records(),
        )?;
        page.seconds(
            "settlement_lag_seconds",
            "How long the oldest gift that is not credited has waited",
            self.actors.settlement_lag_ms(),
        )?;
        let residents = self.actors.residents();
        let kinds = [
            ("viewer", residents.viewers),
            ("streamer", residents.streamers),
            ("room", residents.rooms),
            ("conversation", residents.conversations),
        ];
        page.gauges(
            "actors",
            "Actors in memory, by kind",
            "kind",
            &kinds.map(|(kind, n)| (kind, n as u64)),
        )
    }

    fn withdrawals(&self, page: &mut Page<'_>) -> fmt::Result {
        let (open, oldest_since_ms) = {
            let views = self.platform.views();
            let view = views.withdrawals();
            let open = WithdrawalState::ALL.into_iter().filter(|state| !state.is_over());
            let open: Vec<_> = open
                .map(|state| (state.word(), view.count(state) as u64))
                .collect();
            (open, view.oldest_since_ms())
        };
        page.gauges(
            "withdrawals_open",
            "Withdrawals under way, by state",
            "state",
            &open,
        )?;
        let age_ms = oldest_since_ms.map_or(0, |since| self.platform.now_ms().saturating_sub(since));
        page.gauge(
            "withdrawals_oldest_seconds",
            "Age of the oldest withdrawal under way",
            u64::try_from(age_ms / 1_000).unwrap_or(0),
        )?;
        let stats = &self.platform.payout_stats;
        page.gauge(
            "payouts_unknown",
            "Payouts of which nobody knows what became of them: their provider is asked again",
            stats.unknown.load(Ordering::Relaxed),
        )?;
        page.counter(
            "payout_contradictions",
            "Times that a payout provider said the opposite of what it had said before: look into the log",
            stats.contradictions.load(Ordering::Relaxed),
        )?;
        page.gauge(
            "withdrawals_stopped",
            "1 while nothing may be withdrawn because the books do not add up",
            u64::from(self.platform.withdrawals_stopped()),
        )
    }

    fn views(&self, page: &mut Page<'_>) -> fmt::Result {
        let progress = self.platform.progress();
        page.gauge(
            "views_position",
            "Last record in the views",
            progress.position.load(Ordering::Relaxed),
        )?;
        page.gauge(
            "views_lag_records",
            "Records between the views and the journal's head",
            progress.lag_records(),
        )?;
        page.counter(
            "views_records",
            "Records folded since the start",
            progress.records.load(Ordering::Relaxed),
        )?;
        page.counter(
            "views_commits",
            "Commits of the views since the start",
            progress.commits.load(Ordering::Relaxed),
        )?;
        page.gauge(
            "views_parked_streams",
            "Streams left out of the views because a record cannot be decoded",
            progress.parked.load(Ordering::Relaxed),
        )?;
        page.gauge(
            "ledger_breaks",
            "Records that broke a promise of the ledger; while it is not 0, withdrawals are stopped",
            progress.ledger_breaks.load(Ordering::Relaxed),
        )?;
        page.gauge(
            "ledger_break_position",
            "The first record that broke a promise of the ledger; 0 = none did",
            progress.ledger_break_position.load(Ordering::Relaxed),
        )
    }
}

/// The page while it is written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value as i64).encode(encoder)
    }

    fn seconds(&mut self, name: &str, help: &str, ms: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(ms as f64 / 1e3).encode(encoder)
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (which, value) in values {
            ConstCounter::new(*value).encode(family.encode_family(&[(label, *which)])?)?;
        }
        Ok(())
    }

    fn gauges(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (which, value) in values {
            ConstGauge::new(*value as i64).encode(family.encode_family(&[(label, *which)])?)?;
        }
        Ok(())
    }
}
