//! What may happen on the platform and what it means.
//!
//! Every aggregate is a pair of pure functions: [`Aggregate::decide`] turns a command into events or a numbered
//! [`Rejection`], [`Aggregate::evolve`] folds an event into the state. Time, ids and configuration come in as
//! arguments. This crate never reads a clock, a random number, a file or a socket: it is `no_std`, so the compiler
//! says so. Money is integer and checked; there is no float near it.

#![no_std]
extern crate alloc;

mod aggregate;
pub mod catalogue;
pub mod conversation;
pub mod event;
pub mod ids;
pub mod ledger;
pub mod likes;
pub mod limits;
pub mod order;
pub mod payment;
pub mod process;
mod rejection;
pub mod room;
pub mod settlement;
pub mod streamer;
pub mod text;
pub mod viewer;

#[cfg(test)]
mod testkit;

pub use aggregate::{Aggregate, Context, Decision};
pub use catalogue::{Catalogue, Gift};
pub use event::Event;
pub use ids::{
    ComboId, CommandId, Currency, GiftId, OrderId, PackId, PaymentId, ProviderName, RoomId, SessionNumber,
    StaffId, StreamId, StreamKind, UserId, WithdrawalId,
};
pub use rejection::Rejection;
