//! Private messages between actors: both sides are asked whom they block and whether they follow, and a message is sent once.

use std::time::Duration;

use actix::System;
use domain::Rejection;
use domain::conversation::{Answer, Command, ReadMessages, SendMessage};
use domain::viewer;

use super::*;
use crate::{Actors, Config, Failure};

const DEADLINE: Duration = Duration::from_secs(20);

fn start(world: &World) -> Actors {
    let config = Config {
        arbiters: 2,
        room_arbiters: 1,
        streamer_arbiters: 1,
        idle_after_ms: 1_000_000,
        settle: true,
    };
    Actors::start(world.house(), &config)
}

async fn send(actors: &Actors, from: &str, to: &str, command_id: &str) -> Outcome<Answer> {
    let (reply, outcome) = Reply::channel();
    let send = Command::Send(SendMessage::new(id(from), id(to), format!("{from} {command_id}")));
    actors.conversation(request(from, command_id, 7), send, reply);
    outcome.await
}

async fn read(actors: &Actors, reader: &str, from: &str, upto: u64) -> Outcome<Answer> {
    let (reply, outcome) = Reply::channel();
    let command = Command::Read(ReadMessages {
        reader: id(reader),
        from: id(from),
        upto,
    });
    actors.conversation(request(reader, &format!("r{upto}"), 7), command, reply);
    outcome.await
}

async fn act(actors: &Actors, who: &str, command_id: &str, command: viewer::Command) {
    let (reply, outcome) = Reply::channel();
    actors.viewer(&id(who), request(who, command_id, 7), command, reply);
    outcome.await.expect("it is done");
}

fn refused<T: std::fmt::Debug>(outcome: Outcome<T>) -> Rejection {
    match outcome {
        Err(Failure::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_wait_for_an_answer_unless_both_follow_and_each_is_sent_once() {
    System::new().block_on(async {
        let world = World::new();
        let actors = start(&world);
        for n in ["1", "2", "3"] {
            let sent = send(&actors, "lee", "max", n).await.expect("sent");
            assert_eq!(send(&actors, "lee", "max", n).await.expect("sent before"), sent);
        }
        world.wait(10_000);
        assert_eq!(
            refused(send(&actors, "lee", "max", "4").await),
            Rejection::AnswerAwaited
        );
        act(&actors, "lee", "f", follow("max")).await;
        assert_eq!(
            refused(send(&actors, "lee", "max", "4").await),
            Rejection::AnswerAwaited
        );
        act(&actors, "max", "f", follow("lee")).await;
        let fourth = send(&actors, "lee", "max", "4")
            .await
            .expect("they follow each other");
        assert_eq!(fourth.answer, Answer::Sent { number: 4 });
        let read = read(&actors, "max", "lee", 4).await.expect("read");
        assert_eq!(read.answer, Answer::Read { upto: 4 });
        assert!(actors.stop(DEADLINE).await);
        // The same after a restart: what was sent is known, and what was counted.
        let again = start(&world);
        assert_eq!(
            send(&again, "lee", "max", "4").await.expect("sent before"),
            fourth
        );
        act(
            &again,
            "max",
            "u",
            viewer::Command::Unfollow { streamer: id("lee") },
        )
        .await;
        assert_eq!(
            refused(send(&again, "lee", "max", "5").await),
            Rejection::AnswerAwaited
        );
        let answer = send(&again, "max", "lee", "1").await.expect("an answer");
        assert_eq!(answer.answer, Answer::Sent { number: 1 });
        let fifth = send(&again, "lee", "max", "5").await.expect("answered");
        assert_eq!(fifth.answer, Answer::Sent { number: 5 });
        assert!(again.stop(DEADLINE).await);
        let records = world.journal.records(0).into_iter();
        let of_both = records.filter(|record| record.stream.to_string() == "conversation-lee~max");
        assert_eq!(of_both.count(), 7, "six messages, one mark");
    });
}

#[test]
fn a_block_either_way_bars_messages_at_once_and_what_was_sent_before_is_still_answered() {
    System::new().block_on(async {
        let world = World::new();
        let actors = start(&world);
        let first = send(&actors, "lee", "max", "1").await.expect("sent");
        act(&actors, "max", "b", viewer::Command::Block { user: id("lee") }).await;
        assert_eq!(
            refused(send(&actors, "lee", "max", "2").await),
            Rejection::BlockedBy
        );
        assert_eq!(
            refused(send(&actors, "max", "lee", "1").await),
            Rejection::MessageBlocked
        );
        assert_eq!(
            send(&actors, "lee", "max", "1").await.expect("sent before"),
            first
        );
        assert!(
            read(&actors, "max", "lee", 1).await.is_ok(),
            "reading is no message"
        );
        assert!(actors.stop(DEADLINE).await);
        // Nobody is there: both are asked.
        let again = start(&world);
        assert_eq!(
            refused(send(&again, "lee", "max", "2").await),
            Rejection::BlockedBy
        );
        act(&again, "max", "u", viewer::Command::Unblock { user: id("lee") }).await;
        assert!(
            send(&again, "lee", "max", "2").await.is_ok(),
            "a refused message leaves no trace"
        );
        assert!(again.stop(DEADLINE).await);
    });
}

#[test]
fn who_writes_to_many_is_slowed_down_as_one_who_writes_to_one() {
    System::new().block_on(async {
        let world = World::new();
        let actors = start(&world);
        for to in ["a", "b", "c", "d", "e"] {
            assert!(send(&actors, "lee", to, "1").await.is_ok());
        }
        assert_eq!(
            refused(send(&actors, "lee", "f", "1").await),
            Rejection::MessageTooFast
        );
        assert!(
            send(&actors, "lee", "a", "1").await.is_ok(),
            "what was sent before costs nothing"
        );
        assert!(send(&actors, "max", "f", "1").await.is_ok());
        world.wait(1_000);
        assert!(send(&actors, "lee", "f", "1").await.is_ok());
        assert_eq!(
            refused(send(&actors, "lee", "lee", "1").await),
            Rejection::MessageToSelf
        );
        assert!(actors.stop(DEADLINE).await);
    });
}
