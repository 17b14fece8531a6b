//! Where a record stands, and how far a reader has come.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The place of one record: its shard, and its sequence within the shard, counted from 1 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Which shard of the journal.
    pub shard: u16,
    /// Which record of the shard; 0 stands for "before the first".
    pub sequence: u64,
}

impl Position {
    /// Before the first record of a shard.
    pub const fn start(shard: u16) -> Self {
        Self { shard, sequence: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shard, self.sequence)
    }
}

/// How far a reader of the whole journal has come: one sequence per shard, 0 = nothing read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checkpoint(Vec<u64>);

impl Checkpoint {
    /// Nothing read of a journal with this many shards.
    pub fn start(shards: u16) -> Self {
        Self(vec![0; usize::from(shards)])
    }

    /// The sequence read up to in a shard.
    pub fn get(&self, shard: u16) -> u64 {
        self.0.get(usize::from(shard)).copied().unwrap_or(0)
    }

    /// Notes that a shard is read up to `position`; never goes back.
    pub fn advance(&mut self, position: Position) {
        let at = &mut self.0[usize::from(position.shard)];
        *at = (*at).max(position.sequence);
    }

    /// Whether the record at `position` is already read.
    pub fn covers(&self, position: Position) -> bool {
        self.get(position.shard) >= position.sequence
    }

    /// The position read up to, shard by shard.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        (0u16..)
            .zip(&self.0)
            .map(|(shard, &sequence)| Position { shard, sequence })
    }

    /// How many records were read, over all shards.
    pub fn records(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Which journal this is: 128 random bits, made when it is created, written in every batch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JournalId(pub u128);

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which opening of the journal for writing: counts up, so that an earlier owner can be told from the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);
