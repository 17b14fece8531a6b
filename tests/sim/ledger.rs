//! Double entry written a second time: where coins and tickets come from and go to, by plain rules, with the sum of each
//! asset zero at every position and nobody below nothing.

use std::collections::BTreeMap;

use domain::Event;

use crate::model::Seen;

/// Balances by account and owner.
#[derive(Debug, Default)]
pub struct Books {
    coins: BTreeMap<(&'static str, String), i128>,
    tickets: BTreeMap<(&'static str, String), i128>,
}

type Side = BTreeMap<(&'static str, String), i128>;

fn transfer(side: &mut Side, from: (&'static str, &str), to: (&'static str, &str), amount: i128) {
    *side.entry((from.0, from.1.to_owned())).or_default() -= amount;
    *side.entry((to.0, to.1.to_owned())).or_default() += amount;
}

impl Books {
    /// What somebody has on an account: of coins and of tickets.
    pub fn balance(&self, account: &'static str, owner: &str) -> (i128, i128) {
        let key = (account, owner.to_owned());
        let of = |side: &Side| side.get(&key).copied().unwrap_or(0);
        (of(&self.coins), of(&self.tickets))
    }

    /// Takes an event, and holds what it says stands there afterwards against the entries.
    pub fn apply(&mut self, seen: &Seen) {
        let key = seen.key();
        let (coins, tickets) = (&mut self.coins, &mut self.tickets);
        match &seen.event {
            Event::CoinsAdjusted(e) => transfer(coins, ("staff", ""), ("coins", key), e.amount.into()),
            Event::CoinsRecharged(e) => {
                transfer(
                    coins,
                    ("provider", ""),
                    ("coins", key),
                    (e.coins - e.debt_paid).into(),
                );
                transfer(coins, ("provider", ""), ("debt", key), e.debt_paid.into());
            }
            Event::CoinsTakenBack(e) => {
                transfer(
                    coins,
                    ("coins", key),
                    ("provider", ""),
                    (e.coins - e.debt_added).into(),
                );
                transfer(coins, ("debt", key), ("provider", ""), e.debt_added.into());
            }
            Event::DebtForgiven(e) => transfer(coins, ("staff", ""), ("debt", key), e.coins.into()),
            Event::GiftSent(e) => {
                transfer(coins, ("coins", key), ("gifts", ""), e.coins.into());
                transfer(
                    tickets,
                    ("gifts", ""),
                    ("flight", e.room.as_str()),
                    e.tickets.into(),
                );
            }
            Event::TicketsCredited(e) => {
                transfer(tickets, ("flight", key), ("tickets", key), e.tickets.into())
            }
            Event::TicketsAdjusted(e) => transfer(tickets, ("staff", ""), ("tickets", key), e.amount.into()),
            Event::WithdrawalRequested(e) => {
                transfer(tickets, ("tickets", key), ("held", key), e.tickets.into())
            }
            Event::WithdrawalRejected(e) => {
                transfer(tickets, ("held", key), ("tickets", key), e.tickets.into())
            }
            Event::WithdrawalFailed(e) => {
                transfer(tickets, ("held", key), ("tickets", key), e.tickets.into())
            }
            Event::WithdrawalPaid(e) => {
                transfer(tickets, ("held", key), ("bank", ""), (e.tickets - e.fee).into());
                transfer(tickets, ("held", key), ("fees", ""), e.fee.into());
            }
            _ => return,
        }
        self.check(seen);
    }

    fn check(&self, seen: &Seen) {
        let key = seen.key();
        for side in [&self.coins, &self.tickets] {
            assert_eq!(side.values().sum::<i128>(), 0, "made or lost at {seen:?}");
        }
        let ((coins, _), (debt, _)) = (self.balance("coins", key), self.balance("debt", key));
        let ((_, tickets), (_, held)) = (self.balance("tickets", key), self.balance("held", key));
        let (_, flight) = self.balance("flight", key);
        assert!(
            coins >= 0 && debt <= 0 && tickets >= 0 && held >= 0 && flight >= 0,
            "below nothing at {seen:?}"
        );
        let stated = match &seen.event {
            Event::CoinsAdjusted(e) => vec![(e.coins_left, coins)],
            Event::CoinsRecharged(e) => vec![(e.coins_left, coins), (e.debt_left, -debt)],
            Event::CoinsTakenBack(e) => vec![(e.coins_left, coins), (e.debt_left, -debt)],
            Event::DebtForgiven(e) => vec![(e.debt_left, -debt)],
            Event::GiftSent(e) => vec![(e.coins_left, coins)],
            Event::TicketsCredited(e) => vec![(e.tickets_total, tickets)],
            Event::TicketsAdjusted(e) => vec![(e.tickets_left, tickets)],
            Event::WithdrawalRequested(e) => vec![(e.tickets_left, tickets), (e.held_left, held)],
            Event::WithdrawalRejected(e) => vec![(e.tickets_left, tickets), (e.held_left, held)],
            Event::WithdrawalFailed(e) => vec![(e.tickets_left, tickets), (e.held_left, held)],
            Event::WithdrawalPaid(e) => vec![(e.held_left, held)],
            _ => Vec::new(),
        };
        for (said, is) in stated {
            assert_eq!(i128::from(said), is, "the books say something else at {seen:?}");
        }
    }
}
