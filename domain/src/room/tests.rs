//! Given, when, then for the room.

use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::testkit::{check, check_refused, given, id};

fn say(text: &str) -> Command {
    Command::SendChat(SendChat::new(id("ann"), text))
}

fn said(text: &str) -> Event {
    ChatSent {
        user: id("ann"),
        text: String::from(text),
        role: Role::Viewer,
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

fn count(session: u32, likes: u64) -> Command {
    let session = SessionNumber(session);
    Command::CountLikes { session, likes }
}

fn counted(session: u32, likes: u64, total: u64) -> Event {
    let session = SessionNumber(session);
    LikesCounted {
        session,
        likes,
        total,
    }
    .into()
}

#[test]
fn likes_add_up_within_a_session_and_start_anew_with_the_next() {
    let given = [counted(3, 5, 5)];
    check::<Room>("room", &[], &count(3, 5), &given);
    check::<Room>("room", &given, &count(3, 2), &[counted(3, 2, 7)]);
    check::<Room>("room", &given, &count(4, 2), &[counted(4, 2, 2)]);
    check::<Room>("room", &given, &count(2, 2), &[]);
    check::<Room>("room", &given, &count(3, 0), &[]);
}

#[test]
fn likes_stay_below_what_every_client_can_hold() {
    let given = [counted(1, LIKES_MAX - 1, LIKES_MAX - 1)];
    check::<Room>("room", &given, &count(1, u64::MAX), &[counted(1, 1, LIKES_MAX)]);
    check::<Room>("room", &[counted(1, 1, LIKES_MAX)], &count(1, 1), &[]);
}
