//! The shell by itself: exactly once, durable before told, state thrown away when an append fails.

use domain::event::EventType;
use domain::room::{self, Room, SendChat};
use domain::viewer::Answer;
use domain::{Aggregate, ComboId, Rejection, StreamId};
use journal::{
    BoxFuture, Checkpoint, Error, Expected, JournalId, Position, Record, RecordBatch, Result, Snapshot, Tail,
    Writer,
};

use super::*;
use crate::limits::SNAPSHOT_EVERY_EVENTS;
use crate::{Accepted, Failure};

fn coins(outcome: &Outcome<Answer>) -> u64 {
    match outcome {
        Ok(Accepted {
            answer: Answer::Gift { coins, .. } | Answer::Adjusted { coins },
            ..
        }) => *coins,
        other => panic!("no balance: {other:?}"),
    }
}

fn rejection<T: std::fmt::Debug>(outcome: Outcome<T>) -> Rejection {
    match outcome {
        Err(Failure::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

fn conflict() -> Error {
    Error::Conflict {
        stream: StreamId::viewer(&id("ann")),
        expected: Expected::Empty,
        actual: 1,
    }
}

fn rich_ann(world: &World) -> Ann {
    let mut ann: Ann = world.actor("ann");
    assert_eq!(coins(&ann.ask("grant", grant(1_000))), 1_000);
    ann
}

#[test]
fn nothing_is_told_before_it_is_durable_and_nothing_waits_for_an_fsync_to_be_decided() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.hold();
    for n in 0..3 {
        ann.give(request("ann", &format!("g{n}"), 7), roses(1));
    }
    assert_eq!(world.journal.held(), 3, "pipelined");
    assert_eq!(ann.shell.state().map(Viewer::coins), Some(970));
    assert!(ann.outcomes().is_empty() && !ann.shell.is_quiet());
    assert!(world.journal.release_one());
    assert_eq!(coins(&ann.outcome()), 990);
    world.journal.release();
    let rest = ann.outcomes();
    assert_eq!(rest.iter().map(coins).collect::<Vec<_>>(), [980, 970]);
    let positions: Vec<_> = rest
        .into_iter()
        .map(|o| o.expect("accepted").position.sequence)
        .collect();
    assert_eq!(positions, [3, 4]);
    assert!(ann.shell.is_quiet());
}

#[test]
fn a_retried_gift_is_charged_once() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    let first = ann.ask("g1", roses(3)).expect("accepted");
    _ = ann.ask("g2", roses(1));
    assert_eq!(ann.ask("g1", roses(3)).expect("accepted"), first);
    assert_eq!(world.journal.records(0).len(), 3);
    // Also by an actor that knows only the journal.
    let mut ann: Ann = world.actor("ann");
    assert_eq!(ann.ask("g1", roses(3)).expect("accepted"), first);
    assert_eq!(ann.house.stats().repeated.get(), 1);
}

#[test]
fn a_retry_of_a_gift_in_flight_is_answered_like_the_first_once_that_is_durable() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.hold();
    ann.give(request("ann", "g1", 7), roses(3));
    ann.give(request("ann", "g1", 7), roses(3));
    ann.give(request("ann", "g2", 7), roses(1));
    world.journal.release();
    assert_eq!(ann.handle_returned(), 1);
    let outcomes: Vec<_> = ann.outcomes().into_iter().map(|o| o.expect("accepted")).collect();
    assert_eq!(outcomes[0], outcomes[2]);
    assert_eq!(ann.shell.state().map(Viewer::coins), Some(960));
}

#[test]
fn a_retry_in_flight_of_a_gift_that_failed_is_decided_anew() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.hold();
    world.journal.fail_next(conflict());
    ann.give(request("ann", "g1", 7), roses(3));
    ann.give(request("ann", "g1", 7), roses(3));
    world.journal.release();
    assert!(matches!(ann.outcome(), Err(Failure::Broken(_))));
    ann.handle_returned();
    // The one that waited did not rest on what failed.
    assert_eq!(coins(&ann.outcome()), 970);
    assert_eq!(world.journal.records(0).len(), 2);
}

