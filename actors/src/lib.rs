//! The actors: every viewer, streamer and room is one, brought to its state from the journal on first use and stopped
//! when idle.
//!
//! [`Shell`] is the event-sourced part, without threads or mailboxes; [`Actors`] puts shells into actix actors and finds
//! them; [`settlement`] credits gifts to streamers, [`cashier`] recharges to viewers, [`relations`] ends the follows of those
//! who were blocked. Only this crate holds a journal's writer. It must never read a view
//! in order to decide, and never tell anybody anything that is not durable.

mod blocks;
pub mod cashier;
mod command_id;
mod completion;
mod entity;
mod facade;
mod house;
mod in_flight;
mod kind;
pub mod limits;
mod live;
mod manager;
mod message_rates;
mod outcome;
mod registry;
pub mod relations;
mod replay;
mod senders;
pub mod settlement;
mod shell;
mod stats;
#[cfg(test)]
mod tests;

pub use blocks::BlockDirectory;
pub use facade::{Actors, Config, Residents};
pub use house::{Clock, House, Terms};
pub use kind::{Kind, Notice};
pub use live::LiveDirectory;
pub use outcome::{Accepted, Failure, Outcome, Reply, Request};
pub use shell::{Job, Post, Resumption, Shell, Suspended, Work};
pub use stats::{Counter, Stats};
