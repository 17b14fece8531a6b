//! Given, when, then for the room: who may write, how fast, and who is told why not. Orders are in `orders`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::event::{Banned, FollowersOnlySet, Kicked, ModeratorAdded, Muted, SlowModeSet, Unbanned, Unmuted};
use crate::limits::{
    CHATS_REMEMBERED_MAX, KICK_MS, REPEATED_TEXT_MS, ROOM_CHATS_FOR_STAFF, ROOM_CHATS_PER_SECOND_MAX,
};
use crate::testkit::{GIVEN_MS, NOW_MS, check, check_refused, decide_at, given, id};
use proptest::prelude::*;

mod orders;

/// The room of these tests is this streamer's.
const ROOM: &str = "kim";

fn say(text: &str) -> Command {
    say_as("ann", text)
}

fn say_as(user: &str, text: &str) -> Command {
    Command::SendChat(SendChat::new(id(user), text))
}

fn said(text: &str) -> Event {
    said_by("ann", Role::Viewer, text)
}

fn said_by(user: &str, role: Role, text: &str) -> Event {
    let (user, text) = (id(user), String::from(text));
    ChatSent { user, text, role }.into()
}

fn slow(seconds: u32) -> Event {
    let by = id(ROOM);
    SlowModeSet { seconds, by }.into()
}

fn followers_only() -> Event {
    FollowersOnlySet {
        on: true,
        by: id(ROOM),
    }
    .into()
}

fn moderator(user: &str) -> Event {
    let (user, by) = (id(user), id(ROOM));
    ModeratorAdded { user, by }.into()
}

fn banned(user: &str) -> Event {
    let (user, by) = (id(user), id(ROOM));
    Banned { user, by }.into()
}

fn kicked(user: &str) -> Event {
    let (user, by) = (id(user), id(ROOM));
    Kicked { user, by }.into()
}

fn muted(user: &str, until_ms: i64) -> Event {
    let (user, by) = (id(user), id(ROOM));
    Muted { user, until_ms, by }.into()
}

/// What comes of a command within the same second as all that is given.
fn at_once(given_events: &[Event], when: &Command) -> Result<Decision<Answer>, Rejection> {
    decide_at(&given::<Room>(ROOM, given_events), when, GIVEN_MS + 999)
}

/// Chats of viewers within one second.
const VIEWERS_AT_ONCE: usize = ROOM_CHATS_PER_SECOND_MAX - ROOM_CHATS_FOR_STAFF;

/// So many chats, each of another user, at the time of all that is given.
fn crowd(count: usize) -> Vec<Event> {
    let chat = |n| said_by(&format!("u{n}"), Role::Viewer, "me too");
    (0..count).map(chat).collect()
}

fn refusals_of_chats() -> Vec<(Vec<Event>, Command, Rejection)> {
    let blocked = Command::SendChat(SendChat {
        blocked: true,
        ..SendChat::new(id("ann"), "b")
    });
    let stranger = Command::SendChat(SendChat {
        follows: Some(false),
        ..SendChat::new(id("ann"), "b")
    });
    let ann = |text: &str| said(text);
    let until = NOW_MS + 1;
    let all = [
        banned("ann"),
        kicked("ann"),
        muted("ann", until),
        followers_only(),
    ];
    Vec::from([
        (Vec::new(), say(" \n\u{7}"), Rejection::TextEmpty),
        (
            Vec::new(),
            say(&"x".repeat(CHAT_TEXT_CHARS_MAX + 1)),
            Rejection::TextTooLong,
        ),
        (all.to_vec(), say(" "), Rejection::TextEmpty),
        (all.to_vec(), blocked.clone(), Rejection::Banned),
        (all[1..].to_vec(), blocked.clone(), Rejection::Kicked),
        (all[2..].to_vec(), blocked.clone(), Rejection::Muted),
        (all[3..].to_vec(), blocked, Rejection::BlockedWord),
        (all[3..].to_vec(), stranger, Rejection::FollowersOnly),
        (
            Vec::from([slow(2), ann("b"), ann("b")]),
            say("b"),
            Rejection::SlowMode,
        ),
        (
            Vec::from([ann("b"), ann("a"), ann("b")]),
            say("b"),
            Rejection::RepeatedText,
        ),
        (
            (0..6).map(|n| ann(&format!("{n}"))).collect(),
            say("b"),
            Rejection::ChatTooFast,
        ),
    ])
}

/// Every refusal, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    let table = refusals_of_chats();
    for (given, when, then) in &table {
        check_refused::<Room>(ROOM, given, when, *then);
    }
    let mut refused: Vec<_> = table.into_iter().map(|(.., then)| then).collect();
    refused.extend(at_once(&crowd(VIEWERS_AT_ONCE), &say("b")).err());
    refused.extend(orders::refused());
    refused
}

