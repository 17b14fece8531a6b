//! What clients will ask, by seed: valid, refused, repeated, reused and cumulative commands, with more or less of each
//! from seed to seed. It knows the forms of commands; it must never know what came of any.

use domain::ids::conversation_key;
use domain::room::Act;
use domain::{Rejection, UserId};
use fastrand::Rng;

use crate::life::id;
use crate::{acquaintances, correspondence, evenings};

/// Names of people who stream; they watch and send too.
pub const STREAMERS: [&str; 3] = ["kim", "lee", "max"];
/// Names of people who only watch and send.
pub const VIEWERS: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];
/// The one who corrects balances by hand.
pub const ADMIN: &str = "admin.kim";

/// Gifts on offer: id, coins, tickets.
pub const GIFTS: [(&str, u64, u64); 3] = [("like", 1, 0), ("rose", 10, 5), ("rocket", 1_000, 700)];

/// Text as it is sent, and what must become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// As sent.
    pub raw: String,
    /// As kept, or why not.
    pub kept: Result<String, Rejection>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Coins by hand.
    Adjust { amount: i64, reason: Text },
    /// A gift, alone or as a step of a combo (its name and cumulative total).
    Gift {
        room: String,
        gift: String,
        count: u32,
        combo: Option<(String, u32)>,
    },
    /// The client ends a combo.
    EndCombo { combo: String },
    /// Follow somebody.
    Follow { whom: String },
    /// Follow no longer.
    Unfollow { whom: String },
    /// Block somebody.
    Block { whom: String },
    /// Block no longer.
    Unblock { whom: String },
    /// Write to somebody.
    Message {
        to: String,
        text: Text,
        /// Whether a blocked word stands in it.
        blocked: bool,
    },
    /// Somebody's messages are read, up to one.
    Read { from: String, upto: u64 },
    /// Go live.
    StartLive { title: Text },
    /// End it.
    StopLive,
    /// Say something.
    Chat {
        text: Text,
        /// Whether a blocked word stands in it.
        blocked: bool,
    },
    /// An order to a room, and what must become of its text, where it has one.
    Order {
        act: Act,
        kept: Result<String, Rejection>,
    },
    /// Let go of debt.
    Forgive { coins: u64, reason: Text },
    /// Tickets by hand.
    AdjustTickets { amount: i64, reason: Text },
    /// Tickets are to be paid out.
    Withdraw {
        withdrawal: String,
        tickets: u64,
        account: Text,
    },
    /// One of staff agrees to that.
    Approve { withdrawal: String, by: &'static str },
    /// One of staff does not.
    Reject {
        withdrawal: String,
        by: &'static str,
        reason: Text,
    },
    /// A pack of coins is ordered, by its place in the list; the key is the order.
    Buy { pack: usize },
    /// It is not wanted any more.
    CancelOrder,
    /// The provider says that money came; the key is the payment's.
    PaymentTold {
        order: String,
        amount: u64,
        currency: &'static str,
    },
    /// The provider says that it gave it back.
    RefundTold { amount: u64, currency: &'static str },
    /// A gift is offered, so.
    List {
        gift: String,
        name: Text,
        coins: u64,
        tickets: u64,
    },
    /// It is offered no more.
    Delist { gift: String },
}

/// Which actor a command goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A viewer.
    Viewer,
    /// A streamer.
    Streamer,
    /// A room.
    Room,
    /// A conversation.
    Conversation,
    /// An order of coins.
    Order,
    /// A payment.
    Payment,
    /// The gifts on offer.
    Catalogue,
}

impl Family {
    /// The word in front of its streams' names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Streamer => "streamer",
            Self::Room => "room",
            Self::Conversation => "conversation",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Catalogue => "catalogue",
        }
    }
}

impl Body {
    /// Which kind of actor it goes to.
    pub fn family(&self) -> Family {
        match self {
            Self::StartLive { .. }
            | Self::StopLive
            | Self::AdjustTickets { .. }
            | Self::Withdraw { .. }
            | Self::Approve { .. }
            | Self::Reject { .. } => Family::Streamer,
            Self::Buy { .. } | Self::CancelOrder => Family::Order,
            Self::PaymentTold { .. } | Self::RefundTold { .. } => Family::Payment,
            Self::List { .. } | Self::Delist { .. } => Family::Catalogue,
            Self::Chat { .. } | Self::Order { .. } => Family::Room,
            Self::Message { .. } | Self::Read { .. } => Family::Conversation,
            _ => Family::Viewer,
        }
    }

