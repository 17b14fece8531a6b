//! The integration tests, in one binary: they see everything, and nothing sees them.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod client;
mod crowd;
mod directories;
mod events_doc;
mod full_disk;
mod gathering;
mod house_rules;
mod ledger_doc;
mod operations;
mod protocol_doc;
mod tidy;
mod tls;
mod verbs;
mod wire;
