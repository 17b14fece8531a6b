//! What the clients asked and what they were told, held against the journal's records by the rules of `model.rs`. It sees
//! records and answers, and never the state of what it judges.

mod answers;
mod claims;
mod letters;

use std::collections::HashMap;

use domain::{Event, Rejection, catalogue, conversation, order, payment, room, streamer, viewer};

use crate::model::{Asked, Model, Seen, refusal};
use crate::offers::Offers;
use crate::script::{Body, Command, Family};
use crate::tills;

use answers::{answer, is_of_the_house};
use claims::{Claim, Question, claim_of};

/// What an actor of any kind said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A viewer.
    Viewer(viewer::Answer),
    /// A streamer.
    Streamer(streamer::Answer),
    /// A room.
    Room(room::Answer),
    /// A conversation.
    Conversation(conversation::Answer),
    /// An order.
    Order(order::Answer),
    /// A payment.
    Payment(payment::Answer),
    /// The catalogue.
    Catalogue(catalogue::Answer),
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It took place.
    Accepted {
        /// The answer.
        said: Said,
        /// Where it stands, or where it held already.
        place: u64,
        /// When.
        at_ms: i64,
    },
    /// It was refused.
    Refused(Rejection),
    /// Nobody can say.
    Unknown,
}

struct Heard {
    command: usize,
    /// The journal's durable end when it was sent and when the answer came.
    sent: u64,
    told_at: u64,
    told: Told,
}

/// See the module.
pub struct Oracle {
    commands: Vec<Command>,
    by_id: HashMap<(String, String, u64), usize>,
    first_sent: Vec<Option<u64>>,
    sent_times: Vec<u32>,
    settled: Vec<bool>,
    deliveries: Vec<(usize, u64)>,
    heard: Vec<Heard>,
    /// Records that were seen by a sound journal: they stay for ever.
    kept: Vec<Seen>,
    /// The highest place that anybody was told of.
    told_upto: u64,
    unrecorded: u64,
    /// On offer before anything was said of it.
    offers: Offers,
}

impl Oracle {
    /// The judge of these commands.
    pub fn new(commands: Vec<Command>, offers: Offers) -> Self {
        let mut by_id = HashMap::new();
        for (number, command) in commands.iter().enumerate() {
            by_id.insert((command.stream(), command.journal_id(), command.hash), number);
        }
        let count = commands.len();
        Self {
            commands,
            by_id,
            first_sent: vec![None; count],
            sent_times: vec![0; count],
            settled: vec![false; count],
            deliveries: Vec::new(),
            heard: Vec::new(),
            kept: Vec::new(),
            told_upto: 0,
            unrecorded: 0,
            offers,
        }
    }

    /// The commands.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Notes that a command is sent while the journal ends at `head`; gives the delivery's number.
    pub fn send(&mut self, command: usize, head: u64) -> usize {
        self.first_sent[command].get_or_insert(head);
        self.sent_times[command] += 1;
        self.deliveries.push((command, head));
        self.deliveries.len() - 1
    }

    /// Notes what came of a delivery while the journal ends at `head`. Says whether the client knew the answer already.
    pub fn hear(&mut self, delivery: usize, told: Told, head: u64) -> bool {
        let (command, sent) = self.deliveries[delivery];
        let known = self.settled[command];
        match &told {
            Told::Unknown | Told::Refused(Rejection::Busy) => return known,
            Told::Accepted { place, .. } => self.told_upto = self.told_upto.max(*place),
            Told::Refused(_) => {}
        }
        assert!(
            self.told_upto <= head,
            "told of {told:?} while the journal ends at {head}"
        );
        // Who orders too fast is told to send the same again.
        self.settled[command] |= !matches!(told, Told::Refused(Rejection::OrderTooFast));
        self.heard.push(Heard {
            command,
            sent,
            told_at: head,
            told,
        });
        known
    }

    /// Commands that were sent and have no answer.
    pub fn open(&self) -> Vec<usize> {
        let sent = |number: &usize| self.first_sent[*number].is_some() && !self.settled[*number];
        (0..self.commands.len()).filter(sent).collect()
    }

    /// Commands that were sent at least once.
    pub fn sent(&self) -> Vec<usize> {
        (0..self.commands.len())
            .filter(|number| self.first_sent[*number].is_some())
            .collect()
    }

    /// Commands that were sent and have ids, each with the first record of its id in its stream.
    pub fn on_record(&self) -> Vec<(&Command, Option<&Seen>)> {
        let firsts = self.firsts(&self.kept);
        let sent = self.sent().into_iter().map(|number| &self.commands[number]);
        sent.filter(|command| command.body.family() != Family::Payment)
            .map(|command| {
                let at = firsts.get(&(command.stream(), command.journal_id()));
                (command, at.map(|at| &self.kept[*at]))
            })
            .collect()
    }

    /// How many records must be there.
    pub fn must_hold(&self) -> u64 {
        self.told_upto.max(self.kept.len() as u64)
    }

