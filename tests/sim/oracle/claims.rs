//! What answers and records claim of the platform at some moment, and whether the rules bear it out.

use domain::event::Role;
use domain::streamer::WithdrawalState;
use domain::{Event, Rejection, catalogue, conversation, order, payment, room, streamer, viewer};

use super::{Oracle, Said};
use crate::model::{Elsewhere, Model, refusal};
use crate::script::{Body, Command, Family};

/// Something that must have been so at some moment: between two places of the journal.
pub(super) struct Question {
    pub(super) from: u64,
    pub(super) upto: u64,
    /// What can change the answer.
    pub(super) streams: Vec<String>,
    pub(super) claim: Claim,
    pub(super) answered: bool,
}

#[derive(Debug)]
pub(super) enum Claim {
    /// Command: the rules answer so, without an event.
    Already(usize, Said),
    /// Command: the rules refuse it so.
    Refused(usize, Rejection),
    /// Room: this session runs.
    Session(String, Option<u32>),
    /// Room: some session runs.
    Live(String),
    /// User, streamer: the one does not follow the other.
    Stranger(String, String),
    /// User, user: the one follows the other.
    Follows(String, String),
    /// User, user: at least one of them does not follow the other.
    NotMutual(String, String),
    /// User, user: neither blocks the other.
    NoBlocks(String, String),
    /// User, user: the one blocks the other.
    Blocks(String, String),
    /// User: their blocks have seen so many changes.
    BlockChanges(String, u64),
    /// User: owes something as a viewer, or nothing.
    Owes(String, bool),
    /// User, room: everybody may write there, or this one is in charge or follows.
    MayWrite(String, String),
}

impl Oracle {
    /// Whether something is so in the platform as it stands.
    pub(super) fn holds(&self, model: &Model, claim: &Claim) -> bool {
        match claim {
            Claim::Session(room, session) => model.session(room) == *session,
            Claim::Live(room) => model.session(room).is_some(),
            Claim::Owes(user, owes) => {
                let debt = model.viewers.get(user).map_or(0, |viewer| viewer.debt);
                (debt > 0) == *owes
            }
            Claim::Blocks(who, whom) => model.blocks(who, whom),
            Claim::BlockChanges(who, changes) => model.block_changes(who) == *changes,
            Claim::Stranger(user, streamer) => !model.follows(user, streamer),
            Claim::Follows(user, other) => model.follows(user, other),
            Claim::NotMutual(one, other) => !model.follows(one, other) || !model.follows(other, one),
            Claim::NoBlocks(one, other) => !model.blocks(one, other) && !model.blocks(other, one),
            Claim::MayWrite(user, room) => {
                let role = model.room(room).role(room, user);
                !model.room(room).followers_only || role != Role::Viewer || model.follows(user, room)
            }
            Claim::Refused(number, rejection) => {
                let command = &self.commands[*number];
                if command.body.family() == Family::Room {
                    let room = model.room(&command.key);
                    if room.may_refuse(&command.key, &command.actor, &command.body, *rejection) {
                        return true;
                    }
                }
                let owes = *rejection == Rejection::InDebt;
                let elsewhere = Elsewhere {
                    owes,
                    ..Elsewhere::usual()
                };
                let verdict = model.verdict(&command.key, &command.actor, &command.body, elsewhere);
                verdict.err() == Some(*rejection)
            }
            Claim::Already(number, said) => {
                let command = &self.commands[*number];
                let verdict = model.verdict(&command.key, &command.actor, &command.body, Elsewhere::usual());
                if command.body.family() == Family::Room {
                    let holds = model.room(&command.key).may_hold_by_the_clock(&command.body);
                    return (holds || verdict == Ok(Vec::new()))
                        && *said == Said::Room(room::Answer::Ordered);
                }
                let wanted = match &command.body {
                    Body::Read { .. } => {
                        let upto = model.letters(&command.key).mark(&command.actor);
                        Some(Said::Conversation(conversation::Answer::Read { upto }))
                    }
                    Body::EndCombo { combo } => {
                        let viewer = model.viewers.get(&command.key);
                        let known = viewer.and_then(|v| v.combos.iter().find(|c| c.id == *combo));
                        known.map(|c| Said::Viewer(viewer::Answer::ComboEnded { total: c.total }))
                    }
                    Body::CancelOrder => Some(Said::Order(order::Answer::Cancelled)),
                    Body::PaymentTold { .. } | Body::RefundTold { .. } => {
                        Some(Said::Payment(payment::Answer::Noted))
                    }
                    Body::List { .. } => Some(Said::Catalogue(catalogue::Answer::Changed)),
                    Body::Reject { .. } => {
                        let rejected = streamer::Answer::Withdrawal(WithdrawalState::Rejected);
                        Some(Said::Streamer(rejected))
                    }
                    _ => Some(Said::Viewer(viewer::Answer::Relation)),
                };
                verdict == Ok(Vec::new()) && wanted.as_ref() == Some(said)
            }
        }
    }
}

/// What a record claims of others than the one in whose stream it stands, and whose records can change that.
pub(super) fn claim_of(command: &Command, event: &Event) -> Option<(Claim, Vec<String>)> {
    let room = match &command.body {
        Body::Gift { room, .. } => room,
        Body::Follow { whom } => {
            let Event::Followed(followed) = event else {
                return None;
            };
            let claim = Claim::BlockChanges(whom.clone(), followed.cleared);
            return Some((claim, vec![format!("viewer-{whom}")]));
        }
        body if body.asks_debt() => {
            let owes = match event {
                Event::WithdrawalRequested(_) | Event::WithdrawalApproved(_) => false,
                event if refusal(event) == Some(Rejection::InDebt) => true,
                _ => return None,
            };
            let claim = Claim::Owes(command.key.clone(), owes);
            return Some((claim, vec![format!("viewer-{}", command.key)]));
        }
        Body::Chat { .. } => {
            let (user, room) = (command.actor.clone(), command.key.clone());
            let streams = vec![format!("viewer-{user}"), command.stream()];
            return Some((Claim::MayWrite(user, room), streams));
        }
        _ => return None,
    };
    let claim = match event {
        Event::GiftSent(sent) => Claim::Session(room.clone(), Some(sent.session.0)),
        Event::CommandRefused(refused) => match refused.rejection {
            Rejection::RoomNotLive => Claim::Session(room.clone(), None),
            Rejection::NotEnoughCoins => Claim::Live(room.clone()),
            _ => return None,
        },
        _ => return None,
    };
    Some((claim, vec![format!("streamer-{room}")]))
}
