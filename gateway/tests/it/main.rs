//! The gateway over real sockets: raw WebSocket clients for what SDKs never do, the published Rust SDK for what they do.

// The conformance example's backend serves these tests too.
#[path = "../../examples/conformance/memory.rs"]
#[allow(unreachable_pub, dead_code)]
mod memory;

mod door;
mod emulation;
mod floods;
mod flow;
mod handshake;
mod malformed;
mod recovery;
mod sdk_rust;
mod stage;
mod support;
