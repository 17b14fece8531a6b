//! Given, when, then for what the streamer and the moderators order.

use super::*;
use crate::event::{ModeratorRemoved, NoticePosted, Pinned, Unpinned};
use crate::limits::{
    BANNED_MAX, KICKED_MAX, MODERATORS_MAX, MUTE_SECONDS_MAX, MUTED_MAX, NOTICE_CHARS_MAX, ORDER_BURST,
    ORDER_INTERVAL_MS, PINNED_CHARS_MAX, SLOW_MODE_SECONDS_MAX,
};

fn order(by: &str, act: Act) -> Command {
    Command::Moderate { by: id(by), act }
}

fn mute(user: &str, seconds: u64) -> Act {
    let user = id(user);
    Act::Mute { user, seconds }
}

fn unmute(user: &str) -> Act {
    Act::Unmute { user: id(user) }
}

fn kick(user: &str) -> Act {
    Act::Kick { user: id(user) }
}

fn ban(user: &str) -> Act {
    Act::Ban { user: id(user) }
}

fn unban(user: &str) -> Act {
    Act::Unban { user: id(user) }
}

fn add(user: &str) -> Act {
    Act::AddModerator { user: id(user) }
}

fn remove(user: &str) -> Act {
    Act::RemoveModerator { user: id(user) }
}

fn notice(text: &str) -> Act {
    Act::Notice { text: text.into() }
}

fn pin(text: &str) -> Act {
    Act::Pin { text: text.into() }
}

/// One of every order about ordinary viewers or about the room, all with numbers that are in range.
fn orders_of_moderators() -> [Act; 10] {
    [
        mute("ann", 1),
        unmute("ann"),
        kick("ann"),
        ban("ann"),
        unban("ann"),
        Act::SlowMode { seconds: 1 },
        notice("b"),
        pin("b"),
        Act::Unpin,
        Act::SlowMode { seconds: 0 },
    ]
}

fn orders_of_the_streamer() -> [Act; 3] {
    [add("ann"), remove("ann"), Act::FollowersOnly { on: true }]
}

/// Every refusal of an order, each checked where it is listed.
pub(crate) fn refused() -> Vec<Rejection> {
    let mods = [moderator("mod"), moderator("dom")];
    let long = |chars: usize| "x".repeat(chars + 1);
    let table = [
        ("ann", ban("kim"), Rejection::NotPermitted),
        ("ann", mute("bob", 0), Rejection::NotPermitted),
        ("mod", add("ann"), Rejection::NotPermitted),
        ("mod", mute("kim", 0), Rejection::NotOfEquals),
        ("mod", kick("dom"), Rejection::NotOfEquals),
        ("mod", unban("mod"), Rejection::NotOfEquals),
        ("kim", mute("kim", 0), Rejection::NotOfEquals),
        ("kim", add("kim"), Rejection::NotOfEquals),
        ("mod", mute("ann", 0), Rejection::BadDuration),
        ("mod", mute("ann", MUTE_SECONDS_MAX + 1), Rejection::BadDuration),
        (
            "mod",
            Act::SlowMode {
                seconds: SLOW_MODE_SECONDS_MAX + 1,
            },
            Rejection::BadSlowMode,
        ),
        ("mod", notice(" "), Rejection::TextEmpty),
        ("mod", notice(&long(NOTICE_CHARS_MAX)), Rejection::TextTooLong),
        ("mod", pin("\n"), Rejection::TextEmpty),
        ("mod", pin(&long(PINNED_CHARS_MAX)), Rejection::TextTooLong),
    ];
    for (by, act, then) in &table {
        check_refused::<Room>(ROOM, &mods, &order(by, act.clone()), *then);
    }
    let mut refused: Vec<_> = table.into_iter().map(|(.., then)| then).collect();
    refused.extend(refused_in_full_lists());
    refused.extend(
        run_of_orders("kim", ORDER_BURST as usize + 1)
            .into_iter()
            .filter_map(Result::err),
    );
    refused
}

