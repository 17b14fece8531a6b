//! What is stored is never trusted further than a fold would go.

use std::sync::Arc;

use journal::memory::MemoryJournal;
use journal::{JournalId, Reader};
use projections::store::Batch;
use projections::views::{ALL, Board, Ledger};
use projections::{Error, Options, Rebuild, Runner, Stopper, ViewStore, Zone, check, rebuild, roll_back};

use crate::model::assert_like_the_model;
use crate::support::*;

fn busy() -> MemoryJournal {
    let journal = MemoryJournal::new();
    journal.set_now_ms(MORNING_MS);
    append(&journal, streamer("bob"), started(1, "hi"));
    for n in 0..40 {
        append(&journal, viewer("ann"), gift("bob", 1, n + 1, 1, 1_000 - n));
        append(&journal, viewer("cat"), gift("bob", 1, 40 - n, 1, n));
        append(&journal, viewer("dan"), grant(1, n));
    }
    append(&journal, room_stream("bob"), chat("cat"));
    append(&journal, room_stream("bob"), liked(1, 5, 5));
    append(&journal, viewer("ann"), followed("bob"));
    append(&journal, viewer("cat"), followed("bob"));
    journal
}

fn differences(journal: &impl Reader, store: &Arc<dyn ViewStore>, names: &[&str]) -> Vec<String> {
    let found = check(
        journal,
        store,
        names,
        Options::default(),
        &Stopper::default(),
        |_| {},
    )
    .unwrap();
    found
        .into_iter()
        .map(|d| format!("{}: {}", d.view, d.key))
        .collect()
}

/// Rewrites the values of one view that `spoil` picks; says how many.
fn spoil(store: &dyn ViewStore, view: &str, spoil: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>) -> usize {
    let mut batch = Batch::new();
    for (space, key, value) in contents(store)
        .iter()
        .filter(|(space, ..)| space.starts_with(view))
    {
        if let Some(value) = spoil(key, value) {
            batch.space(space).set(key, &value);
        }
    }
    store.commit(&batch).unwrap();
    batch.len()
}

#[test]
fn a_check_finds_a_tampered_value() {
    let (journal, store) = (busy(), memory());
    drop(folded(journal.clone(), &store));
    assert_eq!(differences(&journal, &store, &[]), [""; 0]);
    let ann_is_richer = |_: &[u8], value: &[u8]| {
        let coins = u64::from_le_bytes(*value.first_chunk::<8>()?);
        (coins == 961).then(|| [&5_000u64.to_le_bytes(), &value[8..]].concat())
    };
    assert_eq!(spoil(&*store, "balances", ann_is_richer), 1);
    assert_eq!(differences(&journal, &store, &[]), ["balances: user ann"]);
    assert_eq!(differences(&journal, &store, &["followers", "boards"]), [""; 0]);
}

#[test]
fn a_gift_that_costs_nothing_makes_no_day_of_boards() {
    let (journal, store) = (MemoryJournal::new(), memory());
    journal.set_now_ms(MORNING_MS);
    append(&journal, viewer("ann"), gift("bob", 1, 0, 0, 0));
    drop(folded(journal.clone(), &store));
    journal.set_now_ms(MORNING_MS + 24 * HOUR_MS);
    append(&journal, viewer("ann"), gift("bob", 1, 10, 5, 0));
    drop(folded(journal.clone(), &store));
    assert_eq!(differences(&journal, &store, &[]), [""; 0]);
}

#[test]
fn a_check_of_views_that_lie_behind_the_journal_finds_nothing() {
    let (journal, store) = (busy(), memory());
    drop(folded(journal.clone(), &store));
    append(&journal, viewer("eve"), grant(1, 1));
    assert_eq!(differences(&journal, &store, &[]), [""; 0]);
}

#[test]
fn a_check_finds_what_is_missing_and_what_is_too_much() {
    let (journal, store) = (busy(), memory());
    drop(folded(journal.clone(), &store));
    let mut batch = Batch::new();
    let entries = contents(&*store);
    let (space, key, _) = entries
        .iter()
        .find(|(space, ..)| space.starts_with("live_rooms"))
        .unwrap();
    batch.space(space).remove(key);
    batch.space(space).set(&7u32.to_be_bytes(), b"x");
    store.commit(&batch).unwrap();
    assert_eq!(differences(&journal, &store, &["live_rooms"]).len(), 2);
}

#[test]
fn every_view_that_is_spoiled_is_rebuilt_when_it_is_opened() {
    for view in ALL {
        let (journal, store) = (busy(), memory());
        append(&journal, room_stream("bob"), order("cat", 7));
        append(&journal, viewer("ann"), combo_gift("bob", 3));
        crate::orders::payment(&journal, "1", crate::orders::received("1", "nowhere"));
        append(&journal, streamer("bob"), crate::withdrawals::requested("w1"));
        append(&journal, viewer("bob"), blocked("eve"));
        append(&journal, conversation("ann", "bob"), message("ann", "bob", 1));
        drop(folded(journal.clone(), &store));
        assert!(spoil(&*store, view, |_, value| Some(value[..value.len() - 1].to_vec())) > 0);
        let runner = folded(journal.clone(), &store);
        assert_like_the_model(&journal, &runner.handle().read());
        drop(runner);
        assert_eq!(differences(&journal, &store, &[]), [""; 0], "{view}");
    }
}

