//! Chats that only followers may send: the author's own actor is asked, and the chat is decided once.

use std::time::Duration;

use actix::System;
use domain::Rejection;
use domain::room::{self, Act, Answer, SendChat};

use super::*;
use crate::{Actors, Config, Failure};

async fn order(actors: &Actors, command_id: &str, command: room::Command) -> Outcome<Answer> {
    let (reply, outcome) = Reply::channel();
    actors.room(&id("kim"), request("kim", command_id, 7), command, reply);
    outcome.await
}

async fn say(actors: &Actors, user: &str, command_id: &str) -> Outcome<Answer> {
    let (reply, outcome) = Reply::channel();
    let say = room::Command::SendChat(SendChat::new(id(user), format!("{user} {command_id}")));
    actors.room(&id("kim"), request(user, command_id, 7), say, reply);
    outcome.await
}

#[test]
fn where_only_followers_may_write_the_authors_own_actor_is_asked() {
    System::new().block_on(async {
        let world = World::new();
        let config = Config {
            arbiters: 2,
            room_arbiters: 1,
            streamer_arbiters: 1,
            idle_after_ms: 1_000_000,
            settle: false,
        };
        let actors = Actors::start(world.house(), &config);
        assert!(say(&actors, "ann", "1").await.is_ok());
        let (by, act) = (id("kim"), Act::FollowersOnly { on: true });
        order(&actors, "o", room::Command::Moderate { by, act })
            .await
            .expect("ordered");
        let refused = say(&actors, "ann", "2").await;
        assert!(
            matches!(refused, Err(Failure::Rejected(Rejection::FollowersOnly))),
            "{refused:?}"
        );
        assert!(
            say(&actors, "kim", "1").await.is_ok(),
            "the streamer needs not follow"
        );
        let (reply, followed) = Reply::channel();
        actors.viewer(&id("ann"), request("ann", "f", 7), follow("kim"), reply);
        followed.await.expect("followed");
        // The same command again: what was refused left no trace.
        let said = say(&actors, "ann", "2").await.expect("said");
        assert_eq!(said.answer, Answer::Said);
        assert_eq!(say(&actors, "ann", "2").await.expect("said before"), said);
        // Questions are no commands: two chats of Ann, one of Kim, an order, a follow.
        assert_eq!(actors.stats().accepted.get(), 5);
        assert_eq!(actors.stats().refused(Rejection::FollowersOnly), 1);
        assert!(actors.stop(Duration::from_secs(20)).await);
        assert_eq!(world.journal.records(0).len(), 5);
    });
}