/// Notices of one author, all at the same time, in a room with the moderator `mod`.
fn run_of_orders(by: &str, count: usize) -> Vec<Result<(), Rejection>> {
    let mut room = given::<Room>(ROOM, &[moderator("mod")]);
    let give = |n| ordered_at(&mut room, by, notice(&format!("{n}")), NOW_MS);
    (0..count).map(give).collect()
}

/// Lets a room take an order.
fn ordered_at(room: &mut Room, by: &str, act: Act, now_ms: i64) -> Result<(), Rejection> {
    if let Decision::Happens(events) = decide_at(room, &order(by, act), now_ms)? {
        events.iter().for_each(|event| room.evolve(event, now_ms));
    }
    Ok(())
}

/// What is refused because a list of the room is full, and would not be with one less in it.
fn refused_in_full_lists() -> Vec<Rejection> {
    let fill = |count: usize, event: fn(&str) -> Event| -> Vec<Event> {
        (0..count).map(|n| event(&format!("u{n}"))).collect()
    };
    let lists = [
        (
            fill(MODERATORS_MAX, moderator),
            add("ann"),
            Rejection::ModeratorLimit,
        ),
        (fill(BANNED_MAX, banned), ban("ann"), Rejection::BanLimit),
        (
            fill(MUTED_MAX, |user| muted(user, NOW_MS + 1)),
            mute("ann", 1),
            Rejection::MuteLimit,
        ),
        ([banned("ann")].into(), add("ann"), Rejection::UserBanned),
    ];
    for (full, act, then) in &lists {
        let when = order("kim", act.clone());
        check_refused::<Room>(ROOM, full, &when, *then);
        assert!(decide_at(&given::<Room>(ROOM, &full[1..]), &when, NOW_MS).is_ok());
    }
    lists.into_iter().map(|(.., then)| then).collect()
}

#[test]
fn viewers_order_nothing_and_moderators_what_is_theirs() {
    let mods = [moderator("mod")];
    for act in orders_of_moderators() {
        check_refused::<Room>(ROOM, &mods, &order("ann", act.clone()), Rejection::NotPermitted);
        let room = given::<Room>(ROOM, &mods);
        assert!(
            decide_at(&room, &order("mod", act.clone()), NOW_MS).is_ok(),
            "{act:?}"
        );
        assert!(decide_at(&room, &order("kim", act), NOW_MS).is_ok());
    }
    for act in orders_of_the_streamer() {
        check_refused::<Room>(ROOM, &mods, &order("mod", act.clone()), Rejection::NotPermitted);
        assert!(decide_at(&given::<Room>(ROOM, &mods), &order("kim", act), NOW_MS).is_ok());
    }
}

#[test]
fn every_order_makes_its_event_with_its_author() {
    let by = id::<UserId>("kim");
    let user = id::<UserId>("ann");
    let table: [(Vec<Event>, Act, Event); 12] = [
        ([].into(), mute("ann", 60), muted("ann", NOW_MS + 60_000)),
        (
            [muted("ann", NOW_MS + 1)].into(),
            unmute("ann"),
            Unmuted {
                user: user.clone(),
                by: by.clone(),
            }
            .into(),
        ),
        ([].into(), kick("ann"), kicked("ann")),
        ([].into(), ban("ann"), banned("ann")),
        (
            [banned("ann")].into(),
            unban("ann"),
            Unbanned {
                user: user.clone(),
                by: by.clone(),
            }
            .into(),
        ),
        ([].into(), Act::SlowMode { seconds: 9 }, slow(9)),
        ([].into(), Act::FollowersOnly { on: true }, followers_only()),
        (
            [].into(),
            notice(" be\n kind "),
            NoticePosted {
                text: "be kind".into(),
                by: by.clone(),
            }
            .into(),
        ),
        (
            [].into(),
            pin(" at nine "),
            Pinned {
                text: "at nine".into(),
                by: by.clone(),
            }
            .into(),
        ),
        (
            [Pinned {
                text: "b".into(),
                by: by.clone(),
            }
            .into()]
            .into(),
            Act::Unpin,
            Unpinned { by: by.clone() }.into(),
        ),
        ([].into(), add("ann"), moderator("ann")),
        (
            [moderator("ann")].into(),
            remove("ann"),
            ModeratorRemoved { user, by }.into(),
        ),
    ];
    for (given, act, then) in table {
        check::<Room>(
            ROOM,
            &given,
            &order("kim", act.clone()),
            core::slice::from_ref(&then),
        );
        assert_eq!(then.ordered_by(), Some(&id(ROOM)), "{act:?}");
    }
}