#[test]
fn a_refused_gift_stays_refused() {
    let world = World::new();
    let mut ann: Ann = world.actor("ann");
    assert_eq!(rejection(ann.ask("g1", roses(1))), Rejection::NotEnoughCoins);
    assert_eq!(coins(&ann.ask("grant", grant(100))), 100);
    assert_eq!(rejection(ann.ask("g1", roses(1))), Rejection::NotEnoughCoins);
    assert_eq!(coins(&ann.ask("g2", roses(1))), 90);
    let mut ann: Ann = world.actor("ann");
    assert_eq!(rejection(ann.ask("g1", roses(1))), Rejection::NotEnoughCoins);
    assert_eq!(world.journal.records(0)[0].event_type, EventType::CommandRefused);
    assert_eq!(world.journal.records(0).len(), 3);
}

#[test]
fn a_command_id_with_another_body_is_refused_and_changes_nothing() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    _ = ann.ask("g1", roses(3));
    ann.give(request("ann", "g1", 8), roses(4));
    assert_eq!(rejection(ann.outcome()), Rejection::CommandReused);
    // And while the first is in flight.
    world.journal.hold();
    ann.give(request("ann", "g2", 7), roses(1));
    ann.give(request("ann", "g2", 8), roses(2));
    world.journal.release();
    ann.handle_returned();
    assert_eq!(
        rejection(ann.outcomes().pop().expect("told")),
        Rejection::CommandReused
    );
    assert_eq!(ann.shell.state().map(Viewer::coins), Some(960));
    assert_eq!(ann.house.stats().refused(Rejection::CommandReused), 2);
}

#[test]
fn two_users_may_use_the_same_command_id_in_one_room() {
    let world = World::new();
    let mut kims: Driven<Room> = world.actor("kim");
    let say = |user: &str| room::Command::SendChat(SendChat::new(id(user), "hi"));
    let mut positions = Vec::new();
    for user in ["ann", "bob", "kim", "ann", "bob"] {
        kims.give(request(user, "1", 7), say(user));
        positions.push(kims.outcome().expect("said").position.sequence);
    }
    assert_eq!(positions, [1, 2, 3, 1, 2]);
}

#[test]
fn the_longest_command_id_of_somebody_else_is_taken() {
    let world = World::new();
    let mut kims: Driven<Room> = world.actor("kim");
    let (user, command_id) = ("u".repeat(64), "\u{1F339}".repeat(64));
    let say = room::Command::SendChat(SendChat::new(id(&user), "hi"));
    kims.give(request(&user, &command_id, 7), say);
    assert!(kims.outcome().is_ok());
}

#[test]
fn a_full_queue_says_busy_and_changes_nothing() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.set_full(true);
    assert_eq!(rejection(ann.ask("g1", roses(1))), Rejection::Busy);
    assert_eq!(ann.shell.state().map(Viewer::coins), Some(1_000));
    world.journal.set_full(false);
    assert_eq!(coins(&ann.ask("g1", roses(1))), 990);
    assert_eq!(ann.house.stats().thrown_away.get(), 0);
}

#[test]
fn when_an_append_fails_everything_that_rests_on_it_fails_and_the_state_comes_back_from_the_journal() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.hold();
    world.journal.fail_next(conflict());
    for n in 0..3 {
        ann.give(request("ann", &format!("g{n}"), 7), roses(1));
    }
    world.journal.release();
    let outcomes = ann.outcomes();
    assert_eq!(outcomes.len(), 3);
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Err(failure @ Failure::Broken(_)) if failure.is_retryable()))
    );
    // The same command again is safe, and is charged once.
    assert_eq!(coins(&ann.ask("g0", roses(1))), 990);
    assert_eq!(ann.house.stats().thrown_away.get(), 1);
    assert_eq!(world.journal.records(0).len(), 2);
}

