//! How the commands of clients reach the actors of a life: with what others know of them, who are asked first where it is
//! not known, as the server's facade does.

use std::sync::atomic::Ordering;

use actors::{Failure, Job, Kind, Outcome, Reply, Request, Work};
use domain::conversation;
use domain::room;
use domain::streamer::Streamer;
use domain::viewer;
use domain::{RoomId, UserId};
use journal::Error;

use crate::hall::Hall;
use crate::oracle::{Said, Told};
use crate::requests;
use crate::script::{Body, Command, Family};
use crate::tally::Tally;

use super::{Known, Life, id, locked};

impl Life {
    /// Sends a command as delivery `number`.
    pub fn send(&mut self, number: usize, command: &Command, tally: &mut Tally) {
        if let Some(whom) = self.to_be_asked(command) {
            tally.one("commands that had to ask whom somebody blocks");
            return self.ask_blocks(&whom, number, command.clone());
        }
        self.send_on(number, command, tally);
    }

    /// Whose blocks have to be known for a command, and are not.
    fn to_be_asked(&self, command: &Command) -> Option<UserId> {
        let whom = match &command.body {
            Body::Message { to, .. } => {
                let both = [id(&command.actor), id(to)];
                return both.into_iter().find(|user| !self.house.blocks().knows(user));
            }
            Body::Follow { whom } => whom,
            body if body.family() == Family::Room && command.actor != command.key => &command.key,
            _ => return None,
        };
        let whom = id(whom);
        (!self.house.blocks().knows(&whom)).then_some(whom)
    }

    fn ask_blocks(&mut self, whom: &UserId, number: usize, command: Command) {
        let asked = self.asked_blocks.clone();
        let told = move |told: Outcome<viewer::Answer>| locked(&asked).push((number, command, told.is_ok()));
        let job = Job {
            request: Request::of_system("door"),
            command: viewer::Command::AskToward { user: whom.clone() },
            reply: Reply::from(told),
        };
        self.viewers.deliver(whom, Work::Command(job));
    }

    /// Goes on with what waited for somebody's blocks to be known.
    pub fn take_asked_blocks(&mut self, tally: &mut Tally) -> usize {
        let asked = std::mem::take(&mut *locked(&self.asked_blocks));
        let count = asked.len();
        for (number, command, known) in asked {
            if known && command.body.family() == Family::Conversation {
                // The other one may have to be asked as well.
                self.send(number, &command, tally);
            } else if known {
                self.send_on(number, &command, tally);
            } else {
                locked(&self.inbox).push((number, Told::Unknown));
            }
        }
        count
    }

    fn send_on(&mut self, number: usize, command: &Command, tally: &mut Tally) {
        match &command.body {
            Body::Gift { room, .. } => match self.house.live().get(&id::<RoomId>(room)) {
                Some(session) => self.send_viewer(number, command, session.map(|s| s.0), false),
                None => {
                    tally.one("gifts that had to ask for the room's session");
                    let (asked, command) = (self.asked_rooms.clone(), command.clone());
                    let streamer: UserId = id(room);
                    let told = move |told: Outcome<Streamer>| {
                        let session = told.map(|told| told.answer.live().map(|live| live.session.0));
                        locked(&asked).push((number, command, session.map_err(|_| ())));
                    };
                    self.streamers.deliver(&streamer, Work::Ask(Reply::from(told)));
                }
            },
            body => match body.family() {
                Family::Viewer => self.send_viewer(number, command, None, false),
                Family::Streamer if body.asks_debt() => self.ask_debt(number, command.clone()),
                Family::Streamer => self.send_streamer(number, command, 0),
                Family::Room => self.send_room(number, command, None),
                Family::Conversation => self.send_conversation(number, command, None),
                Family::Order => {
                    let asked = requests::order(command);
                    let reply = self.reply(number, Said::Order);
                    give(&mut self.orders, command, asked, reply);
                }
                Family::Payment => {
                    let asked = requests::payment(command);
                    let reply = self.reply(number, Said::Payment);
                    give(&mut self.payments, command, asked, reply);
                }
                Family::Catalogue => {
                    let asked = requests::catalogue(&command.body);
                    let reply = self.reply(number, Said::Catalogue);
                    give(&mut self.catalogue, command, asked, reply);
                }
            },
        }
    }

