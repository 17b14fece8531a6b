//! After a seed: `explain` knows its commands, and whatever it tells of them is balanced.
//!
//! It is asked as staff ask, by the client's id and the stream, and its answer is held against the record that the oracle
//! has seen. It must leave the journal as it is.

use domain::{Event, StreamId};
use futures_util::FutureExt;
use journal::Reader;
use livehouse::ledger::explain::{Outcome, Question, SettlementState, explain, find, write};
use projections::Zone;

use crate::model::Seen;
use crate::script::Command;
use crate::tally::Tally;

/// How many of a seed's commands are explained.
const SAMPLE: usize = 24;

/// Explains some of the commands of a seed, each with its first record where it left one.
pub fn some(reader: &dyn Reader, commands: &[(&Command, Option<&Seen>)], tally: &mut Tally) {
    // Evenly over all of it, and not always the same kinds.
    let step = commands.len().div_ceil(SAMPLE).max(1);
    for (command, seen) in commands.iter().step_by(step) {
        one(reader, command, *seen, tally);
    }
}

fn one(reader: &dyn Reader, command: &Command, seen: Option<&Seen>, tally: &mut Tally) {
    let stream: StreamId = command
        .stream()
        .parse()
        .expect("the script writes well-formed ids");
    let question = Question {
        id: &command.id,
        user: None,
        stream: Some(&stream),
    };
    let found = find(reader, question)
        .now_or_never()
        .expect("nothing waits")
        .expect("a sound journal can be read");
    // In one stream two people may have made the same id.
    let wanted = found.iter().find(|record| record.cause.actor == command.actor);
    let (Some(first), Some(seen)) = (wanted, seen) else {
        assert_eq!(
            (wanted.map(|record| record.position.sequence), seen),
            (None, None),
            "explain finds another journal: {command:?}"
        );
        tally.one("commands without a record that nothing explains");
        return;
    };
    assert_eq!(first.position.sequence, seen.sequence, "{command:?}");
    let told = explain(reader, first, Zone::shanghai(), None)
        .now_or_never()
        .expect("nothing waits")
        .expect("a sound journal can be explained");
    assert_eq!(told.command.id, command.id);
    assert_eq!(told.events[0].event, seen.event, "{command:?}");
    assert_eq!(
        (told.sums.coin, told.sums.ticket),
        (0, 0),
        "not balanced: {told:?}"
    );
    let refused = matches!(seen.event, Event::CommandRefused(_) | Event::WithdrawalRefused(_));
    match told.outcome {
        Outcome::Refused { position, .. } => {
            assert!(refused, "{told:?}");
            assert_eq!(position, seen.sequence);
            assert!(told.postings.is_empty(), "a refusal moves nothing: {told:?}");
            tally.one("refused commands explained");
        }
        Outcome::Accepted { position } => {
            assert!(!refused, "{told:?}");
            assert_eq!(position, seen.sequence);
            tally.one("accepted commands explained");
        }
    }
    if matches!(seen.event, Event::GiftSent(_)) {
        let credited = told.settlement.as_ref().map(|settlement| settlement.state);
        assert_eq!(credited, Some(SettlementState::Credited), "{told:?}");
        assert!(!told.postings.is_empty(), "{told:?}");
        tally.one("gifts explained to their credit");
    }
    if matches!(seen.event, Event::WithdrawalRequested(_)) {
        assert!(told.withdrawal.is_some(), "{told:?}");
        tally.one("withdrawals explained to their end");
    }
    let mut screen = Vec::new();
    write(&told, false, &mut screen).expect("memory takes it");
    assert!(!screen.is_empty());
}
