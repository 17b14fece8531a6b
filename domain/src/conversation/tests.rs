//! Given, when, then for conversations.

use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::testkit::{NOW_MS, check, check_refused, decide_at, given, id};
use proptest::prelude::*;

const KEY: &str = "ann";
const FREE: Between = Between {
    sender: false,
    receiver: false,
};

fn sent(from: &str, to: &str, number: u64) -> Event {
    MessageSent {
        from: id(from),
        to: id(to),
        number,
        text: "hi".into(),
    }
    .into()
}

fn was_read(reader: &str, from: &str, upto: u64) -> Event {
    let (reader, from) = (id(reader), id(from));
    MessagesRead { reader, from, upto }.into()
}

fn message(from: &str, to: &str) -> SendMessage {
    SendMessage {
        blocks: Some(FREE),
        ..SendMessage::new(id(from), id(to), "hi")
    }
}

fn send(from: &str, to: &str) -> Command {
    Command::Send(message(from, to))
}

fn known(from: &str, to: &str, mutual: bool) -> Command {
    Command::Send(SendMessage {
        mutual: Some(mutual),
        ..message(from, to)
    })
}

fn read(reader: &str, from: &str, upto: u64) -> Command {
    let (reader, from) = (id(reader), id(from));
    Command::Read(ReadMessages { reader, from, upto })
}

/// Three of Ann's that Bob has not answered.
fn three() -> Vec<Event> {
    (1..=3).map(|number| sent("ann", "bob", number)).collect()
}

/// Every refusal, each checked where it is listed, as the first that applies.
pub(crate) fn refused() -> Vec<Rejection> {
    use Rejection as R;
    let with = |change: fn(&mut SendMessage)| {
        let mut message = message("ann", "bob");
        change(&mut message);
        Command::Send(message)
    };
    let long: fn(&mut SendMessage) = |m| m.text = "x".repeat(MESSAGE_TEXT_CHARS_MAX + 1);
    let empty: fn(&mut SendMessage) = |m| (m.text, m.to) = (" \u{7}\n".into(), m.from.clone());
    let myself: fn(&mut SendMessage) = |m| (m.to, m.blocks) = (m.from.clone(), None);
    let unknown: fn(&mut SendMessage) = |m| m.blocks = None;
    let (both, other) = (
        |m: &mut SendMessage| {
            m.blocks = Some(Between {
                sender: true,
                receiver: true,
            });
        },
        |m: &mut SendMessage| {
            m.blocks = Some(Between {
                sender: false,
                receiver: true,
            });
            m.blocked_word = true;
        },
    );
    let word: fn(&mut SendMessage) = |m| (m.blocked_word, m.too_fast) = (true, true);
    let fast: fn(&mut SendMessage) = |m| (m.too_fast, m.mutual) = (true, Some(false));
    let three = three();
    let table: Vec<(&[Event], Command, R)> = Vec::from([
        (&[][..], with(empty), R::TextEmpty),
        (&[], with(long), R::TextTooLong),
        (&[], with(myself), R::MessageToSelf),
        (&[], with(unknown), R::Busy),
        (&[], with(both), R::MessageBlocked),
        (&[], with(other), R::BlockedBy),
        (&[], with(word), R::BlockedWord),
        (&three, with(fast), R::MessageTooFast),
        (&three, known("ann", "bob", false), R::AnswerAwaited),
        (&three, read("bob", "ann", 0), R::UnknownMessage),
        (&three, read("bob", "ann", 4), R::UnknownMessage),
        (&three, read("ann", "bob", 1), R::UnknownMessage),
        (&[], read("ann", "ann", 1), R::UnknownMessage),
    ]);
    for (given, when, then) in &table {
        check_refused::<Conversation>(KEY, given, when, *then);
    }
    let reached = table.into_iter().map(|(_, _, then)| then);
    reached.filter(|then| *then != R::Busy).collect()
}

#[test]
fn three_messages_are_sent_and_the_next_waits_for_an_answer() {
    let mut events = Vec::new();
    for number in 1..=3 {
        check::<Conversation>(KEY, &events, &send("ann", "bob"), &[sent("ann", "bob", number)]);
        events.push(sent("ann", "bob", number));
    }
    let asked = decide_at(&given::<Conversation>(KEY, &events), &send("ann", "bob"), NOW_MS);
    assert_eq!(asked, Ok(Decision::Already(Answer::AsksWhetherMutual)));
    check::<Conversation>(KEY, &events, &send("bob", "ann"), &[sent("bob", "ann", 1)]);
    events.push(sent("bob", "ann", 1));
    for number in 4..=6 {
        check::<Conversation>(KEY, &events, &send("ann", "bob"), &[sent("ann", "bob", number)]);
        events.push(sent("ann", "bob", number));
    }
    check_refused::<Conversation>(
        KEY,
        &events,
        &known("ann", "bob", false),
        Rejection::AnswerAwaited,
    );
    check::<Conversation>(KEY, &events, &send("bob", "ann"), &[sent("bob", "ann", 2)]);
}

