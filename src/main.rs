//! Parses, runs, exits: 0 ok, 1 failed, 2 bad usage.

fn main() {}
