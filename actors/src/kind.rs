//! What an aggregate needs besides its decisions to live as an actor: what others may know of it, and when it wants to
//! be woken.

use domain::conversation::{self, Between, Conversation};
use domain::order::Order;
use domain::payment::Payment;
use domain::process::Process;
use domain::room::{self, Room};
use domain::settlement::Settlement;
use domain::streamer::Streamer;
use domain::viewer::{self, Blocks, Viewer};
use domain::{Aggregate, Catalogue, Event, Rejection, RoomId, SessionNumber, UserId};

use crate::House;
use crate::limits::{
    CATALOGUE_MAILBOX_COMMANDS_MAX, CONVERSATION_MAILBOX_COMMANDS_MAX, ORDER_MAILBOX_COMMANDS_MAX,
    PAYMENT_MAILBOX_COMMANDS_MAX, ROOM_MAILBOX_COMMANDS_MAX, STREAMER_MAILBOX_COMMANDS_MAX,
    VIEWER_MAILBOX_COMMANDS_MAX,
};

/// Something that others may know of an actor without asking it, once it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The session that runs in a room, or that none does.
    Live(RoomId, Option<SessionNumber>),
    /// Whom a viewer blocks; none who never blocked anybody.
    Blocks(UserId, Option<Box<Blocks>>),
    /// Changes of that, in order.
    BlockChanges(UserId, Vec<Event>),
    /// What is on offer.
    Catalogue(Catalogue),
    /// What was changed about the offer.
    Offer(Box<Event>),
}

impl Notice {
    pub(crate) fn publish(self, house: &House) {
        match self {
            Self::Live(room, session) => house.live.set(room, session),
            Self::Blocks(viewer, blocks) => house.blocks.set(viewer, blocks),
            Self::BlockChanges(viewer, events) => {
                events
                    .iter()
                    .for_each(|event| house.blocks.change(&viewer, event));
            }
            // One that was never changed is as the house was built with it.
            Self::Catalogue(catalogue) if catalogue.is_empty() => {}
            Self::Catalogue(catalogue) => house.offer(|offer| *offer = catalogue),
            Self::Offer(event) => house.offer(|offer| offer.evolve(&event, 0)),
        }
    }

    pub(crate) fn withdraw(self, house: &House) {
        match self {
            Self::Live(room, _) => house.live.forget(&room),
            Self::Blocks(viewer, _) => house.blocks.forget(&viewer),
            // The offer stands, whether its actor is there or not; changes are no standing.
            Self::Catalogue(_) | Self::Offer(_) | Self::BlockChanges(..) => {}
        }
    }
}

/// An aggregate that lives as an actor.
pub trait Kind: Aggregate + Unpin {
    /// Commands that may wait for one actor.
    const MAILBOX_COMMANDS_MAX: usize;

    /// What others may know once these events are durable, if they change it.
    fn notice(_key: &UserId, _events: &[Event]) -> Option<Notice> {
        None
    }

    /// What others may know of this (durable) state.
    fn standing(&self, _key: &UserId) -> Option<Notice> {
        None
    }

    /// Looks up what others have made known, as the last thing before a command is decided: it is put into the command (what
    /// the command says of it is ignored), or refuses it.
    fn look_up(_key: &UserId, _command: &mut Self::Command, _house: &House) -> Result<(), Rejection> {
        Ok(())
    }

    /// Whether a command that was answered so took place; if not, it only asked, and is not counted.
    fn took_place(_answer: &Self::Answer) -> bool {
        true
    }

    /// When [`Kind::wake_command`] is due, unix ms.
    fn wake_at_ms(&self) -> Option<i64> {
        None
    }

    /// The command that time brings.
    fn wake_command() -> Option<Self::Command> {
        None
    }
}

impl Kind for Viewer {
    const MAILBOX_COMMANDS_MAX: usize = VIEWER_MAILBOX_COMMANDS_MAX;

    fn notice(key: &UserId, events: &[Event]) -> Option<Notice> {
        let is_change = |event: &&Event| matches!(event, Event::Blocked(_) | Event::Unblocked(_));
        let changes: Vec<_> = events.iter().filter(is_change).cloned().collect();
        (!changes.is_empty()).then(|| Notice::BlockChanges(key.clone(), changes))
    }