#[test]
fn what_an_earlier_state_queued_is_waited_for_before_a_replay() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.hold();
    ann.give(request("ann", "g0", 7), roses(1));
    // As after a panic, with an append of the lost state still in the queue.
    ann.shell.forget();
    let work = ann.work(request("ann", "g1", 7), roses(1));
    let suspended = ann.shell.handle(work).expect("waits for the queue");
    world.journal.release();
    let resumption = futures_util::FutureExt::now_or_never(suspended).expect("the queue is empty");
    assert!(ann.shell.resume(resumption).is_none());
    assert_eq!(ann.outcomes().iter().map(coins).collect::<Vec<_>>(), [990, 980]);
}

#[test]
fn a_zombie_owner_writes_nothing() {
    let world = World::new();
    let (mut zombie, mut ann) = (rich_ann(&world), world.actor::<Viewer>("ann"));
    assert_eq!(coins(&ann.ask("g1", roses(10))), 900);
    assert!(matches!(
        zombie.ask("g2", roses(95)),
        Err(Failure::Broken(Error::Conflict { .. }))
    ));
    // It sees what it missed, and decides by that.
    assert_eq!(rejection(zombie.ask("g2", roses(95))), Rejection::NotEnoughCoins);
}

#[test]
fn what_rests_on_something_in_flight_is_told_when_that_is_durable() {
    let world = World::new();
    let mut ann: Ann = world.actor("ann");
    world.journal.hold();
    ann.give(request("ann", "f1", 7), follow("kim"));
    ann.give(request("ann", "f2", 7), follow("kim"));
    ann.give(request("ann", "f3", 7), follow("ann"));
    assert!(ann.outcomes().is_empty());
    world.journal.release();
    let outcomes = ann.outcomes();
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
    assert!(matches!(
        outcomes[2],
        Err(Failure::Rejected(Rejection::FollowSelf))
    ));
}

#[test]
fn a_refusal_that_rests_on_a_failed_append_is_not_told() {
    let world = World::new();
    let mut kim: Kim = world.actor("kim");
    world.journal.hold();
    world.journal.fail_next(conflict());
    kim.give(request("kim", "s1", 7), start_live());
    kim.give(request("kim", "s2", 7), start_live());
    world.journal.release();
    let outcomes = kim.outcomes();
    assert!(matches!(outcomes[0], Err(Failure::Broken(_))));
    assert!(matches!(outcomes[1], Err(Failure::Lost)));
    assert!(kim.ask("s2", start_live()).is_ok());
}

#[test]
fn a_poisoned_journal_fails_commands_and_says_so() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.fail_next(Error::Poisoned("disk".into()));
    let outcome = ann.ask("g1", roses(1));
    assert!(matches!(&outcome, Err(Failure::Broken(Error::Poisoned(_)))));
    assert!(!outcome.expect_err("broken").is_retryable());
}

#[test]
fn a_snapshot_saves_the_replay_of_what_is_before_it() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    for n in 0..SNAPSHOT_EVERY_EVENTS + 9 {
        _ = ann.ask(&format!("a{n}"), grant(1));
    }
    let expected = 1_000 + SNAPSHOT_EVERY_EVENTS + 9;
    let mut again: Ann = world.actor("ann");
    assert_eq!(coins(&again.ask("last", grant(1))), expected + 1);
    assert_eq!(again.house.stats().replayed_records.get(), 10);
    // One kept on leaving saves all of it.
    again.shell.save_snapshot();
    let mut again: Ann = world.actor("ann");
    assert_eq!(coins(&again.ask("really.last", grant(1))), expected + 2);
    assert_eq!(again.house.stats().replayed_records.get(), 0);
}