#[test]
fn who_is_banned_kicked_or_muted_may_write_again_when_that_is_over() {
    let unbanned = Unbanned {
        user: id("ann"),
        by: id(ROOM),
    };
    let unmuted = Unmuted {
        user: id("ann"),
        by: id(ROOM),
    };
    let over = [
        [banned("ann"), unbanned.into()],
        [muted("ann", NOW_MS + 1), unmuted.into()],
        [muted("ann", NOW_MS), slow(0)],
    ];
    for given in over {
        check::<Room>(ROOM, &given, &say("b"), &[said("b")]);
    }
    let room = given::<Room>(ROOM, &[kicked("ann")]);
    let back_ms = GIVEN_MS + KICK_MS;
    assert_eq!(
        decide_at(&room, &say("b"), back_ms - 1).err(),
        Some(Rejection::Kicked)
    );
    assert_eq!(
        decide_at(&room, &say("b"), back_ms),
        Ok(Decision::Happens(Vec::from([said("b")])))
    );
}

#[test]
fn a_chat_says_as_what_its_author_is_here() {
    let given = [moderator("mod")];
    for (user, role) in [
        ("kim", Role::Streamer),
        ("mod", Role::Moderator),
        ("ann", Role::Viewer),
    ] {
        check::<Room>(ROOM, &given, &say_as(user, "b"), &[said_by(user, role, "b")]);
    }
}

#[test]
fn slow_mode_and_followers_only_are_for_viewers() {
    let given: Vec<_> = [slow(60), followers_only(), moderator("mod")].into();
    for (user, role) in [("kim", Role::Streamer), ("mod", Role::Moderator)] {
        let mut given = given.clone();
        given.push(said_by(user, role, "a"));
        check::<Room>(ROOM, &given, &say_as(user, "b"), &[said_by(user, role, "b")]);
    }
    let follower = Command::SendChat(SendChat {
        follows: Some(true),
        ..SendChat::new(id("ann"), "b")
    });
    check::<Room>(ROOM, &given, &follower, &[said("b")]);
    let room = crate::testkit::given::<Room>(ROOM, &given);
    let asked = decide_at(&room, &say("b"), NOW_MS);
    assert_eq!(asked, Ok(Decision::Already(Answer::AsksWhetherFollows)));
}

#[test]
fn the_streamer_and_the_moderators_are_heard_when_the_room_is_full_of_viewers() {
    let full = Err(Rejection::RoomChatFull);
    assert!(at_once(&crowd(VIEWERS_AT_ONCE - 1), &say("b")).is_ok());
    let mut given = crowd(VIEWERS_AT_ONCE);
    given.push(moderator("mod"));
    for n in 0..ROOM_CHATS_FOR_STAFF {
        assert_eq!(at_once(&given, &say("b")), full);
        let (user, role) = [("kim", Role::Streamer), ("mod", Role::Moderator)][n % 2];
        let text = format!("{n}");
        let event = said_by(user, role, &text);
        assert_eq!(
            at_once(&given, &say_as(user, &text)),
            Ok(Decision::Happens([event.clone()].into()))
        );
        given.push(event);
    }
    assert_eq!(at_once(&given, &say_as("kim", "b")), full);
    check::<Room>(ROOM, &given, &say("b"), &[said("b")]);
}

#[test]
fn the_same_text_is_fine_again_after_a_while_and_so_is_the_same_by_somebody_else() {
    let twice = [said("b"), said("b")];
    check::<Room>(
        ROOM,
        &twice,
        &say_as("bob", "b"),
        &[said_by("bob", Role::Viewer, "b")],
    );
    check::<Room>(ROOM, &twice, &say("c"), &[said("c")]);
    let room = given::<Room>(ROOM, &twice);
    let later_ms = GIVEN_MS + REPEATED_TEXT_MS;
    assert!(decide_at(&room, &say("b"), later_ms - 1).is_err());
    assert!(decide_at(&room, &say("b"), later_ms).is_ok());
}

#[test]
fn case_spaces_and_what_nobody_sees_do_not_make_another_text() {
    let twice = [said("buy coins"), said("BUY  coins")];
    for same in ["buy\u{200D} coins", "Buy Coins\u{FE0F}", "buy\u{3164}coins"] {
        check_refused::<Room>(ROOM, &twice, &say(same), Rejection::RepeatedText);
    }
    check::<Room>(ROOM, &twice, &say("buy coin"), &[said("buy coin")]);
}

#[test]
fn only_who_is_let_in_comes_in_and_is_told_how_they_stand() {
    let enter = |user: &str| Command::Enter { user: id(user) };
    let given = [
        moderator("mod"),
        muted("mod", NOW_MS + 5),
        banned("bad"),
        kicked("out"),
    ];
    check_refused::<Room>(ROOM, &given, &enter("bad"), Rejection::Banned);
    check_refused::<Room>(ROOM, &given, &enter("out"), Rejection::Kicked);
    let room = crate::testkit::given::<Room>(ROOM, &given);
    for (user, role, muted_until_ms) in [
        ("kim", Role::Streamer, None),
        ("mod", Role::Moderator, Some(NOW_MS + 5)),
        ("ann", Role::Viewer, None),
    ] {
        let standing = Standing { role, muted_until_ms };
        let told = decide_at(&room, &enter(user), NOW_MS);
        assert_eq!(told, Ok(Decision::Already(Answer::Welcome(standing))), "{user}");
    }
}

