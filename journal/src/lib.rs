//! The log that everything else is a fold of.
//!
//! Two handles, two powers: a [`Reader`] reads, a [`Writer`] appends, and only the actors ever hold a writer. A journal
//! has one or more *shards*, each totally ordered and gap-free; the embedded engine has one. Nothing here is ever
//! edited or deleted, and nothing is acknowledged before it is durable.

mod batch;
pub mod codec;
pub mod command_id;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod embedded;
mod error;
mod frame;
pub mod limits;
mod lines;
pub mod memory;
mod ports;
mod position;
mod record;
pub mod storage;

pub use batch::{Iter, RecordBatch, RecordBatchBuilder};
pub use error::{Error, Result};
pub use frame::BadRecord;
pub use ports::{Append, Appended, BoxFuture, Completion, Expected, Reader, Refused, Snapshot, Tail, Writer};
pub use position::{Checkpoint, Epoch, JournalId, Position};
pub use record::{Cause, Record, RecordRef};
