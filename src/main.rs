//! The Livehouse app: command line and wiring.
fn main() {}