/// Lets a room hear chats of these users, each so many ms after the last; gives the times of those it took.
fn heard(room: &mut Room, steps: &[(u8, i64)]) -> Vec<(u8, i64)> {
    let (mut now_ms, mut taken) = (0, Vec::new());
    for (n, (user, pause_ms)) in steps.iter().enumerate() {
        now_ms += pause_ms;
        let chat = say_as(&format!("u{user}"), &format!("{n}"));
        if let Ok(Decision::Happens(events)) = decide_at(room, &chat, now_ms) {
            events.iter().for_each(|event| room.evolve(event, now_ms));
            taken.push((*user, now_ms));
        }
    }
    taken
}

proptest! {
    #[test]
    fn no_second_holds_more_than_its_chats_and_no_user_more_than_the_rate(
        steps in proptest::collection::vec((0u8..60, 0i64..60), 1..400),
    ) {
        let taken = heard(&mut Room::new(&id(ROOM)), &steps);
        for (at, (_, from_ms)) in taken.iter().enumerate() {
            let within = |ms: i64| taken[at..].iter().take_while(move |(_, t)| *t < from_ms + ms);
            prop_assert!(within(1_000).count() <= ROOM_CHATS_PER_SECOND_MAX - ROOM_CHATS_FOR_STAFF);
            for seconds in 1..6 {
                let own = within(seconds * 1_000).filter(|(user, _)| *user == taken[at].0);
                prop_assert!(own.count() as i64 <= 5 + seconds);
            }
        }
    }

    #[test]
    fn one_chat_a_second_is_never_too_fast(pauses in proptest::collection::vec(1_000i64..3_000, 1..50)) {
        let steps: Vec<_> = pauses.into_iter().map(|ms| (0, ms)).collect();
        prop_assert_eq!(heard(&mut Room::new(&id(ROOM)), &steps).len(), steps.len());
    }

    #[test]
    fn what_a_room_remembers_survives_a_snapshot_and_stays_small(
        steps in proptest::collection::vec((0u8..9, 0i64..2_000), 1..200),
    ) {
        let mut room = Room::new(&id(ROOM));
        heard(&mut room, &steps);
        // Whoever wrote within the last 10 s is remembered, and nobody else.
        let last_ms: i64 = steps.iter().map(|(_, ms)| ms).sum();
        let mut again = room.clone();
        again.evolve(&said_by("new", Role::Viewer, "x"), last_ms + REPEATED_TEXT_MS + 1);
        prop_assert_eq!(again.talk.remembered(), (1, 1));
    }
}

#[test]
fn a_room_in_a_long_slow_mode_forgets_the_oldest_of_too_many() {
    let mut room = given::<Room>(ROOM, &[slow(3_600)]);
    for n in 0..CHATS_REMEMBERED_MAX + 10 {
        room.evolve(&said_by(&format!("u{n}"), Role::Viewer, "x"), 25 * n as i64);
    }
    let (chats, talkers) = room.talk.remembered();
    assert_eq!((chats, talkers), (CHATS_REMEMBERED_MAX, CHATS_REMEMBERED_MAX));
    let now_ms = 25 * CHATS_REMEMBERED_MAX as i64 + 60_000;
    assert!(decide_at(&room, &say_as("u1", "b"), now_ms).is_ok());
    let early = decide_at(&room, &say_as("u20", "b"), now_ms);
    assert_eq!(early.err(), Some(Rejection::SlowMode));
}

#[test]
fn chat_is_said_cleaned() {
    check::<Room>(ROOM, &[], &say("hello"), &[said("hello")]);
    check::<Room>(ROOM, &[said("a")], &say(" he\u{0}llo \n"), &[said("hello")]);
    check::<Room>(
        ROOM,
        &[],
        &say(&"é".repeat(CHAT_TEXT_CHARS_MAX)),
        &[said(&"é".repeat(CHAT_TEXT_CHARS_MAX))],
    );
}

#[test]
fn chat_is_counted() {
    assert_eq!(given::<Room>(ROOM, &[said("a"), said("b")]).chats(), 2);
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
    check::<Room>(ROOM, &[], &count(3, 5), &given);
    check::<Room>(ROOM, &given, &count(3, 2), &[counted(3, 2, 7)]);
    check::<Room>(ROOM, &given, &count(4, 2), &[counted(4, 2, 2)]);
    check::<Room>(ROOM, &given, &count(2, 2), &[]);
    check::<Room>(ROOM, &given, &count(3, 0), &[]);
}

#[test]
fn likes_stay_below_what_every_client_can_hold() {
    let given = [counted(1, LIKES_MAX - 1, LIKES_MAX - 1)];
    check::<Room>(ROOM, &given, &count(1, u64::MAX), &[counted(1, 1, LIKES_MAX)]);
    check::<Room>(ROOM, &[counted(1, 1, LIKES_MAX)], &count(1, 1), &[]);
}
