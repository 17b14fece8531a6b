//! Every event's postings sum to zero, and they agree with what the event says it leaves.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::event::GiftSent;
use crate::streamer::{self, RequestWithdrawal, Streamer};
use crate::testkit::{decide_at, given, id};
use crate::viewer::{self, Recharge, SendGift, TakeBack, Viewer};
use crate::{Aggregate, Decision, SessionNumber};
use proptest::prelude::*;

/// The balances of all accounts, by name.
#[derive(Default)]
struct Books(BTreeMap<(String, Asset), i128>);

impl Books {
    fn post(&mut self, event: &Event, key: &str) {
        let mut sums = BTreeMap::<Asset, i128>::new();
        postings(event, key, |posting| {
            let name = format!(
                "{}:{}",
                posting.account.word(),
                posting.account.owner().unwrap_or_default()
            );
            let balance = self.0.entry((name, posting.asset)).or_default();
            *balance += i128::from(posting.amount);
            *sums.entry(posting.asset).or_default() += i128::from(posting.amount);
        });
        assert!(sums.values().all(|sum| *sum == 0), "{event:?}: {sums:?}");
        stated(event, key, |account, told| {
            let asset = match account {
                Account::Coins(_) | Account::Debt(_) => Asset::Coin,
                _ => Asset::Ticket,
            };
            let balance = self.balance(account.word(), key, asset);
            assert!(account.allows(balance), "{event:?}: {account:?} {balance}");
            assert_eq!(balance.unsigned_abs(), u128::from(told), "{event:?}: {account:?}");
        });
    }

    fn balance(&self, word: &str, owner: &str, asset: Asset) -> i128 {
        let key = (format!("{word}:{owner}"), asset);
        self.0.get(&key).copied().unwrap_or_default()
    }
}

#[test]
fn a_gift_takes_coins_to_the_exchange_and_brings_tickets_from_there() {
    let gift = Event::from(GiftSent {
        room: id("star"),
        session: SessionNumber(1),
        gift: id("rose"),
        count: 3,
        coins: 30,
        tickets: 15,
        coins_left: 70,
        combo: None,
    });
    let mut lines = Vec::new();
    postings(&gift, "ann", |p| {
        lines.push((
            p.account.word().to_string(),
            p.account.owner().map(ToString::to_string),
            p.amount,
        ));
    });
    let line =
        |word: &str, owner: Option<&str>, amount| (word.to_string(), owner.map(ToString::to_string), amount);
    assert_eq!(
        lines,
        [
            line("coins", Some("ann"), -30),
            line("exchange", None, 30),
            line("exchange", None, -15),
            line("in_flight", Some("star"), 15),
        ]
    );
}

#[test]
fn an_amount_that_no_decision_writes_does_not_overflow() {
    let event = Event::from(crate::event::TicketsAdjusted {
        amount: i64::MIN,
        tickets_left: 0,
        reason: String::new(),
    });
    let mut lines = 0;
    postings(&event, "ann", |_| lines += 1);
    assert_eq!(lines, 2);
}

fn viewer_command(what: u8, amount: u64) -> viewer::Command {
    match what {
        0 => viewer::Command::AdjustCoins {
            amount: amount as i64 - 500,
            reason: "why".into(),
        },
        1 => viewer::Command::Recharge(Recharge {
            order: id("o"),
            provider: id("sandbox"),
            payment: id("p"),
            coins: amount,
        }),
        2 => viewer::Command::TakeBack(TakeBack {
            order: id("o"),
            provider: id("sandbox"),
            coins: amount,
        }),
        3 => viewer::Command::ForgiveDebt {
            coins: amount,
            reason: "why".into(),
        },
        _ => viewer::Command::SendGift(SendGift {
            room: id("star"),
            session: Some(SessionNumber(1)),
            gift: id("rose"),
            count: amount as u32 / 10,
            combo: None,
        }),
    }
}

