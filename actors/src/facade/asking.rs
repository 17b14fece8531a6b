//! What has to be asked of one actor before another one decides: a gift's room which session runs in it, a user what they owe,
//! whom they block, whether they follow. It must never decide anything itself, and never let a viewer's later command
//! overtake one that waits.

use std::sync::Arc;

use domain::conversation::{self, ReadMessages, SendMessage};
use domain::ids::conversation_key;
use domain::room::{self, Room, SendChat};
use domain::streamer::{self, Streamer};
use domain::viewer::{self, Viewer};
use domain::{Rejection, RoomId, UserId};

use super::Inner;
use crate::senders::Turn;
use crate::shell::{Job, Work};
use crate::{Failure, Outcome, Reply, Request};

/// Whether a viewer's command can go to its viewer now.
enum Ready {
    Yes(Job<Viewer>),
    /// Somebody has to be asked something first.
    Asks(Asks, Job<Viewer>),
}

/// What has to be asked before a viewer's command is decided.
enum Asks {
    /// A gift's room, which session runs in it.
    Session(RoomId),
    /// The streamer of a follow, whom they block.
    Blocks(UserId),
}

impl Inner {
    pub(super) fn take_turn(self: &Arc<Self>, user: &UserId, job: Job<Viewer>) {
        let job = match self.senders.queue(user, job) {
            Turn::Now(job) => job,
            Turn::Later => return,
            Turn::Full(job) => return self.busy(job),
        };
        let (asks, job) = match self.ready(job) {
            Ready::Yes(job) => return self.viewers.send(user, Work::Command(job)),
            Ready::Asks(asks, job) => (asks, job),
        };
        match self.senders.hold(user, job) {
            Turn::Now(job) => self.ask(user, asks, job),
            Turn::Later => {}
            Turn::Full(job) => self.busy(job),
        }
    }

    /// A gift's session comes from the directory. What somebody's blocks say of a follow does as well, when it is decided.
    fn ready(&self, mut job: Job<Viewer>) -> Ready {
        match &mut job.command {
            viewer::Command::SendGift(send) => match self.house.live.get(&send.room) {
                Some(session) => send.session = session,
                None => return Ready::Asks(Asks::Session(send.room.clone()), job),
            },
            viewer::Command::Follow { streamer, .. } if !self.house.blocks.knows(streamer) => {
                return Ready::Asks(Asks::Blocks(streamer.clone()), job);
            }
            _ => {}
        }
        Ready::Yes(job)
    }

    fn ask(self: &Arc<Self>, user: &UserId, asks: Asks, job: Job<Viewer>) {
        match asks {
            Asks::Session(room) => self.ask_session(user, &room, job),
            Asks::Blocks(streamer) => {
                let (inner, user) = (self.clone(), user.clone());
                self.ask_blocks(&streamer, move |told| {
                    match told {
                        Ok(()) => inner.viewers.send(&user, Work::Command(job)),
                        Err(failure) => job.reply.send(Err(failure)),
                    }
                    inner.follow_up(&user);
                });
            }
        }
    }

    /// Asks a viewer who is not in the directory, which puts them there: for all at once who want to know.
    fn ask_blocks(self: &Arc<Self>, whom: &UserId, then: impl FnOnce(Result<(), Failure>) + Send + 'static) {
        if !self.block_questions.wait(whom, Box::new(then)) {
            return;
        }
        let (inner, asked) = (self.clone(), whom.clone());
        let told = move |told: Outcome<viewer::Answer>| {
            inner.block_questions.told(&asked, &told.map(|_| ()));
        };
        let question = Job {
            request: Request::of_system("door"),
            command: viewer::Command::AskToward { user: whom.clone() },
            reply: Reply::from(told),
        };
        self.viewers.send(whom, Work::Command(question));
    }

    /// A room looks up whom its streamer blocks: the streamer is asked first if that is not known.
    pub(super) fn admit(self: &Arc<Self>, room: &RoomId, job: Job<Room>) {
        let streamer = room.streamer();
        let comes = job.command.user().is_some_and(|user| *user != streamer);
        if !comes || self.house.blocks.knows(&streamer) {
            return self.rooms.send(&streamer, Work::Command(job));
        }
        let (inner, asked) = (self.clone(), streamer.clone());
        self.ask_blocks(&asked, move |told| match told {
            Ok(()) => inner.rooms.send(&streamer, Work::Command(job)),
            Err(failure) => job.reply.send(Err(failure)),
        });
    }