    fn standing(&self, key: &UserId) -> Option<Notice> {
        let blocks = self.blocks();
        let blocks = (blocks.changes() > 0).then(|| Box::new(blocks.clone()));
        Some(Notice::Blocks(key.clone(), blocks))
    }

    /// A follow is decided by what its streamer's blocks are now, not by what they were when somebody asked: whatever block
    /// is made later ends it.
    fn look_up(key: &UserId, command: &mut viewer::Command, house: &House) -> Result<(), Rejection> {
        if let viewer::Command::Follow { streamer, clearance } = command {
            *clearance = house.blocks.get(streamer, key);
        }
        Ok(())
    }

    fn took_place(answer: &viewer::Answer) -> bool {
        !matches!(answer, viewer::Answer::Toward(_) | viewer::Answer::Owes(_))
    }

    fn wake_at_ms(&self) -> Option<i64> {
        self.next_combo_end_ms()
    }

    fn wake_command() -> Option<viewer::Command> {
        Some(viewer::Command::EndIdleCombos)
    }
}

impl Kind for Streamer {
    const MAILBOX_COMMANDS_MAX: usize = STREAMER_MAILBOX_COMMANDS_MAX;

    fn notice(key: &UserId, events: &[Event]) -> Option<Notice> {
        events.iter().rev().find_map(|event| match event {
            Event::LiveStarted(started) => Some(Notice::Live(RoomId::of(key), Some(started.session))),
            Event::LiveStopped(_) => Some(Notice::Live(RoomId::of(key), None)),
            _ => None,
        })
    }

    fn standing(&self, key: &UserId) -> Option<Notice> {
        Some(Notice::Live(
            RoomId::of(key),
            self.live().map(|live| live.session),
        ))
    }
}

impl Kind for Room {
    const MAILBOX_COMMANDS_MAX: usize = ROOM_MAILBOX_COMMANDS_MAX;

    /// Whoever comes, speaks or orders here is not blocked by the streamer.
    fn look_up(key: &UserId, command: &mut room::Command, house: &House) -> Result<(), Rejection> {
        match command.user() {
            Some(user) if user != key => room::admits(house.blocks.get(key, user)),
            _ => Ok(()),
        }
    }

    fn took_place(answer: &room::Answer) -> bool {
        !matches!(
            answer,
            room::Answer::AsksWhetherFollows | room::Answer::Welcome(_)
        )
    }
}

impl Kind for Conversation {
    const MAILBOX_COMMANDS_MAX: usize = CONVERSATION_MAILBOX_COMMANDS_MAX;

    /// A message is decided by what the blocks of both are now: once somebody was told that a block holds, nothing comes
    /// through. What is given a second time, with what was asked for, counts once.
    fn look_up(_: &UserId, command: &mut conversation::Command, house: &House) -> Result<(), Rejection> {
        let conversation::Command::Send(send) = command else {
            return Ok(());
        };
        let blocks = |who: &UserId, whom: &UserId| Some(house.blocks.get(who, whom)?.blocked);
        let (from, to) = (&send.from, &send.to);
        send.blocks = blocks(from, to)
            .zip(blocks(to, from))
            .map(|(sender, receiver)| Between { sender, receiver });
        let counts = send.mutual.is_none() && send.admissible().is_ok();
        send.too_fast = counts && !house.message_rates.take(&send.from, (house.clock)());
        Ok(())
    }

    fn took_place(answer: &conversation::Answer) -> bool {
        !matches!(answer, conversation::Answer::AsksWhetherMutual)
    }
}

impl Kind for Order {
    const MAILBOX_COMMANDS_MAX: usize = ORDER_MAILBOX_COMMANDS_MAX;
}

impl Kind for Payment {
    const MAILBOX_COMMANDS_MAX: usize = PAYMENT_MAILBOX_COMMANDS_MAX;
}

impl Kind for Catalogue {
    const MAILBOX_COMMANDS_MAX: usize = CATALOGUE_MAILBOX_COMMANDS_MAX;

    fn notice(_: &UserId, events: &[Event]) -> Option<Notice> {
        events.last().cloned().map(Box::new).map(Notice::Offer)
    }

    fn standing(&self, _: &UserId) -> Option<Notice> {
        Some(Notice::Catalogue(self.clone()))
    }
}

impl Kind for Process {
    const MAILBOX_COMMANDS_MAX: usize = 1;
}

impl Kind for Settlement {
    const MAILBOX_COMMANDS_MAX: usize = 1;
}
