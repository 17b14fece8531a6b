//! The process that ends the follows of those who were blocked.
//!
//! A block is an event of the one who blocks, and the follow that it ends may lie in the stream of the one who is blocked.
//! Per shard of the journal this process reads blocks and tells each blocked viewer to let the follow go. That happens
//! exactly once because the viewer knows which blocks its follow knew of: an errand that is brought twice, or late, does
//! nothing. The cursor written by this process only says where to begin reading again. [`Core`] decides and does no I/O;
//! `run` performs.

mod core;
mod run;

pub use self::core::{Core, Effect, Input, NAME};
pub(crate) use self::run::Relations;
