//! The app: command line, wiring, channels and RPC, HTTP.
//!
//! Only here are the layers joined; only here is HTTP, clap and anyhow.

pub mod admin;
pub mod audience;
pub mod authors;
pub mod backend;
pub mod big_gifts;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod crowd;
pub mod feed;
pub mod hot;
pub mod http;
pub mod ledger;
pub mod likes;
pub mod payments;
pub mod payouts;
pub mod picture;
pub mod platform;
pub mod progress;
pub mod pulse;
pub mod rpc;
pub mod serve;
pub mod sessions;
pub mod signature;
pub mod telemetry;
pub mod tls;
pub mod tokens;
pub mod words;