#[test]
fn what_holds_already_is_ordered_again_without_an_event() {
    let by = id::<UserId>(ROOM);
    let text = alloc::string::String::from("b");
    let given = [
        banned("bad"),
        slow(9),
        followers_only(),
        moderator("mod"),
        muted("was", NOW_MS),
        Pinned { text, by }.into(),
    ];
    let again = [
        ban("bad"),
        unban("ann"),
        unmute("ann"),
        unmute("was"),
        Act::SlowMode { seconds: 9 },
        Act::FollowersOnly { on: true },
        add("mod"),
        remove("ann"),
        pin(" b"),
    ];
    for act in again {
        check::<Room>(ROOM, &given, &order("kim", act), &[]);
    }
    check::<Room>(ROOM, &[], &order("kim", Act::Unpin), &[]);
}

#[test]
fn a_moderator_who_is_banned_is_one_no_longer() {
    let given = [moderator("mod")];
    let removed = ModeratorRemoved {
        user: id("mod"),
        by: id(ROOM),
    };
    let events = [banned("mod"), removed.into()];
    check::<Room>(ROOM, &given, &order("kim", ban("mod")), &events);
    let mut all = given.to_vec();
    all.extend(events);
    check_refused::<Room>(ROOM, &all, &order("mod", kick("ann")), Rejection::NotPermitted);
}

#[test]
fn a_longer_or_shorter_mute_replaces_the_one_before_also_when_the_list_is_full() {
    let full: Vec<_> = (0..MUTED_MAX)
        .map(|n| muted(&format!("u{n}"), NOW_MS + 9))
        .collect();
    let again = [muted("u0", NOW_MS + 1_000)];
    check::<Room>(ROOM, &full, &order("kim", mute("u0", 1)), &again);
}

#[test]
fn of_too_many_kicked_the_first_may_come_back_at_once() {
    let mut room = Room::new(&id(ROOM));
    for n in 0..=KICKED_MAX {
        room.evolve(&kicked(&format!("u{n}")), n as i64);
    }
    let enter = |n: usize| Command::Enter {
        user: id(&format!("u{n}")),
    };
    let now_ms = KICKED_MAX as i64;
    assert!(decide_at(&room, &enter(0), now_ms).is_ok());
    for n in 1..=KICKED_MAX {
        assert_eq!(decide_at(&room, &enter(n), now_ms).err(), Some(Rejection::Kicked));
    }
}

#[test]
fn who_orders_a_burst_waits_and_nobody_waits_for_another() {
    let burst = ORDER_BURST as usize;
    for by in ["kim", "mod"] {
        let taken = run_of_orders(by, burst + 1);
        assert!(taken[..burst].iter().all(Result::is_ok));
        assert_eq!(taken[burst], Err(Rejection::OrderTooFast));
    }
    let mut room = given::<Room>(ROOM, &[moderator("mod"), banned("bad")]);
    for n in 0..burst {
        assert_eq!(
            ordered_at(&mut room, "mod", notice(&format!("{n}")), NOW_MS),
            Ok(())
        );
    }
    let mut give = |by: &str, act, at_ms| ordered_at(&mut room, by, act, at_ms);
    let full = Err(Rejection::OrderTooFast);
    assert_eq!(give("mod", notice("b"), NOW_MS), full);
    assert_eq!(
        give("mod", ban("bad"), NOW_MS),
        Ok(()),
        "what holds already costs nothing"
    );
    assert_eq!(give("kim", notice("b"), NOW_MS), Ok(()));
    let next_ms = NOW_MS + ORDER_INTERVAL_MS;
    assert_eq!(give("mod", notice("b"), next_ms - 1), full);
    assert_eq!(give("mod", notice("b"), next_ms), Ok(()));
    assert_eq!(give("mod", notice("c"), next_ms), full);
}

