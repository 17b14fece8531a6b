//! Given, when, then for follows and blocks; and two viewers of whom one hears of the other's blocks late, twice and in
//! any order.

use alloc::format;

use proptest::prelude::*;

use super::*;
use crate::Aggregate;
use crate::testkit::{NOW_MS, check, check_refused, decide_at, given, id};
use crate::viewer::Command;

const KIM: &str = "kim";
const UNBLOCKED: Clearance = Clearance {
    blocked: false,
    changes: 0,
};

fn follow(streamer: &str, clearance: Clearance) -> Command {
    Command::Follow {
        streamer: id(streamer),
        clearance: Some(clearance),
    }
}

fn followed(streamer: &str, cleared: u64) -> Event {
    let streamer = id(streamer);
    Followed { streamer, cleared }.into()
}

fn unfollowed(streamer: &str) -> Event {
    let streamer = id(streamer);
    Unfollowed { streamer }.into()
}

fn block(user: &str) -> Command {
    Command::Block { user: id(user) }
}

fn unblock(user: &str) -> Command {
    Command::Unblock { user: id(user) }
}

fn blocked(user: &str, change: u64) -> Event {
    let user = id(user);
    Blocked { user, change }.into()
}

fn unblocked(user: &str, change: u64) -> Event {
    let user = id(user);
    Unblocked { user, change }.into()
}

fn lose(streamer: &str, change: u64) -> Command {
    let streamer = id(streamer);
    Command::LoseFollow { streamer, change }
}

/// Every refusal, each checked where it is listed, as the first that applies.
pub(crate) fn refused() -> Vec<Rejection> {
    use Rejection as R;
    let full: Vec<_> = (0..FOLLOWING_MAX)
        .map(|n| followed(&format!("u{n}"), 0))
        .collect();
    let grim: Vec<_> = (1..=BLOCKED_MAX as u64)
        .map(|n| blocked(&format!("u{n}"), n))
        .collect();
    let refuses = Clearance {
        blocked: true,
        changes: 1,
    };
    let unasked = |streamer: &str| Command::Follow {
        streamer: id(streamer),
        clearance: None,
    };
    let table: Vec<(&[Event], Command, R)> = Vec::from([
        (&[][..], follow("ann", refuses), R::FollowSelf),
        (&grim, follow("u1", refuses), R::FollowBlocked),
        (&full, follow("one.more", refuses), R::BlockedBy),
        // One who is blocked is told so even while the follow from before is still there.
        (&full, follow("u1", refuses), R::BlockedBy),
        (&full, follow("one.more", UNBLOCKED), R::FollowLimit),
        (&grim, block("ann"), R::BlockSelf),
        (&grim, block("one.more"), R::BlockLimit),
    ]);
    for (given, when, then) in &table {
        check_refused::<Viewer>("ann", given, when, *then);
    }
    check_refused::<Viewer>("ann", &full, &unasked("u1"), R::Busy);
    table.into_iter().map(|(_, _, then)| then).collect()
}

#[test]
fn to_follow_twice_is_to_follow() {
    let unfollow = Command::Unfollow { streamer: id(KIM) };
    let once = [followed(KIM, 0)];
    check::<Viewer>("ann", &[], &follow(KIM, UNBLOCKED), &once);
    check::<Viewer>("ann", &once, &follow(KIM, UNBLOCKED), &[]);
    // Kim has blocked somebody since, perhaps Ann: a follow that knows of it is another one.
    let later = Clearance {
        blocked: false,
        changes: 2,
    };
    check::<Viewer>("ann", &once, &follow(KIM, later), &[followed(KIM, 2)]);
    check::<Viewer>("ann", &[], &unfollow, &[]);
    check::<Viewer>("ann", &once, &unfollow, &[unfollowed(KIM)]);
    let state = given::<Viewer>("ann", &[followed(KIM, 0), followed("lee", 0), unfollowed(KIM)]);
    assert!(state.following().map(|user| user.as_str()).eq(["lee"]));
}

#[test]
fn to_block_twice_is_to_block_and_ends_ones_own_follow_in_the_same_append() {
    check::<Viewer>("ann", &[], &block(KIM), &[blocked(KIM, 1)]);
    check::<Viewer>(
        "ann",
        &[followed(KIM, 0)],
        &block(KIM),
        &[blocked(KIM, 1), unfollowed(KIM)],
    );
    check::<Viewer>("ann", &[blocked(KIM, 1)], &block(KIM), &[]);
    check::<Viewer>("ann", &[], &unblock(KIM), &[]);
    check::<Viewer>("ann", &[blocked(KIM, 1)], &unblock(KIM), &[unblocked(KIM, 2)]);
    let again = [blocked(KIM, 1), unblocked(KIM, 2)];
    check::<Viewer>("ann", &again, &unblock(KIM), &[]);
    check::<Viewer>("ann", &again, &block(KIM), &[blocked(KIM, 3)]);
    // Who was blocked once may be followed again.
    check::<Viewer>("ann", &again, &follow(KIM, UNBLOCKED), &[followed(KIM, 0)]);
}

