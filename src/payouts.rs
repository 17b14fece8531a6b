//! Withdrawals on their way out: the port to whoever pays, and the worker that brings approved withdrawals there.
//!
//! `submitted` is durable before a provider is called. What a provider does not answer in time is *unknown*: it is asked
//! by the same id until it says what became of it, and never given the same money under another. Nothing is decided
//! here: whether a withdrawal may be submitted, and how it ended, only its streamer's actor says.

use domain::{Currency, ProviderName, WithdrawalId};
use futures_util::future::BoxFuture;

pub mod core;
#[cfg(test)]
mod core_tests;
mod http;
mod over;
mod run;
mod sandbox;

pub use http::HttpProvider;
pub use run::{PayoutStats, run};
pub use sandbox::{Books, Sandbox};

/// What a provider is asked to pay. All of it was fixed when the withdrawal was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The withdrawal's id: the provider pays at most once for it, however often it is asked.
    pub id: WithdrawalId,
    /// Where to.
    pub account: String,
    /// How much, in minor units.
    pub amount: u64,
    /// In which money.
    pub currency: Currency,
}

/// What a provider says of a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The money is out.
    Paid {
        /// The provider's name for the transfer.
        reference: String,
    },
    /// It did not pay, and will not.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// It has it, and has not ended.
    Pending,
    /// It never heard of it. Only ever an answer to a question, not to a submission.
    NotFound,
    /// Nobody knows: it did not answer in time, or not in words that are agreed on.
    Unknown {
        /// What happened, for people.
        why: String,
    },
}

/// The port to whoever pays out.
pub trait PayoutProvider: Send + Sync {
    /// Its name, as it stands in the journal.
    fn name(&self) -> ProviderName;

    /// Asks it to pay. It must take the same id for the same payment.
    fn submit<'a>(&'a self, payout: &'a Payout) -> BoxFuture<'a, Answer>;

    /// Asks what became of a payout.
    fn status<'a>(&'a self, id: &'a WithdrawalId) -> BoxFuture<'a, Answer>;
}
