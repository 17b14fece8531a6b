//! The rules of private messages as plain lists, written a second time. What lies with others (who blocks, who follows) and
//! how fast is too fast it does not decide.

use domain::event::{MessageSent, MessagesRead};
use domain::{Event, Rejection};

use crate::life::id;
use crate::model::Verdict;
use crate::script::Body;

/// Messages that wait for an answer of somebody whom one does not know.
pub const ROW: usize = 3;

/// One conversation.
#[derive(Debug, Default, Clone)]
pub struct Letters {
    /// Who wrote each message, its place and its time.
    pub written: Vec<(String, u64, i64)>,
    /// Who has read how much of the other one's.
    pub read: Vec<(String, u64)>,
    /// Places of everything that both are told.
    pub told: Vec<u64>,
}

impl Letters {
    /// How many messages somebody wrote.
    pub fn count(&self, who: &str) -> u64 {
        self.written.iter().filter(|(by, ..)| by == who).count() as u64
    }

    /// How many somebody has written since the other one did.
    pub fn row(&self, who: &str) -> usize {
        self.written.iter().rev().take_while(|(by, ..)| by == who).count()
    }

    /// Up to which of the other one's messages somebody has read.
    pub fn mark(&self, who: &str) -> u64 {
        let mut marks = self.read.iter().rev();
        marks.find(|(by, _)| by == who).map_or(0, |(_, upto)| *upto)
    }

    /// What the rules make of a command, given whether the two follow each other.
    pub fn verdict(&self, actor: &str, body: &Body, mutual: bool) -> Verdict {
        match body {
            Body::Message { to, text, blocked } => {
                let text = text.kept.clone()?;
                if to == actor {
                    return Err(Rejection::MessageToSelf);
                }
                if *blocked {
                    return Err(Rejection::BlockedWord);
                }
                if self.row(actor) >= ROW && !mutual {
                    return Err(Rejection::AnswerAwaited);
                }
                let (from, to, number) = (id(actor), id(to), self.count(actor) + 1);
                Ok(vec![
                    MessageSent {
                        from,
                        to,
                        number,
                        text,
                    }
                    .into(),
                ])
            }
            Body::Read { from, upto } => {
                if from == actor || *upto == 0 || *upto > self.count(from) {
                    return Err(Rejection::UnknownMessage);
                }
                if *upto <= self.mark(actor) {
                    return Ok(Vec::new());
                }
                let (reader, from, upto) = (id(actor), id(from), *upto);
                Ok(vec![MessagesRead { reader, from, upto }.into()])
            }
            other => panic!("{other:?} is nothing for a conversation"),
        }
    }

    /// Takes an event of the conversation.
    pub fn apply(&mut self, event: &Event, place: u64, at_ms: i64) {
        match event {
            Event::MessageSent(e) => self.written.push((e.from.to_string(), place, at_ms)),
            Event::MessagesRead(e) => self.read.push((e.reader.to_string(), e.upto)),
            other => panic!("{other:?} in a conversation"),
        }
        self.told.push(place);
    }
}