#[test]
fn who_follow_each_other_write_as_much_as_they_like() {
    let mut events = three();
    for number in 4..=9 {
        check::<Conversation>(
            KEY,
            &events,
            &known("ann", "bob", true),
            &[sent("ann", "bob", number)],
        );
        events.push(sent("ann", "bob", number));
    }
    // Once they do no longer, all of that is unanswered.
    check_refused::<Conversation>(
        KEY,
        &events,
        &known("ann", "bob", false),
        Rejection::AnswerAwaited,
    );
}

#[test]
fn a_text_is_cleaned_before_it_is_sent() {
    let mut message = message("ann", "bob");
    message.text = "  h\u{0}i\u{202E} ".into();
    check::<Conversation>(KEY, &[], &Command::Send(message), &[sent("ann", "bob", 1)]);
}

#[test]
fn a_read_mark_goes_forward_only_and_counts_the_others_messages() {
    let mut events = three();
    events.push(sent("bob", "ann", 1));
    let unread = |events: &[Event], user: &str, other: &str| {
        given::<Conversation>(KEY, events).unread(&id(user), &id(other))
    };
    assert_eq!(
        (unread(&events, "bob", "ann"), unread(&events, "ann", "bob")),
        (3, 1)
    );
    check::<Conversation>(KEY, &events, &read("bob", "ann", 2), &[was_read("bob", "ann", 2)]);
    events.push(was_read("bob", "ann", 2));
    assert_eq!(
        (unread(&events, "bob", "ann"), unread(&events, "ann", "bob")),
        (1, 1)
    );
    for upto in [1, 2] {
        let before = decide_at(
            &given::<Conversation>(KEY, &events),
            &read("bob", "ann", upto),
            NOW_MS,
        );
        assert_eq!(before, Ok(Decision::Already(Answer::Read { upto: 2 })));
    }
    check::<Conversation>(KEY, &events, &read("bob", "ann", 3), &[was_read("bob", "ann", 3)]);
}

#[test]
fn no_refusal_is_recorded() {
    for rejection in [Rejection::AnswerAwaited, Rejection::BlockedBy] {
        assert_eq!(Conversation::refused(&send("ann", "bob"), rejection), None);
    }
}

/// One thing that happens in the model below; the flag says whether it is Bob who does it.
#[derive(Debug, Clone)]
enum Op {
    Send(bool, Option<bool>),
    Read(bool, u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (any::<bool>(), any::<Option<bool>>()).prop_map(|(bob, mutual)| Op::Send(bob, mutual)),
        1 => (any::<bool>(), 0u64..12).prop_map(|(bob, upto)| Op::Read(bob, upto)),
    ]
}

proptest! {
    /// Whatever the two do: numbers have no gap, who does not follow never has more than three unanswered, nothing is read that
    /// was not sent, and a mark never goes back. The model is the list of who wrote.
    #[test]
    fn a_conversation_is_what_its_plain_history_says(ops in proptest::collection::vec(op(), 0..60)) {
        let names = ["ann", "bob"];
        let mut state = given::<Conversation>(KEY, &[]);
        let mut wrote: Vec<bool> = Vec::new();
        let mut marks = [0u64; 2];
        for op in ops {
            let (who, command) = match op {
                Op::Send(bob, mutual) => {
                    let (from, to) = (names[usize::from(bob)], names[usize::from(!bob)]);
                    (bob, Command::Send(SendMessage { mutual, ..message(from, to) }))
                }
                Op::Read(bob, upto) => (bob, read(names[usize::from(bob)], names[usize::from(!bob)], upto)),
            };
            let count = |of: bool| wrote.iter().filter(|by| **by == of).count() as u64;
            let row = wrote.iter().rev().take_while(|by| **by == who).count();
            let decided = decide_at(&state, &command, NOW_MS);
            match &command {
                Command::Send(send) => match (row >= 3, send.mutual) {
                    (true, None) => prop_assert_eq!(decided.clone(), Ok(Decision::Already(Answer::AsksWhetherMutual))),
                    (true, Some(false)) => prop_assert_eq!(decided.clone(), Err(Rejection::AnswerAwaited)),
                    _ => {
                        let number = count(who) + 1;
                        let text = String::from("hi");
                        let (from, to) = (send.from.clone(), send.to.clone());
                        prop_assert_eq!(decided.clone(), Ok(Decision::happens(MessageSent { from, to, number, text })));
                        wrote.push(who);
                    }
                },
                Command::Read(read) => {
                    let mark = &mut marks[usize::from(who)];
                    if read.upto == 0 || read.upto > count(!who) {
                        prop_assert_eq!(decided.clone(), Err(Rejection::UnknownMessage));
                    } else {
                        *mark = read.upto.max(*mark);
                        prop_assert!(decided.is_ok());
                    }
                }
            }
            if let Ok(Decision::Happens(events)) = decided {
                events.iter().for_each(|event| state.evolve(event, NOW_MS));
            }
            for bob in [false, true] {
                let (user, other) = (id(names[usize::from(bob)]), id(names[usize::from(!bob)]));
                let count = |of: bool| wrote.iter().filter(|by| **by == of).count() as u64;
                prop_assert_eq!(state.sent(&user, &other), count(bob));
                prop_assert_eq!(state.unread(&user, &other), count(!bob) - marks[usize::from(bob)]);
            }
        }
    }
}
