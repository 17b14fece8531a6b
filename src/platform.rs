//! What RPC, channels, HTTP and the console share: the actors to command, the views to ask, the feed to read.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::{Accepted, Actors, Reply, Request};
use domain::room::Standing;
use domain::streamer::PayoutTerms;
use domain::{Catalogue, OrderId, PaymentId, ProviderName, Rejection, RoomId, SessionNumber, UserId};
use domain::{catalogue, conversation, order, payment, room, streamer, viewer};
use journal::{JournalId, Position};
use parking_lot::RwLockReadGuard;
use projections::ViewsHandle;
use projections::ledger::Books;
use projections::views::Views;

use crate::audience::Audience;
use crate::feed::Feed;
use crate::hot::Hot;
use crate::likes::Likes;
use crate::payments::Payments;
use crate::payouts::PayoutStats;
use crate::picture::Pictures;
use crate::rpc::{Failure, NewlyWatched};
use crate::words::Words;

/// How long a query waits for the position it asks for.
const MIN_POSITION_WAIT: Duration = Duration::from_secs(2);

/// Why the journal takes no more writes, once it does not.
pub type Failed = Arc<dyn Fn() -> Option<journal::Error> + Send + Sync>;

/// What a platform is made of.
pub type Parts = (
    Actors,
    PayoutTerms,
    Feed,
    JournalId,
    ViewsHandle,
    actors::Clock,
    Words,
);

/// The running platform.
pub struct Platform {
    /// Who takes commands.
    pub actors: Commands,
    /// How tickets are paid out.
    pub payout_terms: PayoutTerms,
    /// The numbers of the payout worker.
    pub payout_stats: PayoutStats,
    /// What was shown in rooms.
    pub feed: Feed,
    /// Who is in which room.
    pub audience: Audience,
    /// Likes on their way to the journal.
    pub likes: Likes,
    /// The live rooms, hottest first.
    pub hot: Hot,
    /// The boards that somebody has begun to watch.
    pub watched: NewlyWatched,
    /// What newcomers to rooms are shown.
    pub pictures: Pictures,
    /// What can be bought, and how it is paid.
    pub payments: Payments,
    /// What may not be written in rooms and messages.
    pub words: Words,
    /// Which journal this is: the epoch of every channel.
    pub journal: JournalId,
    views: ViewsHandle,
    clock: actors::Clock,
    failed: Failed,
    breaks_accepted_upto: u64,
}

impl Platform {
    /// Joins the parts.
    pub fn new(parts: Parts, failed: Failed) -> Self {
        let (actors, payout_terms, feed, journal, views, clock, words) = parts;
        let actors = Commands(actors);
        Self {
            actors,
            payout_terms,
            payout_stats: PayoutStats::default(),
            feed,
            audience: Audience::default(),
            likes: Likes::default(),
            hot: Hot::default(),
            watched: NewlyWatched::default(),
            pictures: Pictures::default(),
            payments: Payments::default(),
            words,
            journal,
            views,
            clock,
            failed,
            breaks_accepted_upto: 0,
        }
    }

    /// With something to buy.
    pub fn with_payments(self, payments: Payments) -> Self {
        Self { payments, ..self }
    }

    /// What the ledger says of records up to this sequence stops no withdrawal: somebody has looked.
    #[must_use]
    pub fn accepting_breaks_upto(mut self, sequence: u64) -> Self {
        self.breaks_accepted_upto = sequence;
        self
    }

    /// The views as they are now; hold them briefly, and not across an await.
    pub fn views(&self) -> RwLockReadGuard<'_, Views> {
        self.views.read()
    }

    /// The position that the views have reached.
    pub fn views_position(&self) -> u64 {
        self.views.position().sequence
    }

    /// How far the views are.
    pub fn progress(&self) -> &projections::Progress {
        self.views.progress()
    }

    /// Whether the ledger adds up, as far as the views are, leaving out what was looked at and accepted. Whatever takes
    /// tickets out of the house asks first.
    pub fn books(&self) -> Books {
        match self.views().balances().books() {
            Books::Broken { last, .. } if last <= self.breaks_accepted_upto => Books::Ok,
            books => books,
        }
    }

    /// Whether nothing may be requested, approved or submitted now, because the ledger does not add up.
    pub fn withdrawals_stopped(&self) -> bool {
        self.progress().ledger_break_last.load(Ordering::Relaxed) > self.breaks_accepted_upto
    }

    /// Why the journal takes no more writes; none while it does.
    pub fn journal_failure(&self) -> Option<journal::Error> {
        (self.failed)()
    }

    /// Waits until the views have reached a position; busy when they do not in time.
    pub async fn caught_up(&self, sequence: u64) -> Result<(), Failure> {
        let reached = self
            .views
            .wait_for(Position { shard: 0, sequence }, MIN_POSITION_WAIT)
            .await;
        if reached {
            Ok(())
        } else {
            Err(Rejection::Busy.into())
        }
    }

    /// Server time, unix ms.
    pub fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

