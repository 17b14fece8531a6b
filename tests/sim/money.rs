//! Money that comes in and goes out, by seed: orders, what payment providers say of them, refunds, debts, withdrawals and
//! what staff make of them, prices that change. Strewn into the commands of a seed by a random source of its own.

use domain::Rejection;
use domain::streamer::PayoutTerms;
use fastrand::Rng;

use crate::script::{ADMIN, Body, Command, GIFTS, STREAMERS, Text, VIEWERS, plain};

/// What can be bought: pack, coins, price in fen.
pub const PACKS: [(&str, u64, u64); 3] = [
    ("small", 60, 600),
    ("large", 3_000, 30_000),
    ("grand", 200_000, 2_000_000),
];
/// Who takes the money.
pub const PROVIDER: &str = "pay";
/// Who pays out.
pub const BANK: &str = "bank";
/// The actor of the catalogue.
pub const CATALOGUE: &str = "gifts";
const STAFF: [(&str, &str); 3] = [("kim", ADMIN), ("lee", "admin.lee"), ("max", "admin.max")];
/// Places between two commands of the script, for what comes in between.
const GAP: usize = 1_000;

/// One seed in so many asks for more withdrawals at once than there may be, ends more than are remembered, lists more
/// gifts than there may be.
const WITHDRAWAL_FLOOD_EVERY: u64 = 20;
const WITHDRAWAL_FLOOD: usize = 18;
const CLOSED_FLOOD_EVERY: u64 = 150;
const CLOSED_FLOOD: usize = 66;
const GIFTS_FLOOD_EVERY: u64 = 1_000;
/// Some of them have ids that were used before.
const GIFTS_FLOOD: usize = 1_060;

/// Small amounts, so that every rule is met: 10 to 5,000 tickets, from 500 on by two of staff.
pub fn payouts() -> PayoutTerms {
    PayoutTerms {
        tickets_min: 10,
        tickets_max: 5_000,
        two_approvals_from: 500,
        ..PayoutTerms::default()
    }
}

struct Order {
    who: &'static str,
    key: String,
    pack: usize,
    begin: usize,
}

struct Cashbook {
    random: Rng,
    /// Where the last command of the script stands.
    end: usize,
    placed: Vec<(usize, Command)>,
    ids: u64,
}

/// Strews what is about money into the commands of a seed.
pub fn strew(seed: u64, commands: Vec<Command>) -> Vec<Command> {
    let mut book = Cashbook {
        random: Rng::with_seed(seed ^ 0x006d_6f6e_6579),
        end: commands.len() * GAP,
        placed: commands
            .into_iter()
            .enumerate()
            .map(|(n, c)| ((n + 1) * GAP, c))
            .collect(),
        ids: 0,
    };
    for (gift, coins, tickets) in GIFTS {
        book.list(0, gift, coins, tickets, plain(gift));
    }
    for _ in 0..book.random.usize(0..8) {
        book.purchase();
    }
    for who in STREAMERS {
        if book.random.u8(0..4) > 0 {
            let amount = [100, 900, 6_000][book.random.usize(0..3)];
            let at = book.random.usize(0..book.end / 2 + 1);
            book.add(
                at,
                who,
                ADMIN,
                Body::AdjustTickets {
                    amount,
                    reason: plain("a grant"),
                },
            );
        }
    }
    for _ in 0..book.random.usize(0..6) {
        book.withdrawal();
    }
    for _ in 0..book.random.usize(0..5) {
        book.correction();
    }
    for _ in 0..book.random.usize(0..4) {
        book.price();
    }
    let last = |every: u64| seed % every == every - 1;
    if last(WITHDRAWAL_FLOOD_EVERY) {
        book.flood_requests();
    }
    if last(CLOSED_FLOOD_EVERY) {
        book.flood_closed();
    }
    if last(GIFTS_FLOOD_EVERY) {
        for n in 0..GIFTS_FLOOD {
            book.list(book.end, &format!("gift{n}"), 1, 1, plain("one of many"));
        }
    }
    book.placed.sort_by_key(|(at, _)| *at);
    book.placed.into_iter().map(|(_, command)| command).collect()
}

impl Cashbook {
    fn add(&mut self, at: usize, key: &str, actor: &str, body: Body) {
        self.ids += 1;
        let number = 2_000_000 + self.ids;
        self.placed.push((
            at,
            Command {
                key: key.to_owned(),
                actor: actor.to_owned(),
                id: format!("m{}", self.ids),
                hash: number,
                body,
            },
        ));
        // Now and then the id of what the same one asked before, for the same: it was used for another body.
        if self.random.u8(0..40) == 0 {
            let earlier = self.placed[..self.placed.len() - 1].iter().rev();
            let same = earlier.map(|(_, c)| c).find(|c| c.actor == actor && c.key == key);
            if let Some(id) = same.map(|c| c.id.clone())
                && let Some((_, command)) = self.placed.last_mut()
            {
                command.id = id;
            }
        }
    }