    /// Sends a command about money to the second owner, if the room's session is known.
    pub fn send_second(&mut self, number: usize, command: &Command) {
        let session = match &command.body {
            Body::Gift { room, .. } => self.house.live().get(&id::<RoomId>(room)),
            _ => Some(None),
        };
        match session {
            Some(session) => self.send_viewer(number, command, session.map(|s| s.0), true),
            None => locked(&self.inbox).push((number, Told::Unknown)),
        }
    }

    /// Goes on with gifts whose rooms have answered.
    pub fn take_asked_rooms(&mut self) -> usize {
        let asked = std::mem::take(&mut *locked(&self.asked_rooms));
        let count = asked.len();
        for (number, command, session) in asked {
            match session {
                Ok(session) => self.send_viewer(number, &command, session, false),
                Err(()) => locked(&self.inbox).push((number, Told::Unknown)),
            }
        }
        count
    }

    /// Goes on with chats whose room wants to know whether their authors follow.
    pub fn take_asked_follows(&mut self, tally: &mut Tally) -> usize {
        let asked = std::mem::take(&mut *locked(&self.asked_follows));
        let count = asked.len();
        for (number, command, said) in asked {
            match said {
                None => {
                    tally.one("chats that had to ask whether their author follows");
                    self.ask_follows(number, command);
                }
                Some(Ok(follows)) => self.send_room(number, &command, Some(follows)),
                Some(Err(())) => locked(&self.inbox).push((number, Told::Unknown)),
            }
        }
        count
    }

    /// Goes on with messages whose conversation wants to know whether the two follow each other.
    pub fn take_asked_mutuals(&mut self, tally: &mut Tally) -> usize {
        let asked = std::mem::take(&mut *locked(&self.asked_mutuals));
        let count = asked.len();
        for (number, command, known) in asked {
            let Body::Message { to, .. } = &command.body else {
                unreachable!("{command:?} asks nobody")
            };
            let (from, to) = (command.actor.clone(), to.clone());
            match known {
                Known::Nothing => {
                    tally.one("messages that had to ask whether both follow");
                    self.ask_whether(&from, &to, number, command, Known::Sender);
                }
                Known::Sender(Some(true)) => self.ask_whether(&to, &from, number, command, Known::Receiver),
                Known::Sender(Some(false)) => self.send_conversation(number, &command, Some(false)),
                Known::Receiver(Some(mutual)) => self.send_conversation(number, &command, Some(mutual)),
                Known::Sender(None) | Known::Receiver(None) => {
                    locked(&self.inbox).push((number, Told::Unknown));
                }
            }
        }
        count
    }

    fn ask_whether(
        &mut self,
        who: &str,
        whom: &str,
        number: usize,
        command: Command,
        known: fn(Option<bool>) -> Known,
    ) {
        let asked = self.asked_mutuals.clone();
        let told = move |told: Outcome<viewer::Answer>| {
            let follows = told.ok().map(|told| match told.answer {
                viewer::Answer::Toward(toward) => toward.follows,
                other => panic!("asked for a follow, and told {other:?}"),
            });
            locked(&asked).push((number, command, known(follows)));
        };
        let job = Job {
            request: Request::of_system("door"),
            command: viewer::Command::AskToward { user: id(whom) },
            reply: Reply::from(told),
        };
        self.viewers.deliver(&id(who), Work::Command(job));
    }

    fn send_conversation(&mut self, number: usize, command: &Command, mutual: Option<bool>) {
        let asked = requests::conversation(command, mutual);
        let (client, again) = (self.reply(number, Said::Conversation), command.clone());
        let questions = self.asked_mutuals.clone();
        let reply = Reply::from(move |outcome: Outcome<conversation::Answer>| match outcome {
            Ok(said) if said.answer == conversation::Answer::AsksWhetherMutual => {
                locked(&questions).push((number, again, Known::Nothing));
            }
            outcome => client.send(outcome),
        });
        give(&mut self.conversations, command, asked, reply);
    }

