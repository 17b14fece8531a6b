//! The cashier: the process that brings payments to their orders, and what was paid for or given back to its viewer.
//!
//! Per shard of the journal it reads orders and payments. A payment goes to its order; one that the order refuses for good
//! is set aside for staff. A paid order goes to its viewer as coins, a refunded one takes them back. What makes each of
//! these happen exactly once is the state of the order and of the payment, and the command id at the viewer; the cursor
//! written by this process only says where to begin reading again. [`Core`] decides and does no I/O; `run` performs.

mod core;
mod run;

pub use self::core::{Core, Effect, Errand, Input, Told};
pub(crate) use self::run::{Cashier, Counterparts};
