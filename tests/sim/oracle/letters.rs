//! What private messages claim of the two who write, and how many are too many.

use std::collections::HashMap;

use domain::Event;

use super::Oracle;
use super::claims::{Claim, Question};
use crate::letters::{Letters, ROW};
use crate::model::Seen;
use crate::script::{Body, Command};

impl Oracle {
    /// What messages claim of the two: at some moment after it was first sent neither blocked the other, and one past three
    /// without an answer was decided after both were asked, at some moments, and said that they follow.
    pub(super) fn questions_of_letters(&self, log: &[Seen]) -> Vec<Question> {
        let mut letters = HashMap::<&str, Letters>::new();
        let mut questions = Vec::new();
        for seen in log {
            let Event::MessageSent(sent) = &seen.event else {
                continue;
            };
            let (from, to) = (sent.from.to_string(), sent.to.to_string());
            let conversation = letters.entry(&seen.stream).or_default();
            let row = conversation.row(&from);
            conversation.apply(&seen.event, seen.sequence, seen.at_ms);
            let id = seen.command_id.clone().unwrap_or_default();
            let number = self.by_id.get(&(seen.stream.clone(), id, seen.hash));
            let first = number.and_then(|number| self.first_sent[*number]);
            let first = first.unwrap_or_else(|| panic!("nobody asked for {seen:?}"));
            let mut question = |claim, streams| {
                questions.push(Question {
                    from: first,
                    upto: seen.sequence - 1,
                    streams,
                    claim,
                    answered: false,
                });
            };
            let viewers = [format!("viewer-{from}"), format!("viewer-{to}")];
            question(Claim::NoBlocks(from.clone(), to.clone()), viewers.to_vec());
            if row >= ROW {
                let [one, other] = viewers;
                question(Claim::Follows(from.clone(), to.clone()), vec![one]);
                question(Claim::Follows(to, from), vec![other]);
            }
        }
        questions
    }

    /// Who was told to slow down has tried before: more often than is taken at once, or less and the clock jumped back.
    pub(super) fn check_too_fast(&self, command: &Command) {
        let of_them = |(other, _): &&(usize, u64)| {
            let other = &self.commands[*other];
            other.actor == command.actor && matches!(other.body, Body::Message { .. })
        };
        let tried = self.deliveries.iter().filter(of_them).count();
        assert!(tried > 1, "one message is not too many: {command:?}");
    }
}
