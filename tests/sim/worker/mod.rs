//! Stands in until the payouts are here.
#![allow(missing_docs, dead_code)]
pub mod core;
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    pub id: domain::WithdrawalId,
    pub account: String,
    pub amount: u64,
    pub currency: domain::Currency,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Paid { reference: String },
    Failed { reason: String },
    Pending,
    NotFound,
    Unknown { why: String },
}
