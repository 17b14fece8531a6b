//! Follows and blocks between actors: a block ends the other one's follow exactly once, also over a restart and however
//! late, and bars the way to follows and to the room.

use std::time::Duration;

use actix::System;
use domain::Rejection;
use domain::room::{self, SendChat};
use domain::viewer::{Answer, Command, Toward};
use futures_util::FutureExt;

use super::*;
use crate::{Actors, Config, Failure};

const DEADLINE: Duration = Duration::from_secs(20);

fn start(world: &World, settle: bool) -> Actors {
    let config = Config {
        arbiters: 2,
        room_arbiters: 1,
        streamer_arbiters: 1,
        idle_after_ms: 1_000_000,
        settle,
    };
    Actors::start(world.house(), &config)
}

/// A command of a viewer, whose id it is given.
async fn act(actors: &Actors, who: &str, command_id: &str, command: Command) -> Outcome<Answer> {
    let (reply, outcome) = Reply::channel();
    actors.viewer(&id(who), request(who, command_id, 7), command, reply);
    outcome.await
}

fn block(user: &str) -> Command {
    Command::Block { user: id(user) }
}

fn unblock(user: &str) -> Command {
    Command::Unblock { user: id(user) }
}

async fn toward(actors: &Actors, who: &str, whom: &str) -> Toward {
    let asked = act(actors, who, "q", Command::AskToward { user: id(whom) }).await;
    match asked.expect("it is only a question").answer {
        Answer::Toward(toward) => toward,
        other => panic!("{other:?}"),
    }
}

async fn enter(actors: &Actors, user: &str, room: &str) -> Outcome<room::Answer> {
    let (reply, outcome) = Reply::channel();
    let enter = room::Command::Enter { user: id(user) };
    actors.room(&id(room), Request::of_system("door"), enter, reply);
    outcome.await
}

fn refused<T: std::fmt::Debug>(outcome: Outcome<T>) -> Rejection {
    match outcome {
        Err(Failure::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

/// Events of Ann's stream, by name.
fn of_ann(world: &World) -> Vec<&'static str> {
    let records = world.journal.records(0).into_iter();
    let hers = records.filter(|record| record.stream.to_string() == "viewer-ann");
    hers.map(|record| record.event_type.name()).collect()
}

#[test]
fn a_block_ends_the_follows_both_ways_once_and_a_restart_repeats_nothing() {
    System::new().block_on(async {
        let world = World::new();
        let actors = start(&world, true);
        for (who, whom) in [("ann", "kim"), ("kim", "ann")] {
            act(&actors, who, "f", follow(whom)).await.expect("followed");
        }
        act(&actors, "kim", "b", block("ann")).await.expect("blocked");
        assert!(
            !toward(&actors, "kim", "ann").await.follows,
            "one's own follow goes at once"
        );
        assert!(actors.stop(DEADLINE).await, "the other one's has gone by then");
        assert_eq!(of_ann(&world), ["followed", "unfollowed"]);
        let again = start(&world, true);
        assert!(!toward(&again, "ann", "kim").await.follows);
        assert!(again.stop(DEADLINE).await);
        assert_eq!(of_ann(&world), ["followed", "unfollowed"]);
    });
}

#[test]
fn a_block_that_is_dealt_with_after_a_crash_ends_only_the_follow_from_before_it() {
    System::new().block_on(async {
        let world = World::new();
        let actors = start(&world, false);
        act(&actors, "ann", "f1", follow("kim")).await.expect("followed");
        act(&actors, "bob", "f1", follow("kim")).await.expect("followed");
        for user in ["ann", "bob"] {
            act(&actors, "kim", user, block(user)).await.expect("blocked");
        }
        act(&actors, "kim", "u", unblock("ann")).await.expect("unblocked");
        act(&actors, "ann", "f2", follow("kim"))
            .await
            .expect("followed again");
        assert!(actors.stop(DEADLINE).await);
        // Nobody has told Ann and Bob of the blocks yet.
        let again = start(&world, true);
        assert!(again.stop(DEADLINE).await);
        let last = start(&world, true);
        assert!(
            toward(&last, "ann", "kim").await.follows,
            "she followed after the block was taken back"
        );
        assert!(!toward(&last, "bob", "kim").await.follows);
        assert!(last.stop(DEADLINE).await);
        assert_eq!(of_ann(&world), ["followed", "followed"]);
    });
}

#[test]
fn who_is_blocked_neither_follows_nor_comes_in_nor_speaks_until_unblocked() {
    System::new().block_on(async {
        let world = World::new();
        let actors = start(&world, true);
        assert!(enter(&actors, "ann", "kim").await.is_ok());
        act(&actors, "kim", "b", block("ann")).await.expect("blocked");
        let say = |command_id: &str| {
            let (reply, outcome) = Reply::channel();
            let say = room::Command::SendChat(SendChat::new(id("ann"), "hello"));
            actors.room(&id("kim"), request("ann", command_id, 7), say, reply);
            outcome
        };
        assert_eq!(
            refused(act(&actors, "ann", "f", follow("kim")).await),
            Rejection::BlockedBy
        );
        assert_eq!(refused(enter(&actors, "ann", "kim").await), Rejection::BlockedBy);
        assert_eq!(refused(say("s").await), Rejection::BlockedBy);
        assert!(
            enter(&actors, "kim", "ann").await.is_ok(),
            "who blocks may come and go"
        );
        assert!(enter(&actors, "bob", "kim").await.is_ok());
        assert!(enter(&actors, "kim", "kim").await.is_ok());
        act(&actors, "kim", "u", unblock("ann")).await.expect("unblocked");
        assert!(enter(&actors, "ann", "kim").await.is_ok());
        assert!(say("s").await.is_ok(), "a refused chat leaves no trace");
        assert!(act(&actors, "ann", "f", follow("kim")).await.is_ok());
        assert!(actors.stop(DEADLINE).await);
    });
}

#[test]
fn one_who_is_not_here_is_asked_whom_they_block_and_later_commands_wait_behind_it() {
    System::new().block_on(async {
        let world = World::new();
        let actors = start(&world, true);
        act(&actors, "lee", "b", block("ann")).await.expect("blocked");
        assert!(actors.stop(DEADLINE).await);
        let again = start(&world, true);
        let (first, unfollow) = (
            act(&again, "ann", "f", follow("max")),
            Command::Unfollow { streamer: id("max") },
        );
        let mut first = Box::pin(first);
        assert!(first.as_mut().now_or_never().is_none(), "Max has to be asked");
        let then = act(&again, "ann", "u", unfollow).await.expect("unfollowed");
        assert!(first.await.expect("followed").position < then.position);
        assert_eq!(refused(enter(&again, "ann", "lee").await), Rejection::BlockedBy);
        assert_eq!(
            refused(act(&again, "ann", "g", follow("lee")).await),
            Rejection::BlockedBy
        );
        assert!(again.stop(DEADLINE).await);
    });
}