    fn ask_follows(&mut self, number: usize, command: Command) {
        let asked = self.asked_follows.clone();
        let (author, streamer) = (id(&command.actor), id(&command.key));
        let told = move |told: Outcome<viewer::Answer>| {
            let said = told.map(|told| match told.answer {
                viewer::Answer::Toward(toward) => toward.follows,
                other => panic!("asked for a follow, and told {other:?}"),
            });
            locked(&asked).push((number, command, Some(said.map_err(|_| ()))));
        };
        let job = Job {
            request: Request::of_system("room"),
            command: viewer::Command::AskToward { user: streamer },
            reply: Reply::from(told),
        };
        self.viewers.deliver(&author, Work::Command(job));
    }

    /// A withdrawal goes to its streamer with what the same user's viewer owes.
    fn ask_debt(&mut self, number: usize, command: Command) {
        let (asked, user) = (self.asked_debts.clone(), id(&command.key));
        let told = move |told: Outcome<viewer::Answer>| {
            let owed = told.map(|told| match told.answer {
                viewer::Answer::Owes(coins) => coins,
                other => panic!("asked for a debt, and told {other:?}"),
            });
            locked(&asked).push((number, command, owed.map_err(|_| ())));
        };
        let job = Job {
            request: Request::of_system("withdrawals"),
            command: viewer::Command::AskDebt,
            reply: Reply::from(told),
        };
        self.viewers.deliver(&user, Work::Command(job));
    }

    /// Goes on with withdrawals whose debts are known.
    pub fn take_asked_debts(&mut self) -> usize {
        let asked = std::mem::take(&mut *locked(&self.asked_debts));
        let count = asked.len();
        for (number, command, owed) in asked {
            match owed {
                Ok(coins) => self.send_streamer(number, &command, coins),
                Err(()) => locked(&self.inbox).push((number, Told::Unknown)),
            }
        }
        count
    }

    fn reply<T: Send + 'static>(&self, number: usize, said: fn(T) -> Said) -> Reply<T> {
        let (inbox, conflicts) = (self.inbox.clone(), self.conflicts.clone());
        Reply::from(move |outcome: Outcome<T>| {
            let told = match outcome {
                Ok(accepted) => Told::Accepted {
                    said: said(accepted.answer),
                    place: accepted.position.sequence,
                    at_ms: accepted.recorded_at_ms,
                },
                Err(Failure::Rejected(rejection)) => Told::Refused(rejection),
                Err(Failure::Broken(error)) => {
                    let expected = matches!(
                        error,
                        Error::Poisoned(_) | Error::Closed | Error::Io { .. } | Error::Conflict { .. }
                    );
                    assert!(expected, "a command ended in {error}");
                    if matches!(error, Error::Conflict { .. }) {
                        conflicts.fetch_add(1, Ordering::Relaxed);
                    }
                    Told::Unknown
                }
                Err(Failure::Lost) => Told::Unknown,
            };
            locked(&inbox).push((number, told));
        })
    }

    fn send_viewer(&mut self, number: usize, command: &Command, session: Option<u32>, second: bool) {
        let asked = requests::viewer(&command.body, session);
        let reply = self.reply(number, Said::Viewer);
        let hall = if second {
            &mut self.second
        } else {
            &mut self.viewers
        };
        give(hall, command, asked, reply);
    }

    fn send_streamer(&mut self, number: usize, command: &Command, debt: u64) {
        let asked = requests::streamer(&command.body, debt);
        let reply = self.reply(number, Said::Streamer);
        give(&mut self.streamers, command, asked, reply);
    }

    fn send_room(&mut self, number: usize, command: &Command, follows: Option<bool>) {
        let asked = requests::room(command, follows);
        let (client, again) = (self.reply(number, Said::Room), command.clone());
        let questions = self.asked_follows.clone();
        let reply = Reply::from(move |outcome: Outcome<room::Answer>| match outcome {
            Ok(said) if said.answer == room::Answer::AsksWhetherFollows => {
                locked(&questions).push((number, again, None));
            }
            outcome => client.send(outcome),
        });
        give(&mut self.rooms, command, asked, reply);
    }
}

fn give<A: Kind>(hall: &mut Hall<A>, command: &Command, asked: A::Command, reply: Reply<A::Answer>) {
    let (key, request) = (command.actor_key(), requests::request(command));
    let job = Job {
        request,
        command: asked,
        reply,
    };
    hall.deliver(&key, Work::Command(job));
}