    /// Whether a refusal of it is recorded.
    pub fn is_money(&self) -> bool {
        matches!(
            self,
            Self::Adjust { .. }
                | Self::Gift { .. }
                | Self::Forgive { .. }
                | Self::AdjustTickets { .. }
                | Self::Withdraw { .. }
        )
    }

    /// Whether what the user owes as a viewer has to be known for it.
    pub fn asks_debt(&self) -> bool {
        matches!(self, Self::Withdraw { .. } | Self::Approve { .. })
    }
}

/// One command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whose actor decides.
    pub key: String,
    /// Who asks.
    pub actor: String,
    /// The client's id.
    pub id: String,
    /// Tells bodies apart.
    pub hash: u64,
    /// What for.
    pub body: Body,
}

/// The key of the conversation of two people.
pub fn conversation(one: &str, other: &str) -> String {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    format!("{first}~{second}")
}

impl Command {
    /// Whose actor decides, as the actors are found by.
    pub fn actor_key(&self) -> UserId {
        match &self.body {
            Body::Message { to: other, .. } | Body::Read { from: other, .. } => {
                conversation_key(&id(&self.actor), &id(other))
            }
            _ => id(&self.key),
        }
    }

    /// The text by which its stream knows it: ids are the actor's own.
    pub fn journal_id(&self) -> String {
        if self.actor == self.key {
            self.id.clone()
        } else {
            format!("{}\u{1f}{}", self.actor, self.id)
        }
    }

    /// The stream it goes to.
    pub fn stream(&self) -> String {
        format!("{}-{}", self.body.family().word(), self.key)
    }
}

struct RunningCombo {
    id: String,
    room: String,
    gift: &'static str,
    total: u32,
}

/// Writes the commands of one seed.
pub struct Author {
    random: Rng,
    people: Vec<&'static str>,
    /// One who sends nearly everything.
    busiest: Option<&'static str>,
    streamers: usize,
    /// Of 100 commands of viewers, how many are steps of combos.
    combo_share: u8,
    /// New combos instead of steps of known ones, of 100.
    combo_new_share: u8,
    combos: Vec<(String, RunningCombo)>,
    written: Vec<Command>,
    ids: u64,
}

/// Everything the clients of a seed will ask, in the order of asking.
pub fn write(seed: u64) -> Vec<Command> {
    let mut random = Rng::with_seed(seed ^ 0x5c21_9e7a);
    let people = STREAMERS.into_iter().chain(VIEWERS).collect();
    let mut author = Author {
        streamers: random.usize(1..=STREAMERS.len()),
        combo_share: [5, 20, 50, 80][random.usize(0..4)],
        combo_new_share: [10, 20, 70][random.usize(0..3)],
        people,
        busiest: [None, None, None, Some("bob")][random.usize(0..4)],
        combos: Vec::new(),
        written: Vec::new(),
        ids: 0,
        random,
    };
    author.begin();
    let length = author.random.usize(50..170);
    while author.written.len() < length {
        let command = author.command();
        author.written.push(command);
    }
    if seed % FOLLOW_FLOOD_EVERY == FOLLOW_FLOOD_EVERY - 1 {
        author.flood_follows();
    }
    if seed % GIFT_FLOOD_EVERY == GIFT_FLOOD_EVERY - 1 {
        author.flood_gifts();
    }
    let commands = acquaintances::strew(seed, evenings::strew(seed, author.written));
    correspondence::strew(seed, commands)
}

/// One seed in so many follows more people than one may.
const FOLLOW_FLOOD_EVERY: u64 = 1_000;
const FOLLOW_FLOOD: usize = 5_030;
/// One seed in so many has a viewer with more events than lie between two snapshots.
const GIFT_FLOOD_EVERY: u64 = 50;
const GIFT_FLOOD: usize = 320;

