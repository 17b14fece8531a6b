//! The views from outside: a journal in memory, a store, a runner that is turned by hand or on its thread.

mod auditing;
mod boards;
mod folding;
mod live;
mod model;
mod orders;
mod properties;
mod rebuilding;
mod support;
mod withdrawals;
