//! The names under which the house itself writes records. Records name who caused them, and command ids of others are told
//! apart by that name: no user may have one of these.
//!
//! It must hold every name that is written anywhere; a test looks for them in the sources.

use domain::UserId;

/// Parts of the house, and processes of it.
pub const PARTS: &[&str] = &[
    "barrier",
    "cashier",
    "clock",
    "config",
    "dev",
    "door",
    "likes",
    "payouts",
    "relations",
    "room",
    "sandbox",
    "settlement",
    "withdrawals",
];
/// What the names of staff and of payment providers begin with.
pub const PREFIXES: &[&str] = &["admin.", "provider."];

/// Whether a user of this name could be taken for the house or for somebody of staff.
pub fn is_of_the_house(user: &UserId) -> bool {
    let name = user.as_str();
    PARTS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_house_and_of_staff_are_no_users_and_similar_ones_are() {
        let of_the_house = |name: &str| is_of_the_house(&name.parse().unwrap());
        for name in [
            "cashier",
            "settlement",
            "payouts",
            "admin.kim",
            "admin.",
            "provider.acme",
        ] {
            assert!(of_the_house(name), "{name}");
        }
        for name in [
            "ann",
            "admin",
            "administrator",
            "Cashier",
            "cashier1",
            "payout",
            "providers.a",
            "x.admin.kim",
        ] {
            assert!(!of_the_house(name), "{name}");
        }
    }
}
