//! The app: command line, wiring, channels and RPC, HTTP.
//!
//! Only here are the layers joined; only here is HTTP, clap and anyhow.

pub mod config;
pub mod crowd;
pub mod progress;
pub mod rpc;
pub mod telemetry;