    fn chance(&mut self, of: u32) -> bool {
        self.random.u32(0..of) == 0
    }

    /// A moment at or after `from`, mostly soon.
    fn later(&mut self, from: usize) -> usize {
        let within = [500, 5_000, 60_000][self.random.usize(0..3)];
        from + self.random.usize(0..within)
    }

    fn moment(&mut self) -> usize {
        self.random.usize(0..self.end + 1)
    }

    fn person(&mut self) -> &'static str {
        // Who streams spends, owes and wants to be paid out.
        if self.random.bool() {
            STREAMERS[self.random.usize(0..STREAMERS.len())]
        } else {
            VIEWERS[self.random.usize(0..VIEWERS.len())]
        }
    }

    /// One order with everything that can come of it.
    fn purchase(&mut self) {
        let (who, begin) = (self.person(), self.moment());
        let order = self.order(who, begin);
        if self.chance(6) {
            self.spend(&order);
        }
    }

    fn order(&mut self, who: &'static str, begin: usize) -> Order {
        let order = Order {
            who,
            key: format!("o{}", self.ids),
            pack: self.random.usize(0..PACKS.len()),
            begin,
        };
        let pack = order.pack;
        if !self.chance(20) {
            self.add(begin, &order.key, who, Body::Buy { pack });
        }
        if self.chance(4) {
            let by = if self.chance(6) { "eve" } else { who };
            for _ in 0..self.random.usize(1..3) {
                let at = self.later(begin);
                self.add(at, &order.key, by, Body::CancelOrder);
            }
        }
        let payments = [0, 1, 1, 1, 1, 2][self.random.usize(0..6)];
        for _ in 0..payments {
            self.payment(&order);
        }
        order
    }

    /// What the provider says of a payment: once or more, in any order, not always the same.
    fn payment(&mut self, order: &Order) {
        let (key, price) = (format!("{PROVIDER}.p{}", self.ids), PACKS[order.pack].2);
        let (amount, currency) = match self.random.u8(0..10) {
            0 => (price - 1, "CNY"),
            1 => (price, "USD"),
            _ => (price, "CNY"),
        };
        let told = |amount, currency| Body::PaymentTold {
            order: order.key.clone(),
            amount,
            currency,
        };
        let early = self.chance(8);
        let first = if early {
            order.begin.saturating_sub(3_000)
        } else {
            self.later(order.begin)
        };
        self.add(first, &key, PROVIDER, told(amount, currency));
        for _ in 0..self.random.usize(0..3) {
            let at = self.later(first);
            self.add(at, &key, PROVIDER, told(amount, currency));
        }
        if self.chance(10) {
            let at = self.later(first);
            self.add(at, &key, PROVIDER, told(amount + 1, currency));
        }
        if self.chance(2) {
            self.refund(order, &key, first, (amount, currency));
        }
    }

    /// It is given back, once or more, too early or too late; before that it may have been spent.
    fn refund(&mut self, order: &Order, key: &str, paid: usize, (amount, currency): (u64, &'static str)) {
        let mut last = paid;
        for _ in 0..self.random.usize(1..4) {
            let early = self.chance(4);
            let at = if early {
                paid.saturating_sub(2_000)
            } else {
                self.later(paid)
            };
            let amount = if self.chance(8) { amount - 1 } else { amount };
            self.add(at, key, PROVIDER, Body::RefundTold { amount, currency });
            last = last.max(at);
        }
        if self.random.bool() {
            self.spend(order);
            self.owe(order.who, last);
        }
    }

    /// The coins of an order become gifts.
    fn spend(&mut self, order: &Order) {
        let (gift, count) = match PACKS[order.pack].1 {
            coins if coins < 1_000 => ("rose", coins / 10),
            coins => ("rocket", coins / 1_000),
        };
        for room in STREAMERS.into_iter().filter(|room| *room != order.who) {
            let at = self.later(order.begin + 1_000);
            let (room, gift) = (room.to_owned(), gift.to_owned());
            let (count, combo) = (count as u32, None);
            self.add(
                at,
                order.who,
                order.who,
                Body::Gift {
                    room,
                    gift,
                    count,
                    combo,
                },
            );
        }
    }

    /// What somebody does who may owe something.
    fn owe(&mut self, who: &'static str, from: usize) {
        if self.chance(2) {
            let at = self.later(from);
            let (coins, reason) = ([1, 10, 30][self.random.usize(0..3)], plain("let go"));
            self.add(at, who, ADMIN, Body::Forgive { coins, reason });
        }
        if STREAMERS.contains(&who) {
            let at = self.later(from);
            self.withdrawal_of(who, at);
        }
        if self.chance(2) {
            let at = self.later(from + 5_000);
            self.order(who, at);
        }
    }

    fn withdrawal(&mut self) {
        let who = STREAMERS[self.random.usize(0..STREAMERS.len())];
        let at = self.moment();
        self.withdrawal_of(who, at);
    }

    fn withdrawal_of(&mut self, who: &str, at: usize) {
        let withdrawal = format!("w{}", self.ids);
        let tickets = match self.random.u8(0..12) {
            0 => 9,
            1 => 5_001,
            2 => 5_000,
            3..6 => self.random.u64(500..700),
            _ => self.random.u64(10..60),
        };
        let account = self.text("alipay:1");
        if !self.chance(15) {
            let withdrawal = withdrawal.clone();
            self.add(
                at,
                who,
                who,
                Body::Withdraw {
                    withdrawal,
                    tickets,
                    account,
                },
            );
        }
        for _ in 0..self.random.usize(0..4) {
            let at = self.later(at);
            self.judge(at, who, &withdrawal);
        }
    }

    fn judge(&mut self, at: usize, who: &str, withdrawal: &str) {
        let (by, actor) = STAFF[self.random.usize(0..STAFF.len())];
        let withdrawal = withdrawal.to_owned();
        let body = if self.chance(5) {
            let reason = self.text("not now");
            Body::Reject {
                withdrawal,
                by,
                reason,
            }
        } else {
            Body::Approve { withdrawal, by }
        };
        self.add(at, who, actor, body);
    }

    fn correction(&mut self) {
        let at = self.moment();
        if self.random.bool() {
            let who = self.person();
            let coins = [0, 1, 30, 60, 1_000_000][self.random.usize(0..5)];
            let reason = self.text("let go");
            return self.add(at, who, ADMIN, Body::Forgive { coins, reason });
        }
        let who = STREAMERS[self.random.usize(0..STREAMERS.len())];
        let amount = match self.random.u8(0..10) {
            0 => 0,
            1 => -1_000_000_000,
            2 => i64::MAX,
            3..6 => -self.random.i64(1..100),
            _ => self.random.i64(1..2_000),
        };
        let reason = self.text("by hand");
        self.add(at, who, ADMIN, Body::AdjustTickets { amount, reason });
    }

    fn price(&mut self) {
        let (gift, coins, tickets) = match self.random.u8(0..8) {
            0 => ("ghost", 7, 3),
            1 => ("rose", 0, 5),
            2 => ("rose", 10, 1_000_000_001),
            _ => {
                let (gift, coins, tickets) = GIFTS[self.random.usize(0..GIFTS.len())];
                (
                    gift,
                    coins + self.random.u64(0..3),
                    tickets + self.random.u64(0..3),
                )
            }
        };
        let at = self.moment();
        if self.chance(4) {
            self.add(at, CATALOGUE, ADMIN, Body::Delist { gift: gift.into() });
            let at = self.later(at);
            return self.list(at, gift, coins, tickets, plain(gift));
        }
        let name = if self.chance(4) {
            self.text("a name")
        } else {
            plain(gift)
        };
        self.list(at, gift, coins, tickets, name);
    }

    fn list(&mut self, at: usize, gift: &str, coins: u64, tickets: u64, name: Text) {
        let gift = gift.to_owned();
        let body = Body::List {
            gift,
            name,
            coins,
            tickets,
        };
        self.add(at, CATALOGUE, ADMIN, body);
    }

    fn flood_requests(&mut self) {
        let grant = Body::AdjustTickets {
            amount: 1_000,
            reason: plain("for many"),
        };
        self.add(self.end, "kim", ADMIN, grant);
        for n in 0..WITHDRAWAL_FLOOD {
            let withdrawal = format!("many{n}");
            let account = plain("alipay:2");
            self.add(
                self.end,
                "kim",
                "kim",
                Body::Withdraw {
                    withdrawal,
                    tickets: 10,
                    account,
                },
            );
        }
    }

    fn flood_closed(&mut self) {
        let grant = Body::AdjustTickets {
            amount: 1_000,
            reason: plain("for many"),
        };
        self.add(self.end, "lee", ADMIN, grant);
        for n in 0..CLOSED_FLOOD {
            let withdrawal = format!("over{n}");
            let (account, reason) = (plain("alipay:3"), plain("no"));
            let asked = Body::Withdraw {
                withdrawal: withdrawal.clone(),
                tickets: 10,
                account,
            };
            self.add(self.end, "lee", "lee", asked);
            let by = STAFF[0].0;
            self.add(
                self.end,
                "lee",
                STAFF[0].1,
                Body::Reject {
                    withdrawal,
                    by,
                    reason,
                },
            );
        }
        let (withdrawal, by) = ("over0".to_owned(), STAFF[1].0);
        self.add(self.end, "lee", STAFF[1].1, Body::Approve { withdrawal, by });
    }

    fn text(&mut self, usual: &str) -> Text {
        match self.random.u8(0..20) {
            0 => Text {
                raw: " ".into(),
                kept: Err(Rejection::TextEmpty),
            },
            1 => Text {
                raw: "x".repeat(201),
                kept: Err(Rejection::TextTooLong),
            },
            _ => plain(usual),
        }
    }
}
