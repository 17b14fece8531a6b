//! What is told, when, and to whom.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use journal::JournalId;
use journal::memory::MemoryJournal;
use projections::views::Board;
use projections::{Options, Runner, Sink, ViewStore};

use crate::model::assert_like_the_model;
use crate::support::*;

const SOON: Duration = Duration::from_secs(20);

fn listening(journal: &MemoryJournal, store: &Arc<dyn ViewStore>) -> (Runner, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let runner = Runner::open(
        Arc::new(journal.clone()),
        store.clone(),
        Options::default(),
        heard.clone() as Arc<dyn Sink>,
    );
    (runner.unwrap(), heard)
}

#[test]
fn nothing_is_told_of_what_was_there_before() {
    let (journal, store) = (MemoryJournal::new(), memory());
    append(&journal, viewer("ann"), gift("bob", 1, 5, 2, 10));
    let (mut runner, heard) = listening(&journal, &store);
    assert_eq!(runner.turn().unwrap(), 1);
    assert!(heard.0.lock().is_empty());
    append(&journal, viewer("ann"), gift("bob", 1, 5, 2, 5));
    runner.turn().unwrap();
    runner.turn().unwrap();
    let told = std::mem::take(&mut *heard.0.lock());
    assert_eq!(told.len(), 1, "and the new one once");
    assert_eq!(told[0].shown[0].position, at(2));
    drop(runner);
    let (mut runner, heard) = listening(&journal, &store);
    runner.turn().unwrap();
    assert!(heard.0.lock().is_empty(), "and nothing again after a restart");
}

#[test]
fn a_commit_tells_rooms_in_order_balances_once_and_boards_that_moved() {
    let (journal, store) = (MemoryJournal::new(), memory());
    let (mut runner, heard) = listening(&journal, &store);
    append(&journal, viewer("ann"), grant(100, 100));
    append(&journal, viewer("ann"), gift("bob", 1, 5, 2, 95));
    append(&journal, viewer("ann"), gift("bob", 1, 5, 2, 90));
    append(&journal, domain::StreamId::room(&room("bob")), chat("cat"));
    runner.turn().unwrap();
    let told = heard.0.lock();
    let deltas = &told[0];
    let shown: Vec<_> = deltas
        .shown
        .iter()
        .map(|s| (s.position.sequence, s.user.as_str(), s.room.as_str()))
        .collect();
    assert_eq!(shown, [(2, "ann", "bob"), (3, "ann", "bob"), (4, "cat", "bob")]);
    let balances: Vec<_> = deltas
        .balances
        .iter()
        .map(|b| (b.user.as_str(), b.balance.coins, b.position()))
        .collect();
    assert_eq!(balances, [("ann", 90, at(3))]);
    assert_eq!(
        deltas.boards,
        [Board::Tickets, Board::Coins, Board::Room(room("bob"))]
    );
    assert_eq!(deltas.upto, Some(at(4)));
    assert!(
        deltas.shown[0]
            .json()
            .starts_with(r#"{"type":"gift","position":2,"#)
    );
    assert!(deltas.balances[0].json().contains(r#""coins":90"#));
}

#[test]
fn a_failed_commit_tells_nobody_and_is_made_good_at_the_next_start() {
    let (journal, store) = (MemoryJournal::new(), memory());
    let heard = Arc::new(Heard::default());
    let crashing = Crashing::after(1, &store);
    let reader = Arc::new(journal.clone());
    let mut runner = Runner::open(
        reader,
        crashing,
        Options::default(),
        heard.clone() as Arc<dyn Sink>,
    )
    .unwrap();
    append(&journal, viewer("ann"), gift("bob", 1, 5, 2, 95));
    runner.turn().unwrap();
    append(&journal, viewer("ann"), gift("bob", 1, 5, 2, 90));
    assert!(runner.turn().is_err());
    assert_eq!(heard.0.lock().len(), 1);
    let runner = folded(journal.clone(), &store);
    assert_like_the_model(&journal, &runner.handle().read());
}

#[test]
fn an_undecodable_record_parks_its_stream_and_no_other_also_after_a_restart() {
    let (journal, store) = (MemoryJournal::new(), memory());
    append(&journal, viewer("ann"), grant(1, 1));
    append(&journal, viewer("ann"), grant(1, 2));
    append(&journal, viewer("bob"), grant(1, 1));
    append(&journal, viewer("ann"), grant(1, 3));
    let rotten = Lying {
        inner: journal.clone(),
        id: JournalId(1),
        rotten: Some(2),
    };
    for again in 0..2 {
        let runner = folded(rotten.clone(), &store);
        let handle = runner.handle();
        assert_eq!(handle.progress().parked.load(Ordering::Relaxed), 1);
        assert_eq!(handle.read().balance(&user("ann")).coins, 1);
        assert_eq!(handle.read().balance(&user("bob")).coins, 1 + again);
        append(&journal, viewer("bob"), grant(1, 2));
        append(&journal, viewer("ann"), grant(1, 4));
    }
}

#[tokio::test]
async fn who_waits_for_a_position_reads_its_own_write() {
    let (journal, store) = (MemoryJournal::new(), memory());
    let (runner, heard) = listening(&journal, &store);
    let handle = runner.handle();
    let thread = runner.spawn().unwrap();
    for n in 1..=200 {
        append(&journal, viewer("ann"), grant(1, n));
        if n % 20 == 0 {
            assert!(handle.wait_for(at(n), SOON).await);
            assert!(handle.read().balance(&user("ann")).coins >= n);
        }
    }
    assert!(
        !handle.wait_for(at(201), Duration::from_millis(1)).await,
        "what is not there is not waited for for ever"
    );
    assert_eq!((handle.position(), handle.progress().lag_records()), (at(200), 0));
    thread.stop().unwrap();
    let told = heard.0.lock();
    let last = told.last().unwrap();
    assert_eq!((last.balances[0].balance.coins, last.upto), (200, Some(at(200))));
    assert!(told.windows(2).all(|pair| pair[0].upto < pair[1].upto));
}

#[tokio::test]
async fn a_runner_far_behind_catches_up_silently_and_then_goes_live() {
    let (journal, store) = (MemoryJournal::new(), memory());
    journal.set_now_ms(MORNING_MS);
    let many = projections::limits::CATCH_UP_LAG_RECORDS + 500;
    for n in 0..many {
        append(&journal, viewer("ann"), gift("bob", 1, 1, 1, n));
    }
    let (runner, heard) = listening(&journal, &store);
    let handle = runner.handle();
    let thread = runner.spawn().unwrap();
    assert!(handle.wait_for(at(many), SOON).await);
    assert!(heard.0.lock().is_empty());
    append(&journal, viewer("ann"), gift("bob", 1, 1, 1, 0));
    assert!(handle.wait_for(at(many + 1), SOON).await);
    assert!(handle.progress().live.load(Ordering::Acquire));
    thread.stop().unwrap();
    assert_eq!(heard.0.lock().iter().map(|d| d.shown.len()).sum::<usize>(), 1);
    let top = handle
        .read()
        .board_top(
            &Board::Coins,
            projections::Period::day(handle.read().day_of(MORNING_MS)),
            0,
            1,
        )
        .unwrap();
    assert_eq!(top[0].score, many + 1);
}
