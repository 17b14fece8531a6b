//! What broke while folding, keeping or reading views.

use journal::Position;

/// The outcome of anything that touches the store or the journal.
pub type Result<T> = std::result::Result<T, Error>;

/// Something about the views is broken. The journal is never harmed by it: views can always be rebuilt.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store failed to read or write.
    #[error("the store of the views failed: {0}")]
    Store(String),
    /// Another process holds the store.
    #[error("{0} is in use by another process (a running server?); stop it first")]
    Locked(String),
    /// What is stored is not what this program writes.
    #[error("stored view {view} is damaged: {what}; it must be rebuilt")]
    Damaged {
        /// Which view.
        view: String,
        /// What is wrong.
        what: String,
    },
    /// A record of the journal cannot be decoded, so a fold over everything has to stop.
    #[error("record {position} cannot be decoded: {what}; the fold stops there")]
    Undecodable {
        /// Where it stands.
        position: Position,
        /// Why.
        what: String,
    },
    /// Reading the journal failed.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// No view of this name.
    #[error("there is no view {0}; the views are {1}")]
    UnknownView(String, String),
    /// Nothing to go back to.
    #[error("view {0} has no earlier generation to roll back to")]
    NoEarlier(String),
    /// A journal that these views cannot follow.
    #[error(
        "the journal has {0} shards; room feeds need one total order, so these views follow journals of one shard"
    )]
    Shards(u16),
    /// The one who asked has stopped it.
    #[error("stopped on request")]
    Stopped,
}

/// A cursor that no list has handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this list has given out")]
pub struct BadCursor;