impl Author {
    /// Most seeds begin with money and a live room, or nearly all gifts would be refused.
    fn begin(&mut self) {
        if self.random.u8(0..10) == 0 {
            return;
        }
        for who in self.people.clone() {
            let amount = [50, 3_000, 1_000_000][self.random.usize(0..3)];
            let reason = plain("a grant");
            self.write(who, ADMIN, Body::Adjust { amount, reason });
        }
        for streamer in STREAMERS.into_iter().take(self.streamers) {
            let title = plain("hello");
            self.write(streamer, streamer, Body::StartLive { title });
        }
    }

    fn write(&mut self, key: &str, actor: &str, body: Body) {
        let command = self.fresh(key, actor, body);
        self.written.push(command);
    }

    /// A command with an id that its actor has not used before.
    fn fresh(&mut self, key: &str, actor: &str, body: Body) -> Command {
        self.ids += 1;
        let (key, actor, id) = (key.into(), actor.into(), format!("c{}", self.ids));
        Command {
            key,
            actor,
            id,
            hash: self.ids,
            body,
        }
    }

    fn command(&mut self) -> Command {
        let (key, actor, body) = self.ask();
        let mut command = self.fresh(&key, &actor, body);
        if self.random.u8(0..100) < 4 {
            self.reuse_id(&mut command);
        }
        command
    }

    /// The id of an earlier command with another body: of the same actor's stream, or of another one, where it is fresh.
    fn reuse_id(&mut self, command: &mut Command) {
        let same = |c: &&Command| c.actor == command.actor;
        let earlier: Vec<_> = self.written.iter().filter(same).collect();
        if let Some(earlier) = earlier.get(self.random.usize(0..earlier.len().max(1))) {
            command.id = earlier.id.clone();
        }
    }

    fn ask(&mut self) -> (String, String, Body) {
        let who = self.person();
        let own = |body| (who.to_owned(), who.to_owned(), body);
        match self.random.u8(0..100) {
            0..45 => own(self.gift(who)),
            45..55 => {
                let body = self.adjust();
                (who.to_owned(), ADMIN.to_owned(), body)
            }
            55..60 => {
                let combo = self.known_combo(who);
                own(Body::EndCombo { combo })
            }
            60..70 => {
                let whom = self.person().to_owned();
                own(if self.random.u8(0..3) == 0 {
                    Body::Unfollow { whom }
                } else {
                    Body::Follow { whom }
                })
            }
            70..80 => self.live(),
            _ => {
                let (room, text) = (self.room(), self.text(200));
                let blocked = false;
                (room, who.to_owned(), Body::Chat { text, blocked })
            }
        }
    }