fn streamer_command(what: u8, amount: u64, settled: u64) -> streamer::Command {
    match what {
        0 => streamer::Command::AdjustTickets {
            amount: amount as i64 - 500,
            reason: "why".into(),
        },
        1 => streamer::Command::RequestWithdrawal(RequestWithdrawal {
            withdrawal: id(&format!("w{}", amount % 9)),
            tickets: amount,
            account: "a".into(),
            debt: 0,
        }),
        2 => streamer::Command::ApproveWithdrawal {
            withdrawal: id(&format!("w{}", amount % 9)),
            by: id("kim"),
            debt: 0,
        },
        3 => streamer::Command::SubmitWithdrawal {
            withdrawal: id(&format!("w{}", amount % 9)),
            provider: id("sandbox"),
        },
        4 => streamer::Command::ConfirmWithdrawal {
            withdrawal: id(&format!("w{}", amount % 9)),
            reference: "t".into(),
        },
        5 => streamer::Command::FailWithdrawal {
            withdrawal: id(&format!("w{}", amount % 9)),
            reason: "no".into(),
        },
        6 => streamer::Command::RejectWithdrawal {
            withdrawal: id(&format!("w{}", amount % 9)),
            by: id("kim"),
            reason: "no".into(),
        },
        _ => streamer::Command::CreditTickets(streamer::CreditTickets {
            shard: 0,
            after: settled,
            upto: settled + 1,
            gifts: 1,
            tickets: amount,
        }),
    }
}

fn happen<A: Aggregate>(books: &mut Books, key: &str, state: &mut A, command: &A::Command) -> Vec<Event> {
    let Ok(Decision::Happens(events)) = decide_at(state, command, 0) else {
        return Vec::new();
    };
    for event in &events {
        state.evolve(event, 0);
        books.post(event, key);
    }
    events
}

proptest! {
    /// Whatever a viewer is asked: the books know the coins and the debt that the viewer's own state knows.
    #[test]
    fn a_purse_and_the_books_agree(steps in prop::collection::vec((0u8..5, 1u64..1_000), 1..80)) {
        let (mut books, mut ann) = (Books::default(), given::<Viewer>("ann", &[]));
        for (what, amount) in steps {
            happen(&mut books, "ann", &mut ann, &viewer_command(what, amount));
            prop_assert_eq!(books.balance("coins", "ann", Asset::Coin), i128::from(ann.coins()));
            prop_assert_eq!(books.balance("debt", "ann", Asset::Coin), -i128::from(ann.debt()));
        }
        let coins = books.0.iter().filter(|((_, asset), _)| *asset == Asset::Coin);
        prop_assert_eq!(coins.map(|(_, balance)| *balance).sum::<i128>(), 0);
    }

    /// Whatever a streamer is asked: the books know what is available and what is held.
    #[test]
    fn tickets_and_the_books_agree(steps in prop::collection::vec((0u8..9, 1u64..1_000), 1..80)) {
        let (mut books, mut star) = (Books::default(), given::<Streamer>("star", &[]));
        for (what, amount) in steps {
            let settled = star.settled_upto(0);
            let command = streamer_command(what, amount, settled);
            if let streamer::Command::CreditTickets(credit) = &command {
                // The gift that is credited.
                let gift = GiftSent {
                    room: id("star"),
                    session: SessionNumber(1),
                    gift: id("rose"),
                    count: 1,
                    coins: 0,
                    tickets: credit.tickets,
                    coins_left: 0,
                    combo: None,
                };
                books.post(&gift.into(), "ann");
            }
            happen(&mut books, "star", &mut star, &command);
            prop_assert_eq!(books.balance("tickets", "star", Asset::Ticket), i128::from(star.tickets()));
            prop_assert_eq!(books.balance("held", "star", Asset::Ticket), i128::from(star.held()));
            prop_assert_eq!(books.balance("in_flight", "star", Asset::Ticket), 0);
        }
    }
}