#[test]
fn a_snapshot_is_only_of_what_is_durable() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    let stream = StreamId::viewer(&id("ann"));
    let snapshot = || futures_util::FutureExt::now_or_never(world.journal.snapshot(&stream)).expect("ready");
    world.journal.hold();
    for n in 0..SNAPSHOT_EVERY_EVENTS {
        ann.give(request("ann", &format!("a{n}"), 7), grant(1));
    }
    ann.shell.save_snapshot();
    assert_eq!(snapshot().expect("no error"), None);
    world.journal.release();
    let kept = snapshot().expect("no error").expect("kept");
    assert_eq!(
        (kept.version, kept.position.sequence),
        (SNAPSHOT_EVERY_EVENTS, SNAPSHOT_EVERY_EVENTS)
    );
}

#[test]
fn a_snapshot_of_another_shape_or_of_garbage_is_replayed_away() {
    for (schema, state) in [
        (999, &b"\x00"[..]),
        (Viewer::SNAPSHOT_SCHEMA, &b"\xff\xff\xff"[..]),
    ] {
        let world = World::new();
        let mut ann = rich_ann(&world);
        _ = ann.ask("g1", roses(1));
        let position = Position {
            shard: 0,
            sequence: 1,
        };
        let snapshot = Snapshot {
            version: 1,
            position,
            schema,
            state: bytes::Bytes::from_static(state),
        };
        world
            .journal
            .save_snapshot(&StreamId::viewer(&id("ann")), snapshot);
        let mut again: Ann = world.actor("ann");
        assert_eq!(coins(&again.ask("g1", roses(1))), 990);
        assert_eq!(again.house.stats().replayed_records.get(), 2);
    }
}

#[test]
fn an_idle_combo_is_ended_when_it_is_due() {
    let world = World::new();
    world.journal.set_now_ms(1_000);
    let mut ann = rich_ann(&world);
    let viewer::Command::SendGift(mut send) = roses(1) else {
        unreachable!("a gift")
    };
    let combo = id::<ComboId>("c");
    send.combo = Some(domain::event::ComboStep { id: combo, total: 3 });
    _ = ann.ask("g1", viewer::Command::SendGift(send));
    assert_eq!(ann.shell.wake_at_ms(), Some(6_000));
    assert!(ann.shell.wake().is_none());
    assert_eq!(world.journal.records(0).len(), 2);
    world.wait(5_000);
    assert!(ann.shell.wake().is_none());
    assert_eq!(world.journal.records(0)[2].event_type, EventType::ComboEnded);
    assert_eq!(ann.shell.wake_at_ms(), None);
}

#[test]
fn a_room_is_live_for_others_when_that_is_durable() {
    let world = World::new();
    let mut kim: Kim = world.actor("kim");
    let live = |kim: &Kim| kim.house.live().get(&id("kim"));
    assert_eq!(live(&kim), None);
    world.journal.hold();
    kim.give(request("kim", "s1", 7), start_live());
    assert_eq!(live(&kim), Some(None));
    world.journal.release();
    assert_eq!(live(&kim), Some(Some(SessionNumber(1))));
    _ = kim.outcome();
    _ = kim.ask("s2", streamer::Command::StopLive);
    assert_eq!(live(&kim), Some(None));
    // A streamer that is loaded says so too.
    _ = kim.ask("s3", start_live());
    let mut again: Kim = world.actor("kim");
    assert_eq!(rejection(again.ask("s4", start_live())), Rejection::AlreadyLive);
    assert_eq!(live(&again), Some(Some(SessionNumber(2))));
}

#[test]
fn time_never_goes_back_between_two_decisions() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.wait(5_000);
    _ = ann.ask("a", grant(1));
    let seen = ann.shell.seen_ms();
    world.wait(-100_000);
    _ = ann.ask("b", grant(1));
    assert_eq!(ann.shell.seen_ms(), seen);
}