    /// A room that is not in the directory is asked for, which loads its streamer; the sender's next commands follow.
    fn ask_session(self: &Arc<Self>, user: &UserId, room: &RoomId, mut job: Job<Viewer>) {
        let (inner, user) = (self.clone(), user.clone());
        let told = move |told: Outcome<Streamer>| {
            match told {
                Ok(told) => {
                    if let viewer::Command::SendGift(send) = &mut job.command {
                        send.session = told.answer.live().map(|live| live.session);
                    }
                    inner.viewers.send(&user, Work::Command(job));
                }
                Err(failure) => job.reply.send(Err(failure)),
            }
            inner.follow_up(&user);
        };
        self.streamers
            .send(&room.streamer(), Work::Ask(Reply::from(told)));
    }

    /// A withdrawal goes to its streamer with what the same user's viewer owes.
    pub(super) fn ask_debt(self: &Arc<Self>, user: &UserId, mut job: Job<Streamer>) {
        let (inner, streamer) = (self.clone(), user.clone());
        let told = move |told: Outcome<viewer::Answer>| match told {
            Ok(told) => {
                let owed = match told.answer {
                    viewer::Answer::Owes(coins) => coins,
                    _ => 0,
                };
                match &mut job.command {
                    streamer::Command::RequestWithdrawal(request) => request.debt = owed,
                    streamer::Command::ApproveWithdrawal { debt, .. } => *debt = owed,
                    _ => {}
                }
                inner.streamers.send(&streamer, Work::Command(job));
            }
            Err(failure) => job.reply.send(Err(failure)),
        };
        let question = Job {
            request: Request::of_system("withdrawals"),
            command: viewer::Command::AskDebt,
            reply: Reply::from(told),
        };
        self.viewers.send(user, Work::Command(question));
    }

    pub(super) fn give_room(
        &self,
        room: &RoomId,
        request: Request,
        command: room::Command,
        reply: Reply<room::Answer>,
    ) {
        let job = Job {
            request,
            command,
            reply,
        };
        self.rooms.send(&room.streamer(), Work::Command(job));
    }

    /// Passes on what a room says, unless it asks whether the author of a chat follows the streamer: then the author's
    /// actor is asked, and the chat goes to the room once more.
    pub(super) fn ask_whether_follows(
        self: &Arc<Self>,
        room: &RoomId,
        request: Request,
        chat: SendChat,
        reply: Reply<room::Answer>,
    ) -> Reply<room::Answer> {
        let (inner, room) = (self.clone(), room.clone());
        Reply::from(move |said: Outcome<room::Answer>| {
            if !matches!(&said, Ok(said) if said.answer == room::Answer::AsksWhetherFollows) {
                return reply.send(said);
            }
            let (author, streamer, asking) = (chat.user.clone(), room.streamer(), inner.clone());
            let told = move |told: Outcome<viewer::Answer>| match told {
                Ok(told) => {
                    let follows = match told.answer {
                        viewer::Answer::Toward(toward) => Some(toward.follows),
                        _ => None,
                    };
                    let command = room::Command::SendChat(SendChat { follows, ..chat });
                    inner.give_room(&room, request, command, reply);
                }
                Err(failure) => reply.send(Err(failure)),
            };
            let question = Job {
                request: Request::of_system("room"),
                command: viewer::Command::AskToward { user: streamer },
                reply: Reply::from(told),
            };
            asking.viewers.send(&author, Work::Command(question));
        })
    }