/// The actors, as futures.
pub struct Commands(Actors);

type Answer<T> = Result<Accepted<T>, actors::Failure>;

impl Commands {
    /// Gives a command to a viewer; completes when its outcome is durable.
    pub fn viewer(
        &self,
        user: &UserId,
        request: Request,
        command: viewer::Command,
    ) -> impl Future<Output = Answer<viewer::Answer>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        self.0.viewer(user, request, command, reply);
        answer
    }

    /// Gives a command to a streamer; completes when its outcome is durable.
    pub fn streamer(
        &self,
        user: &UserId,
        request: Request,
        command: streamer::Command,
    ) -> impl Future<Output = Answer<streamer::Answer>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        self.0.streamer(user, request, command, reply);
        answer
    }

    /// Gives a command to an order; completes when its outcome is durable.
    pub fn order(
        &self,
        order: &OrderId,
        request: Request,
        command: order::Command,
    ) -> impl Future<Output = Answer<order::Answer>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        self.0.order(order, request, command, reply);
        answer
    }

    /// Gives a command to a payment; completes when its outcome is durable.
    pub fn payment(
        &self,
        provider: &ProviderName,
        payment: &PaymentId,
        request: Request,
        command: payment::Command,
    ) -> impl Future<Output = Answer<payment::Answer>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        self.0.payment(provider, payment, request, command, reply);
        answer
    }

    /// Gives a command to a room; completes when its outcome is durable.
    pub fn room(
        &self,
        room: &RoomId,
        request: Request,
        command: room::Command,
    ) -> impl Future<Output = Answer<room::Answer>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        self.0.room(room, request, command, reply);
        answer
    }

    /// Gives a command to the conversation of two users; completes when its outcome is durable.
    pub fn conversation(
        &self,
        request: Request,
        command: conversation::Command,
    ) -> impl Future<Output = Answer<conversation::Answer>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        self.0.conversation(request, command, reply);
        answer
    }

    /// Gives a command to the catalogue of gifts; completes when its outcome is durable.
    pub fn catalogue(
        &self,
        request: Request,
        command: catalogue::Command,
    ) -> impl Future<Output = Answer<catalogue::Answer>> + Send + use<> {
        let (reply, answer) = Reply::channel();
        self.0.catalogue(request, command, reply);
        answer
    }

    /// The gifts on offer now.
    pub fn offer(&self) -> Arc<Catalogue> {
        self.0.offer()
    }

    /// The actors' public numbers.
    pub fn stats(&self) -> &actors::Stats {
        self.0.stats()
    }

    /// Whether a user may come into a room, and as what.
    pub async fn enter(&self, room: &RoomId, user: &UserId) -> Result<Standing, Failure> {
        let enter = room::Command::Enter { user: user.clone() };
        let accepted = self.room(room, Request::of_system("door"), enter).await?;
        match accepted.answer {
            room::Answer::Welcome(standing) => Ok(standing),
            other => {
                tracing::error!(?other, "a room answers another question");
                Err(Failure::Internal)
            }
        }
    }

    /// The session that runs in a room, as its streamer's actor says; none when none does.
    pub async fn session(&self, room: &RoomId) -> Result<Option<SessionNumber>, actors::Failure> {
        if let Some(known) = self.0.live_session(room) {
            return Ok(known);
        }
        let (reply, told) = Reply::channel();
        self.0.ask_streamer(&room.streamer(), reply);
        Ok(told.await?.answer.live().map(|live| live.session))
    }
}
