//! What goes on in rooms besides gifts: chats in rows, orders of streamers and moderators, and of those who are neither.
//! Strewn into the commands of a seed by a random source of its own.

use domain::Rejection;
use domain::room::Act;
use fastrand::Rng;

use crate::life::id;
use crate::script::{Body, Command, STREAMERS, Text, VIEWERS, plain};

/// Seeds below it have quiet rooms: they are as they were before rooms had rules, for the sake of `regressions.rs`.
const FROM_SEED: u64 = 128;
/// One seed in so many has more chats at once than a room carries.
const CHAT_FLOOD_EVERY: u64 = 40;
const CHAT_FLOOD: usize = 80;
/// One seed in so many fills the list of moderators, of mutes, of bans.
const MODERATOR_FLOOD_EVERY: u64 = 200;
const MODERATOR_FLOOD: usize = 53;
const MUTE_FLOOD_EVERY: u64 = 1_000;
const MUTE_FLOOD: usize = 1_010;
const BAN_FLOOD_EVERY: u64 = 2_000;
const BAN_FLOOD: usize = 10_010;

struct Evening {
    random: Rng,
    commands: Vec<Command>,
}

/// Makes the nth order of a flood of them.
type NthAct = fn(usize) -> Act;

/// Strews what goes on in rooms into the commands of a seed.
pub fn strew(seed: u64, commands: Vec<Command>) -> Vec<Command> {
    if seed < FROM_SEED {
        return commands;
    }
    let mut evening = Evening {
        random: Rng::with_seed(seed ^ 0x00e7_e117),
        commands,
    };
    for _ in 0..evening.random.usize(0..60) {
        evening.something();
    }
    let last = |every: u64| seed % every == every - 1;
    if last(CHAT_FLOOD_EVERY) {
        let people = STREAMERS.into_iter().chain(VIEWERS).cycle();
        for (n, who) in people.take(CHAT_FLOOD).enumerate() {
            evening.append(who, chat(plain(&format!("row {n}")), false));
        }
    }
    let floods: [(bool, usize, NthAct); 3] = [
        (last(MODERATOR_FLOOD_EVERY), MODERATOR_FLOOD, |n| {
            Act::AddModerator {
                user: id(&format!("mod{n}")),
            }
        }),
        (last(MUTE_FLOOD_EVERY), MUTE_FLOOD, |n| Act::Mute {
            user: id(&format!("loud{n}")),
            seconds: 2_592_000,
        }),
        (last(BAN_FLOOD_EVERY), BAN_FLOOD, |n| Act::Ban {
            user: id(&format!("bad{n}")),
        }),
    ];
    for (_, count, act) in floods.into_iter().filter(|(due, ..)| *due) {
        for n in 0..count {
            evening.append("kim", order(act(n)));
        }
    }
    evening.commands
}

fn chat(text: Text, blocked: bool) -> Body {
    Body::Chat { text, blocked }
}

fn order(act: Act) -> Body {
    let kept = Ok(String::new());
    Body::Order { act, kept }
}

impl Evening {
    fn command(&self, room: &str, actor: &str, body: Body) -> Command {
        let number = 1_000_000 + self.commands.len() as u64;
        Command {
            key: room.to_owned(),
            actor: actor.to_owned(),
            id: format!("r{number}"),
            hash: number,
            body,
        }
    }

    /// To the room of Kim, last of all.
    fn append(&mut self, actor: &str, body: Body) {
        let command = self.command("kim", actor, body);
        self.commands.push(command);
    }

    fn pick<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among[self.random.usize(0..among.len())]
    }

    fn person(&mut self) -> &'static str {
        if self.random.u8(0..8) == 0 {
            self.pick(&STREAMERS)
        } else {
            self.pick(&VIEWERS)
        }
    }

    /// One or a few commands of a kind, at some place.
    fn something(&mut self) {
        let room = STREAMERS[self.random.usize(0..STREAMERS.len()).min(self.random.usize(0..2))];
        let at = self.random.usize(0..self.commands.len() + 1);
        if self.random.bool() {
            let (who, times) = (self.person(), self.random.usize(1..8));
            for n in 0..times {
                let text = match self.random.u8(0..3) {
                    0 => plain("again"),
                    _ => plain(&format!("line {n}")),
                };
                let blocked = self.random.u8(0..15) == 0;
                let command = self.command(room, who, chat(text, blocked));
                self.commands.insert(at, command);
            }
            return;
        }
        let by = match self.random.u8(0..10) {
            0..6 => room,
            _ => self.person(),
        };
        let body = self.order();
        let mut command = self.command(room, by, body);
        if self.random.u8(0..25) == 0 {
            command.id = "again".into();
        }
        self.commands.insert(at, command);
    }

    fn order(&mut self) -> Body {
        let user = id(self.person());
        let on = self.random.u8(0..3) > 0;
        order(match self.random.u8(0..26) {
            0..4 => Act::Mute {
                user,
                seconds: [0, 1, 60, 2_592_000, 2_592_001][self.random.usize(0..5)],
            },
            4 | 5 => Act::Unmute { user },
            6 | 7 => Act::Kick { user },
            8 => Act::Ban { user },
            9..12 => Act::Unban { user },
            12..15 => Act::SlowMode {
                seconds: [0, 0, 1, 30, 3_601][self.random.usize(0..5)],
            },
            15..18 => Act::FollowersOnly { on: !on },
            18 | 19 => return self.text(|text| Act::Notice { text }),
            20 | 21 => return self.text(|text| Act::Pin { text }),
            22 => Act::Unpin,
            23 | 24 => Act::AddModerator { user },
            _ => Act::RemoveModerator { user },
        })
    }

    fn text(&mut self, act: fn(String) -> Act) -> Body {
        let (raw, kept) = match self.random.u8(0..5) {
            0 => (" ".to_owned(), Err(Rejection::TextEmpty)),
            1 => ("x".repeat(201), Err(Rejection::TextTooLong)),
            n => (format!(" at {n}\n"), Ok(format!("at {n}"))),
        };
        let act = act(raw);
        Body::Order { act, kept }
    }
}