    /// Gives a conversation a command. A message looks up whom both of them block: whoever is not known is asked first.
    pub(super) fn converse(
        self: &Arc<Self>,
        request: Request,
        command: conversation::Command,
        reply: Reply<conversation::Answer>,
    ) {
        match command {
            conversation::Command::Read(ReadMessages {
                ref reader, ref from, ..
            }) => {
                let key = conversation_key(reader, from);
                let job = Job {
                    request,
                    command,
                    reply,
                };
                self.conversations.send(&key, Work::Command(job));
            }
            conversation::Command::Send(mut send) => {
                send.mutual = None;
                let reply = self.counted(reply);
                let reply = self.ask_whether_mutual(request.clone(), send.clone(), reply);
                self.give_message(request, send, reply);
            }
        }
    }

    fn counted(self: &Arc<Self>, reply: Reply<conversation::Answer>) -> Reply<conversation::Answer> {
        let inner = self.clone();
        Reply::from(move |said: Outcome<conversation::Answer>| {
            if said.is_ok() {
                inner.house.stats.messages.add_one();
            }
            reply.send(said);
        })
    }

    fn give_message(
        self: &Arc<Self>,
        request: Request,
        send: SendMessage,
        reply: Reply<conversation::Answer>,
    ) {
        let unknown = [&send.from, &send.to]
            .into_iter()
            .find(|user| !self.house.blocks.knows(user));
        let Some(unknown) = unknown.cloned() else {
            let key = conversation_key(&send.from, &send.to);
            let job = Job {
                request,
                command: conversation::Command::Send(send),
                reply,
            };
            return self.conversations.send(&key, Work::Command(job));
        };
        let inner = self.clone();
        self.ask_blocks(&unknown, move |told| match told {
            Ok(()) => inner.give_message(request, send, reply),
            Err(failure) => reply.send(Err(failure)),
        });
    }

    /// Passes on what a conversation says, unless it asks whether the two follow each other: then both are asked, and the
    /// message goes to it once more.
    fn ask_whether_mutual(
        self: &Arc<Self>,
        request: Request,
        send: SendMessage,
        reply: Reply<conversation::Answer>,
    ) -> Reply<conversation::Answer> {
        let inner = self.clone();
        Reply::from(move |said: Outcome<conversation::Answer>| {
            if !matches!(&said, Ok(said) if said.answer == conversation::Answer::AsksWhetherMutual) {
                return reply.send(said);
            }
            let (from, to) = (send.from.clone(), send.to.clone());
            let (asking, second, first) = (inner.clone(), to.clone(), from.clone());
            inner.ask_follows(&from, &to, move |follows| match follows {
                Ok(true) => {
                    let again = asking.clone();
                    asking.ask_follows(&second, &first, move |follows| match follows {
                        Ok(mutual) => again.give_known(request, send, mutual, reply),
                        Err(failure) => reply.send(Err(failure)),
                    });
                }
                Ok(false) => asking.give_known(request, send, false, reply),
                Err(failure) => reply.send(Err(failure)),
            });
        })
    }

    fn give_known(
        self: &Arc<Self>,
        request: Request,
        send: SendMessage,
        mutual: bool,
        reply: Reply<conversation::Answer>,
    ) {
        let mutual = Some(mutual);
        self.give_message(request, SendMessage { mutual, ..send }, reply);
    }

    /// Asks a viewer whether they follow somebody.
    fn ask_follows(
        &self,
        who: &UserId,
        whom: &UserId,
        then: impl FnOnce(Result<bool, Failure>) + Send + 'static,
    ) {
        let told = move |told: Outcome<viewer::Answer>| {
            then(told.map(|told| matches!(told.answer, viewer::Answer::Toward(toward) if toward.follows)));
        };
        let question = Job {
            request: Request::of_system("door"),
            command: viewer::Command::AskToward { user: whom.clone() },
            reply: Reply::from(told),
        };
        self.viewers.send(who, Work::Command(question));
    }

    /// Gives what the sender gave meanwhile, up to the next gift that has to wait.
    fn follow_up(self: &Arc<Self>, user: &UserId) {
        while let Some(job) = self.senders.next(user) {
            match self.ready(job) {
                Ready::Yes(job) => self.viewers.send(user, Work::Command(job)),
                Ready::Asks(asks, job) => return self.ask(user, asks, job),
            }
        }
    }

    fn busy(&self, job: Job<Viewer>) {
        self.house.stats.count_refused(Rejection::Busy);
        job.reply.send(Err(Rejection::Busy.into()));
    }
}