#[test]
fn a_block_ends_the_follows_that_did_not_know_of_it_and_no_others() {
    check::<Viewer>("ann", &[], &lose(KIM, 1), &[]);
    check::<Viewer>("ann", &[followed(KIM, 0)], &lose(KIM, 1), &[unfollowed(KIM)]);
    check::<Viewer>("ann", &[followed(KIM, 2)], &lose(KIM, 3), &[unfollowed(KIM)]);
    check::<Viewer>("ann", &[followed(KIM, 2)], &lose(KIM, 2), &[]);
    check::<Viewer>("ann", &[followed(KIM, 2)], &lose(KIM, 1), &[]);
    check::<Viewer>("ann", &[followed("lee", 0)], &lose(KIM, 1), &[]);
}

#[test]
fn a_viewer_tells_how_it_stands_to_somebody() {
    let toward = |events: &[Event], follows, blocks| {
        let state = given::<Viewer>("ann", events);
        let asked = decide_at(&state, &Command::AskToward { user: id(KIM) }, NOW_MS);
        let told = Answer::Toward(Toward { follows, blocks });
        assert_eq!(asked, Ok(Decision::Already(told)));
    };
    toward(&[], false, false);
    toward(&[followed(KIM, 0)], true, false);
    toward(&[followed("lee", 0), blocked(KIM, 1)], false, true);
    toward(&[blocked(KIM, 1), unblocked(KIM, 2)], false, false);
}

/// What Kim and Ann do, and what Ann hears of it.
#[derive(Debug, Clone)]
enum Op {
    KimBlocks,
    KimUnblocks,
    KimBlocksAnother,
    AnnFollows,
    AnnUnfollows,
    /// One of the blocks that were made reaches Ann, for the first time or again.
    AnnHears(prop::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => Just(Op::KimBlocks),
        2 => Just(Op::KimUnblocks),
        1 => Just(Op::KimBlocksAnother),
        4 => Just(Op::AnnFollows),
        1 => Just(Op::AnnUnfollows),
        3 => any::<prop::sample::Index>().prop_map(Op::AnnHears),
    ]
}

fn apply(state: &mut Viewer, command: &Command) -> Result<Vec<Event>, Rejection> {
    match decide_at(state, command, NOW_MS)? {
        Decision::Happens(events) => {
            events.iter().for_each(|event| state.evolve(event, NOW_MS));
            Ok(events)
        }
        Decision::Already(_) => Ok(Vec::new()),
    }
}

proptest! {
    /// However late, often and out of order Ann hears of Kim's blocks: once she has heard of all, she follows Kim exactly
    /// if she did so last, and no block came after it.
    #[test]
    fn whichever_message_is_faster_the_last_act_holds(ops in prop::collection::vec(op(), 0..80)) {
        let (mut ann, mut kim) = (given::<Viewer>("ann", &[]), given::<Viewer>(KIM, &[]));
        let (mut follows, mut blocks, mut made) = (false, false, Vec::new());
        for op in ops {
            match op {
                Op::KimBlocks | Op::KimBlocksAnother => {
                    let whom = if matches!(op, Op::KimBlocks) { "ann" } else { "lee" };
                    let events = apply(&mut kim, &block(whom)).expect("few are blocked");
                    made.extend(events.into_iter().filter_map(|event| match event {
                        Event::Blocked(e) if e.user.as_str() == "ann" => Some(e.change),
                        _ => None,
                    }));
                    if whom == "ann" {
                        (follows, blocks) = (false, true);
                    }
                }
                Op::KimUnblocks => {
                    apply(&mut kim, &unblock("ann")).expect("it is never refused");
                    blocks = false;
                }
                Op::AnnFollows => {
                    let told = kim.blocks().clearance(&id("ann"));
                    let outcome = apply(&mut ann, &follow(KIM, told));
                    prop_assert_eq!(outcome.err(), blocks.then_some(Rejection::BlockedBy));
                    follows |= !blocks;
                }
                Op::AnnUnfollows => {
                    apply(&mut ann, &Command::Unfollow { streamer: id(KIM) }).expect("it is never refused");
                    follows = false;
                }
                Op::AnnHears(which) if !made.is_empty() => {
                    apply(&mut ann, &lose(KIM, *which.get(&made))).expect("it is never refused");
                }
                Op::AnnHears(_) => {}
            }
            prop_assert!(!follows || ann.toward(&id(KIM)).follows, "a late block took a follow that knew of it");
        }
        for change in made.iter().rev() {
            apply(&mut ann, &lose(KIM, *change)).expect("it is never refused");
        }
        prop_assert_eq!(ann.toward(&id(KIM)).follows, follows);
        prop_assert_eq!(kim.toward(&id("ann")).blocks, blocks);
    }
}