#[test]
fn a_store_with_spoiled_names_is_rebuilt_as_a_whole() {
    let (journal, store) = (busy(), memory());
    drop(folded(journal.clone(), &store));
    assert!(
        spoil(&*store, "names", |key, _| (key == 1u32.to_be_bytes())
            .then(|| b"bob".to_vec()))
            > 0
    );
    let runner = folded(journal.clone(), &store);
    assert_like_the_model(&journal, &runner.handle().read());
    drop(runner);
    assert_eq!(differences(&journal, &store, &[]), [""; 0]);
}

#[test]
fn views_of_another_journal_are_thrown_away() {
    let store = memory();
    drop(folded(
        Lying {
            inner: busy(),
            id: JournalId(99),
            rotten: None,
        },
        &store,
    ));
    let journal = MemoryJournal::new();
    append(&journal, viewer("ann"), grant(5, 5));
    let runner = folded(journal.clone(), &store);
    assert_like_the_model(&journal, &runner.handle().read());
}

#[test]
fn views_that_are_ahead_of_the_journal_are_thrown_away() {
    let store = memory();
    drop(folded(busy(), &store));
    let shorter = MemoryJournal::new();
    append(&shorter, viewer("ann"), grant(5, 5));
    let runner = folded(shorter.clone(), &store);
    assert_like_the_model(&shorter, &runner.handle().read());
}

#[test]
fn boards_of_another_time_zone_are_built_anew() {
    let (journal, store) = (busy(), memory());
    drop(folded(journal.clone(), &store));
    let options = Options {
        zone: Zone::named("UTC").unwrap(),
    };
    let mut runner = Runner::open(Arc::new(journal), store, options, Arc::new(())).unwrap();
    runner.turn().unwrap();
    let handle = runner.handle();
    let views = handle.read();
    // Half past midnight in Shanghai is still yesterday in UTC.
    assert_eq!(
        views
            .board_top(
                &Board::Coins,
                projections::Period::day("2025-11-20".parse().unwrap()),
                0,
                9
            )
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_rebuild_heals_keeps_the_old_one_and_can_be_rolled_back() {
    let (journal, store) = (busy(), memory());
    drop(folded(journal.clone(), &store));
    spoil(&*store, "balances", |_, value| {
        (value.len() == 32).then(|| vec![9; 32])
    });
    assert!(!differences(&journal, &store, &[]).is_empty());
    let mut seen = Vec::new();
    let report = rebuild(
        &journal,
        &store,
        &["balances"],
        Options::default(),
        &Stopper::default(),
        |p| seen.push(p),
    )
    .unwrap();
    assert_eq!(report.records, 125);
    assert_eq!(
        seen.last(),
        Some(&Rebuild {
            done: 125,
            total: 125
        })
    );
    assert_eq!(differences(&journal, &store, &[]), [""; 0]);
    roll_back(&*store, &["balances"]).unwrap();
    assert!(!differences(&journal, &store, &[]).is_empty());
    roll_back(&*store, &["balances"]).unwrap();
    assert_eq!(differences(&journal, &store, &[]), [""; 0]);
    assert!(matches!(
        roll_back(&*store, &["boards"]),
        Err(Error::NoEarlier(_))
    ));
    let builds = contents(&*store)
        .into_iter()
        .map(|(space, ..)| space)
        .filter(|s| s.starts_with(Ledger::NAME));
    assert_eq!(builds.collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[test]
fn a_stopped_or_crashed_rebuild_changes_nothing() {
    let (journal, store) = (busy(), memory());
    drop(folded(journal.clone(), &store));
    let before = contents(&*store);
    let stop = Stopper::default();
    stop.stop();
    assert!(matches!(
        rebuild(&journal, &store, &[], Options::default(), &stop, |_| {}),
        Err(Error::Stopped)
    ));
    assert_eq!(contents(&*store), before);
    for commits in 0..2 {
        let crashing = Crashing::after(commits, &store);
        let crashed = rebuild(
            &journal,
            &crashing,
            &[],
            Options::default(),
            &Stopper::default(),
            |_| {},
        );
        assert!(matches!(crashed, Err(Error::Store(_))), "{commits}");
        assert_eq!(differences(&journal, &store, &[]), [""; 0]);
        let runner = folded(journal.clone(), &store);
        assert_like_the_model(&journal, &runner.handle().read());
    }
}

#[test]
fn an_undecodable_record_stops_a_rebuild_and_names_its_position() {
    let (journal, store) = (busy(), memory());
    let rotten = Lying {
        inner: journal,
        id: JournalId(1),
        rotten: Some(17),
    };
    let stopped = rebuild(
        &rotten,
        &store,
        &[],
        Options::default(),
        &Stopper::default(),
        |_| {},
    );
    let Err(Error::Undecodable { position, .. }) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(position, at(17));
}

#[test]
fn an_unknown_view_is_refused_with_the_names_there_are() {
    let (journal, store) = (busy(), memory());
    let refused = rebuild(
        &journal,
        &store,
        &["hearts"],
        Options::default(),
        &Stopper::default(),
        |_| {},
    );
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("balances, followers, blocks, boards, room_feed, live_rooms, recent_chats")
    );
}

#[test]
fn a_journal_of_several_shards_is_refused() {
    let opened = Runner::open(
        Arc::new(MemoryJournal::with_shards(2)),
        memory(),
        Options::default(),
        Arc::new(()),
    );
    assert!(matches!(opened, Err(Error::Shards(2))));
}