#[test]
fn time_never_goes_back_behind_a_snapshot_either() {
    let world = World::new();
    world.journal.set_now_ms(2_000);
    world.wait(100_000);
    let mut ann = rich_ann(&world);
    ann.shell.save_snapshot();
    let seen = ann.shell.seen_ms();
    // The clock is set back: the records behind the snapshot are of an earlier time than what is in it.
    world.wait(-50_000);
    let mut ann: Ann = world.actor("ann");
    _ = ann.ask("a", grant(1));
    let mut ann: Ann = world.actor("ann");
    _ = ann.ask("b", grant(1));
    assert_eq!(
        ann.house.stats().replayed_records.get(),
        1,
        "the snapshot was read"
    );
    assert_eq!(ann.shell.seen_ms(), seen);
}

#[test]
fn an_actor_that_fell_over_is_not_quiet_before_what_it_queued_is_durable() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.hold();
    ann.give(request("ann", "g", 7), roses(1));
    ann.shell.forget();
    assert!(!ann.shell.is_quiet());
    world.journal.release();
    assert!(ann.shell.is_quiet());
}

#[test]
fn a_state_is_told_when_it_is_durable() {
    let world = World::new();
    let mut ann = rich_ann(&world);
    world.journal.hold();
    ann.give(request("ann", "g1", 7), roses(1));
    let told = Arc::new(Mutex::new(None));
    let teller = told.clone();
    let reply = Reply::from(move |state: Outcome<Viewer>| *teller.lock() = Some(state));
    assert!(ann.shell.handle(Work::Ask(reply)).is_none());
    assert!(told.lock().is_none());
    world.journal.release();
    let state = told.lock().take().expect("told").expect("durable").answer;
    assert_eq!(state.coins(), 990);
}

/// A reader that is never ready at once, as one over a network.
struct Slow(MemoryJournal);

impl Slow {
    fn slowly<'a, T: Send + 'a>(future: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            future.await
        })
    }
}

impl Reader for Slow {
    fn id(&self) -> JournalId {
        self.0.id()
    }
    fn shards(&self) -> u16 {
        self.0.shards()
    }
    fn head(&self) -> Checkpoint {
        self.0.head()
    }
    fn read(&self, after: Position, bytes_max: usize) -> BoxFuture<'_, Result<Arc<RecordBatch>>> {
        Self::slowly(self.0.read(after, bytes_max))
    }
    fn tail(&self, after: &Checkpoint) -> Box<dyn Tail> {
        self.0.tail(after)
    }
    fn read_stream(
        &self,
        stream: &StreamId,
        after_version: u64,
        not_before: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>>> {
        Self::slowly(self.0.read_stream(stream, after_version, not_before, limit))
    }
    fn find_command(&self, stream: &StreamId, command_id: &str) -> BoxFuture<'_, Result<Option<Record>>> {
        Self::slowly(self.0.find_command(stream, command_id))
    }
    fn find_command_anywhere(&self, command_id: &str, limit: usize) -> BoxFuture<'_, Result<Vec<Record>>> {
        Self::slowly(self.0.find_command_anywhere(command_id, limit))
    }
    fn snapshot(&self, stream: &StreamId) -> BoxFuture<'_, Result<Option<Snapshot>>> {
        Self::slowly(self.0.snapshot(stream))
    }
}

#[tokio::test]
async fn a_reader_that_is_not_ready_at_once_suspends_the_shell_and_loses_nothing() {
    let world = World::new();
    let house = Arc::new(world.house_over(Arc::new(Slow(world.journal.clone()))));
    let mut ann: Ann = Driven::new(house, "ann");
    let mut suspensions = 0;
    for (command, id) in [
        (grant(100), "a"),
        (roses(1), "b"),
        (roses(1), "b"),
        (roses(2), "c"),
        (grant(100), "a"),
    ] {
        let work = ann.work(request("ann", id, 7), command);
        let mut suspended = ann.shell.handle(work);
        while let Some(waiting) = suspended {
            suspensions += 1;
            let resumption = waiting.await;
            suspended = ann.shell.resume(resumption);
        }
    }
    assert_eq!(
        ann.outcomes().iter().map(coins).collect::<Vec<_>>(),
        [100, 90, 90, 70, 100]
    );
    assert_eq!(suspensions, 5);
}