#[test]
fn two_orders_a_second_are_never_too_fast() {
    let mut room = Room::new(&id(ROOM));
    for n in 0..200 {
        let given = ordered_at(
            &mut room,
            "kim",
            notice(&format!("{n}")),
            NOW_MS + n * ORDER_INTERVAL_MS,
        );
        assert_eq!(given, Ok(()), "{n}");
    }
}

#[test]
fn a_moderator_who_is_kicked_orders_nothing_and_one_who_is_muted_speaks_to_nobody() {
    let out = [moderator("mod"), kicked("mod")];
    for act in orders_of_moderators() {
        let soon_ms = GIVEN_MS + KICK_MS - 1;
        let room = given::<Room>(ROOM, &out);
        let refused = decide_at(&room, &order("mod", act.clone()), soon_ms);
        assert_eq!(refused.err(), Some(Rejection::Kicked), "{act:?}");
        assert!(decide_at(&room, &order("mod", act), soon_ms + 1).is_ok());
    }
    let silent = [moderator("mod"), muted("mod", NOW_MS + 1)];
    for act in orders_of_moderators() {
        let speaks = act == notice("b") || act == pin("b");
        let told = decide_at(&given::<Room>(ROOM, &silent), &order("mod", act.clone()), NOW_MS);
        assert_eq!(told.err(), speaks.then_some(Rejection::Muted), "{act:?}");
    }
}

#[test]
fn to_kick_again_who_is_kicked_changes_nothing_until_they_may_come_back() {
    let mut room = given::<Room>(ROOM, &[kicked("ann")]);
    let back_ms = GIVEN_MS + KICK_MS;
    let again = decide_at(&room, &order("kim", kick("ann")), back_ms - 1);
    assert_eq!(again, Ok(Decision::Already(Answer::Ordered)));
    assert_eq!(ordered_at(&mut room, "kim", kick("ann"), back_ms), Ok(()));
    let enter = Command::Enter { user: id("ann") };
    assert_eq!(decide_at(&room, &enter, back_ms).err(), Some(Rejection::Kicked));
}

#[test]
fn refused_orders_leave_no_record() {
    let when = order("ann", ban("bob"));
    assert_eq!(Room::refused(&when, Rejection::NotPermitted), None);
}

proptest! {
    /// Whatever is ordered by whomever: the streamer stays in charge, and nobody is both banned and a moderator.
    #[test]
    fn nobody_gets_above_the_streamer(
        acts in proptest::collection::vec((0usize..4, 0usize..4, 0u8..7), 0..60),
    ) {
        let people = ["kim", "mod", "ann", "bob"];
        let mut room = Room::new(&id(ROOM));
        for (n, (by, about, what)) in acts.into_iter().enumerate() {
            let (by, user) = (people[by], people[about]);
            let act = match what {
                0 => mute(user, 9),
                1 => unmute(user),
                2 => kick(user),
                3 => ban(user),
                4 => unban(user),
                5 => add(user),
                _ => remove(user),
            };
            let now_ms = n as i64 * 10_000;
            let (author, target) = (room.rules.role(&id(by)), room.rules.role(&id(user)));
            if let Ok(Decision::Happens(events)) = decide_at(&room, &order(by, act), now_ms) {
                prop_assert!(author > target);
                events.iter().for_each(|event| room.evolve(event, now_ms));
            }
            prop_assert!(room.rules.admits(&id(ROOM), now_ms).is_ok());
            prop_assert!(room.rules.muted_until_ms(&id(ROOM), now_ms).is_none());
            for user in people {
                let out = room.rules.admits(&id(user), now_ms) == Err(Rejection::Banned);
                prop_assert!(!out || room.rules.role(&id(user)) == Role::Viewer);
            }
        }
    }
}
