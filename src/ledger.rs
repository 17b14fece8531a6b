//! The books as people read them: histories, explanations, statements, and the comparison with a provider's own.
//!
//! Everything here is made of records by `domain::ledger`, the one model of postings; it reads the journal and never
//! writes, and no decision is ever taken on what it says.

pub mod calendar;
pub mod entry;
pub mod explain;
pub mod history;
pub mod limits;
pub mod provider;
pub mod reconcile;
pub mod statement;
