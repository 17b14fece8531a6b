//! What comes with a command, what comes of it, and the one who waits for it.

use compact_str::CompactString;
use domain::{CommandId, Rejection};
use journal::Position;
use tokio::sync::oneshot;

/// Who asks, and how a repetition is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The client's idempotency key; none for what no client asked for.
    pub command_id: Option<CommandId>,
    /// A digest of the request's body: the same id with another digest is refused. 0 without a command id.
    pub request_hash: u64,
    /// Who causes it: a user's id, or a part of the system. Command ids are the actor's own: two users may use the same.
    pub actor: CompactString,
}

impl Request {
    /// A request of a part of the system itself, such as `settlement`.
    pub fn of_system(part: &str) -> Self {
        Self {
            command_id: None,
            request_hash: 0,
            actor: CompactString::new(part),
        }
    }
}

/// A command took place, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted<T> {
    /// What the actor says; the same for every repetition of the command.
    pub answer: T,
    /// Where the first record of the command stands. When nothing had to be written: a position at which it held.
    pub position: Position,
    /// The server time of that record, unix ms.
    pub recorded_at_ms: i64,
}

/// A command did not take place, or nobody can say yet.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// It was understood and refused.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Something broke while it was handled. The outcome may be unknown: the same command again, with the same id, is
    /// safe and tells.
    #[error(transparent)]
    Broken(#[from] journal::Error),
    /// The actor fell over while it handled the command. As with [`Failure::Broken`], the same again is safe.
    #[error("the actor failed: send the same command again, with the same command_id")]
    Lost,
}

impl Failure {
    /// Whether the same command, sent again unchanged and with the same id, can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Rejected(rejection) => rejection.is_retryable(),
            Self::Broken(error) => matches!(error, journal::Error::Conflict { .. }),
            Self::Lost => true,
        }
    }
}

/// What came of a command.
pub type Outcome<T> = Result<Accepted<T>, Failure>;

/// The one who waits for an outcome: called exactly once. Dropped uncalled, it says [`Failure::Lost`], so that nobody
/// waits for ever. It may be called on any thread (often the journal's): it must be short and must not block.
pub struct Reply<T>(Option<Box<dyn FnOnce(Outcome<T>) + Send>>);

impl<T> Reply<T> {
    /// Nobody waits.
    pub fn to_nobody() -> Self {
        Self(None)
    }

    /// A reply, and the future that it completes; an actor that fell over completes it with [`Failure::Lost`].
    pub fn channel() -> (Self, impl Future<Output = Outcome<T>> + Send)
    where
        T: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let reply = Self::from(move |outcome| _ = sender.send(outcome));
        (reply, async { receiver.await.unwrap_or(Err(Failure::Lost)) })
    }

    /// Tells the outcome.
    pub fn send(mut self, outcome: Outcome<T>) {
        if let Some(reply) = self.0.take() {
            reply(outcome);
        }
    }
}

impl<T, F: FnOnce(Outcome<T>) + Send + 'static> From<F> for Reply<T> {
    fn from(reply: F) -> Self {
        Self(Some(Box::new(reply)))
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply(Err(Failure::Lost));
        }
    }
}
