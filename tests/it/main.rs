//! The integration tests, in one binary: they see everything, and nothing sees them.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod audit;
mod authors;
mod boards;
mod client;
mod console;
mod crowd;
mod directories;
mod events_doc;
mod explain;
mod full_disk;
mod gathering;
mod gifts;
mod history;
mod house_rules;
mod ledger_doc;
mod messages;
mod operations;
mod protocol_doc;
mod recharge;
mod relations;
mod statement;
mod tidy;
mod tls;
mod verbs;
mod wire;
mod withdraw;
mod written;
