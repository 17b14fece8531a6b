//! Settlement: the process that credits gifts to streamers.
//!
//! Per shard of the journal it reads gifts in order, sums them per streamer, and sends each streamer a credit that names
//! the range it covers. What makes a credit happen exactly once is that range in the streamer's own stream; the cursor
//! written by this process only says where to begin reading again. [`Core`] decides and does no I/O; `run` performs.

mod core;
mod run;

pub use self::core::{Core, Effect, Input};
pub(crate) use self::run::Settler;
