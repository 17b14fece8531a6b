//! Given, when, then for the room.

use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::testkit::{check, check_refused, given, id};

fn say(text: &str) -> Command {
    Command::SendChat {
        user: id("ann"),
        text: String::from(text),
    }
}

fn said(text: &str) -> Event {
    ChatSent {
        user: id("ann"),
        text: String::from(text),
    }
    .into()
}

/// Every refusal, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    let table = [
        (say(" \n\u{7}"), Rejection::TextEmpty),
        (say(&"x".repeat(CHAT_TEXT_CHARS_MAX + 1)), Rejection::TextTooLong),
    ];
    for (when, then) in &table {
        check_refused::<Room>("room", &[], when, *then);
    }
    table.into_iter().map(|(_, then)| then).collect()
}

#[test]
fn chat_is_said_cleaned() {
    check::<Room>("room", &[], &say("hello"), &[said("hello")]);
    check::<Room>("room", &[said("a")], &say(" he\u{0}llo \n"), &[said("hello")]);
    check::<Room>(
        "room",
        &[],
        &say(&"é".repeat(CHAT_TEXT_CHARS_MAX)),
        &[said(&"é".repeat(CHAT_TEXT_CHARS_MAX))],
    );
}

#[test]
fn chat_is_counted() {
    assert_eq!(given::<Room>("room", &[said("a"), said("b")]).chats(), 2);
}

#[test]
fn refused_chat_leaves_no_record() {
    assert_eq!(Room::refused(&say(""), Rejection::TextEmpty), None);
}