    /// The first are met more often than the last.
    fn person(&mut self) -> &'static str {
        if let Some(busiest) = self.busiest
            && self.random.u8(0..10) < 8
        {
            return busiest;
        }
        let at = self
            .random
            .usize(0..self.people.len())
            .min(self.random.usize(0..self.people.len()));
        self.people[self.people.len() - 1 - at]
    }

    fn room(&mut self) -> String {
        let live = self.random.usize(0..self.streamers);
        let any = self.random.usize(0..STREAMERS.len());
        STREAMERS[if self.random.u8(0..12) == 0 { any } else { live }].to_owned()
    }

    fn adjust(&mut self) -> Body {
        let amount = match self.random.u8(0..14) {
            0 => 0,
            1 => -1_000_000_000,
            2 => 1 << 52,
            3 => i64::MAX,
            4..7 => -self.random.i64(1..40),
            _ => self.random.i64(1..2_000),
        };
        let reason = if self.random.u8(0..10) == 0 {
            self.text(200)
        } else {
            plain("by hand")
        };
        Body::Adjust { amount, reason }
    }

    fn gift(&mut self, who: &str) -> Body {
        if self.random.u8(0..100) < self.combo_share {
            return self.combo_step(who);
        }
        let room = if self.random.u8(0..25) == 0 {
            who.to_owned()
        } else {
            self.room()
        };
        let gift = self.gift_id().to_owned();
        let count = match self.random.u8(0..30) {
            0 => 0,
            1 => 10_000,
            2 => 9_999,
            _ => self.random.u32(1..4),
        };
        Body::Gift {
            room,
            gift,
            count,
            combo: None,
        }
    }

    fn gift_id(&mut self) -> &'static str {
        match self.random.u8(0..30) {
            0 => "ghost",
            1..6 => "rocket",
            6..14 => "like",
            _ => "rose",
        }
    }

    /// Totals rise, and now and then repeat, go back, leap, or come in another room or gift.
    fn combo_step(&mut self, who: &str) -> Body {
        let known: Vec<usize> = (0..self.combos.len())
            .filter(|at| self.combos[*at].0 == who)
            .collect();
        if known.is_empty() || self.random.u8(0..100) < self.combo_new_share {
            self.begin_combo(who);
            let (_, combo) = self.combos.last().expect("one was just begun");
            return combo.body();
        }
        let at = known[self
            .random
            .usize(0..known.len())
            .max(self.random.usize(0..known.len()))];
        let rise = self.random.u32(1..4);
        let odd = self.random.u8(0..30);
        let combo = &mut self.combos[at].1;
        let mut body = match odd {
            0 => combo.at(0),
            1 => combo.at(combo.total + 10_000),
            2 => combo.at(1_000_001),
            3 | 4 => combo.at(combo.total),
            5 => combo.at((combo.total / 2).max(1)),
            _ => {
                combo.total += rise;
                combo.body()
            }
        };
        if let (6, Body::Gift { gift, .. }) = (odd, &mut body) {
            *gift = if gift == "rose" {
                "like".into()
            } else {
                "rose".into()
            };
        }
        body
    }

    fn begin_combo(&mut self, who: &str) {
        let gift = if self.random.bool() { "like" } else { "rose" };
        let (id, room) = (format!("k{}", self.combos.len()), self.room());
        let total = self.random.u32(1..4);
        self.combos.push((
            who.to_owned(),
            RunningCombo {
                id,
                room,
                gift,
                total,
            },
        ));
    }

    fn known_combo(&mut self, who: &str) -> String {
        let known: Vec<&String> = self
            .combos
            .iter()
            .filter(|(whose, _)| whose == who)
            .map(|(_, c)| &c.id)
            .collect();
        let at = self.random.usize(0..known.len() + 1);
        known
            .get(at)
            .map_or_else(|| "never".to_owned(), |id| (*id).clone())
    }

    fn live(&mut self) -> (String, String, Body) {
        let streamer = self.room();
        let body = if self.random.u8(0..100) < 55 {
            let title = match self.random.u8(0..4) {
                0 => self.text(100),
                1 => Text {
                    raw: "  ".into(),
                    kept: Ok(String::new()),
                },
                _ => plain("a show"),
            };
            Body::StartLive { title }
        } else {
            Body::StopLive
        };
        (streamer.clone(), streamer, body)
    }

    fn text(&mut self, chars_max: usize) -> Text {
        let (raw, kept) = match self.random.u8(0..8) {
            0 => (" \u{7}\u{200b}".to_owned(), Err(Rejection::TextEmpty)),
            1 => ("x".repeat(chars_max + 1), Err(Rejection::TextTooLong)),
            2 => ("é".repeat(chars_max), Ok("é".repeat(chars_max))),
            3 => (" so\u{0}\n so ".to_owned(), Ok("so so".to_owned())),
            n => (format!("word {n}"), Ok(format!("word {n}"))),
        };
        Text { raw, kept }
    }

    fn flood_follows(&mut self) {
        for n in 0..FOLLOW_FLOOD {
            self.write(
                "ann",
                "ann",
                Body::Follow {
                    whom: format!("star{n}"),
                },
            );
        }
    }

    fn flood_gifts(&mut self) {
        let adjust = Body::Adjust {
            amount: 1_000_000,
            reason: plain("for many"),
        };
        self.write("eve", ADMIN, adjust);
        for _ in 0..GIFT_FLOOD {
            let room = self.room();
            let body = Body::Gift {
                room,
                gift: "like".into(),
                count: 1,
                combo: None,
            };
            self.write("eve", "eve", body);
        }
    }
}

impl RunningCombo {
    fn body(&self) -> Body {
        self.at(self.total)
    }

    fn at(&self, total: u32) -> Body {
        Body::Gift {
            room: self.room.clone(),
            gift: self.gift.into(),
            count: 0,
            combo: Some((self.id.clone(), total)),
        }
    }
}

/// Text that is kept as it is.
pub fn plain(text: &str) -> Text {
    Text {
        raw: text.into(),
        kept: Ok(text.into()),
    }
}