    /// Answers that rested on no record of their own, when it judged last.
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded
    }

    /// Judges all records of the journal, as a sound opening shows them. Gives the platform as the rules make it.
    pub fn judge(&mut self, log: Vec<Seen>) -> Model {
        assert!(
            log.len() as u64 >= self.must_hold(),
            "{} records, of {} somebody was told",
            log.len(),
            self.must_hold()
        );
        for (old, new) in self.kept.iter().zip(&log) {
            assert_eq!(old, new, "a record has changed");
        }
        let firsts = self.firsts(&log);
        self.check_providers(&log);
        let mut questions = self.questions_of_records(&log, &firsts);
        questions.extend(self.questions_of_letters(&log));
        for heard in &self.heard {
            questions.extend(self.check_heard(heard, &log, &firsts));
        }
        let already = |question: &&Question| matches!(question.claim, Claim::Already(..));
        self.unrecorded = questions.iter().filter(already).count() as u64;
        let model = self.replay(&log, &mut questions);
        for question in &questions {
            assert!(
                question.answered,
                "never so between {} and {} in {:?}: {:?} ({:?})",
                question.from,
                question.upto,
                question.streams,
                question.claim,
                self.command_of(&question.claim)
            );
        }
        self.kept = log;
        model
    }

    fn command_of(&self, claim: &Claim) -> Option<&Command> {
        match claim {
            Claim::Already(command, _) | Claim::Refused(command, _) => self.commands.get(*command),
            _ => None,
        }
    }

    /// The first record of every command, by stream and id. A second one that is no part of the first append is a command
    /// that was done twice.
    fn firsts(&self, log: &[Seen]) -> HashMap<(String, String), usize> {
        let mut firsts = HashMap::new();
        for (at, seen) in log.iter().enumerate() {
            let Some(id) = &seen.command_id else { continue };
            let key = (seen.stream.clone(), id.clone());
            let Some(first) = firsts.get(&key) else {
                firsts.insert(key, at);
                continue;
            };
            let follows = matches!(
                seen.event,
                Event::ComboEnded(_) | Event::ModeratorRemoved(_) | Event::Unfollowed(_)
            );
            let same_append = first + 1 == at && follows;
            assert!(same_append, "done twice: {:?} and {seen:?}", log.get(*first));
        }
        firsts
    }

    /// What the records themselves claim of others: a gift was decided with a session that ran at some moment after it was
    /// first sent, a chat where only followers may write by one who followed at such a moment.
    fn questions_of_records(&self, log: &[Seen], firsts: &HashMap<(String, String), usize>) -> Vec<Question> {
        let mut questions = Vec::new();
        for ((stream, id), at) in firsts {
            let seen = &log[*at];
            if is_of_the_house(&seen.event) {
                continue;
            }
            let Some(&number) = self.by_id.get(&(stream.clone(), id.clone(), seen.hash)) else {
                panic!("nobody asked for {seen:?}");
            };
            let from =
                self.first_sent[number].unwrap_or_else(|| panic!("it was never sent and is there: {seen:?}"));
            let Some((claim, streams)) = claim_of(&self.commands[number], &seen.event) else {
                continue;
            };
            questions.push(Question {
                from,
                upto: seen.sequence - 1,
                streams,
                claim,
                answered: false,
            });
        }
        questions
    }

    /// What a provider is said to have said, it said.
    fn check_providers(&self, log: &[Seen]) {
        for seen in log {
            let said = |command: &Command| match (&command.body, &seen.event) {
                (
                    Body::PaymentTold {
                        order,
                        amount,
                        currency,
                    },
                    Event::PaymentReceived(_),
                ) => tills::received(&command.key, order, *amount, currency) == seen.event,
                (Body::RefundTold { amount, currency }, Event::PaymentRefunded(e)) => {
                    (*amount, *currency) == (e.amount, e.currency.as_str())
                }
                _ => false,
            };
            if matches!(seen.event, Event::PaymentReceived(_) | Event::PaymentRefunded(_)) {
                let sent = self.first_sent.iter().zip(&self.commands);
                let mut sent = sent.filter(|(at, command)| {
                    at.is_some_and(|at| at < seen.sequence) && command.stream() == seen.stream
                });
                assert!(
                    sent.any(|(_, command)| said(command)),
                    "no provider said so: {seen:?}"
                );
            }
        }
    }

    /// What a client was told must be what stands in the journal; where nothing stands, it must have been so.
    fn check_heard(
        &self,
        heard: &Heard,
        log: &[Seen],
        firsts: &HashMap<(String, String), usize>,
    ) -> Vec<Question> {
        let command = &self.commands[heard.command];
        let stream = command.stream();
        let first = firsts
            .get(&(stream.clone(), command.journal_id()))
            .map(|at| &log[*at]);
        let durable = first.filter(|seen| seen.sequence <= heard.told_at);
        let question = |from, upto, claim| Question {
            from,
            upto,
            streams: vec![stream.clone()],
            claim,
            answered: false,
        };
        match &heard.told {
            Told::Accepted { said, place, at_ms } => {
                if let Some(seen) = durable.filter(|seen| seen.sequence == *place) {
                    assert_eq!(seen.hash, command.hash, "another body was accepted: {command:?}");
                    assert_eq!(
                        (answer(&seen.event), seen.at_ms),
                        (Some(said.clone()), *at_ms),
                        "{command:?}"
                    );
                    return Vec::new();
                }
                assert!(
                    !command.body.is_money(),
                    "accepted and not there: {command:?} at {place}: {first:?}"
                );
                let already = Claim::Already(heard.command, said.clone());
                vec![question(*place, *place, already)]
            }
            Told::Refused(Rejection::CommandReused) => {
                let other = durable.filter(|seen| seen.hash != command.hash);
                assert!(
                    other.is_some(),
                    "told of a reused id that was not used: {command:?}"
                );
                Vec::new()
            }
            Told::Refused(rejection) if command.body.is_money() => {
                let refused = durable.filter(|seen| seen.hash == command.hash);
                assert!(
                    refused.and_then(|seen| refusal(&seen.event)) == Some(*rejection),
                    "refused with {rejection:?}, and in the journal stands {first:?}: {command:?}"
                );
                Vec::new()
            }
            Told::Refused(Rejection::BlockedBy) => {
                let who = match &command.body {
                    Body::Follow { whom } | Body::Message { to: whom, .. } => whom.clone(),
                    _ => command.key.clone(),
                };
                let streams = vec![format!("viewer-{who}")];
                let claim = Claim::Blocks(who, command.actor.clone());
                vec![Question {
                    streams,
                    ..question(heard.sent, heard.told_at, claim)
                }]
            }
            Told::Refused(Rejection::MessageBlocked) => {
                let Body::Message { to, .. } = &command.body else {
                    panic!("no message, and refused as one: {command:?}")
                };
                let claim = Claim::Blocks(command.actor.clone(), to.clone());
                vec![Question {
                    streams: vec![format!("viewer-{}", command.actor)],
                    ..question(heard.sent, heard.told_at, claim)
                }]
            }
            Told::Refused(Rejection::MessageTooFast) => {
                self.check_too_fast(command);
                Vec::new()
            }
            Told::Refused(rejection) => {
                let (from, upto) = (heard.sent, heard.told_at);
                let mut questions = vec![question(from, upto, Claim::Refused(heard.command, *rejection))];
                if *rejection == Rejection::FollowersOnly {
                    let claim = Claim::Stranger(command.actor.clone(), command.key.clone());
                    questions.push(Question {
                        streams: vec![format!("viewer-{}", command.actor)],
                        ..question(from, upto, claim)
                    });
                }
                if let (Rejection::AnswerAwaited, Body::Message { to, .. }) = (rejection, &command.body) {
                    let (one, other) = (command.actor.clone(), to.clone());
                    questions.push(Question {
                        streams: vec![format!("viewer-{one}"), format!("viewer-{other}")],
                        ..question(from, upto, Claim::NotMutual(one, other))
                    });
                }
                if *rejection == Rejection::InDebt {
                    let claim = Claim::Owes(command.key.clone(), true);
                    questions.push(Question {
                        streams: vec![format!("viewer-{}", command.key)],
                        ..question(from, upto, claim)
                    });
                }
                questions
            }
            Told::Unknown => Vec::new(),
        }
    }

    fn replay(&self, log: &[Seen], questions: &mut [Question]) -> Model {
        let mut offers = self.offers.clone();
        log.iter().for_each(|seen| offers.apply(seen));
        let mut model = Model::new(self.offers.clone());
        let (mut by_start, mut by_stream) = (
            HashMap::<u64, Vec<usize>>::new(),
            HashMap::<String, Vec<usize>>::new(),
        );
        for (at, question) in questions.iter().enumerate() {
            by_start.entry(question.from).or_default().push(at);
            for stream in &question.streams {
                by_stream.entry(stream.clone()).or_default().push(at);
            }
        }
        let mut ask = |model: &Model, place: u64, stream: Option<&str>| {
            let started = by_start.get(&place).into_iter().flatten();
            let touched = stream
                .and_then(|stream| by_stream.get(stream))
                .into_iter()
                .flatten();
            for &at in started.chain(touched) {
                let question = &mut questions[at];
                if !question.answered && (question.from..=question.upto).contains(&place) {
                    question.answered = self.holds(model, &question.claim);
                }
            }
        };
        ask(&model, 0, None);
        for seen in log {
            let asked = seen.command_id.as_ref().and_then(|id| {
                let key = (seen.stream.clone(), id.clone(), seen.hash);
                let number = *self.by_id.get(&key)?;
                Some(self.asked(number, seen, &offers))
            });
            model.take(seen, asked);
            ask(&model, seen.sequence, Some(&seen.stream));
        }
        assert!(model.is_whole(), "the journal ends with half of an append");
        model
    }

    fn asked(&self, number: usize, seen: &Seen, offers: &Offers) -> Asked<'_> {
        let body = &self.commands[number].body;
        let prices = match body {
            Body::Gift { gift, .. } => {
                let from = self.first_sent[number].unwrap_or(0);
                offers.between(gift, from, seen.sequence - 1)
            }
            _ => vec![None],
        };
        Asked { body, prices }
    }
}
