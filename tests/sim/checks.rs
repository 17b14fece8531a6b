//! The views against the platform as the rules make it, and against a fresh fold of themselves.

use std::sync::Arc;

use projections::ledger::Books;
use projections::views::{Board, Phase, Views};
use projections::{Options, Period, Span, Stopper, ViewStore, audit, check};

use crate::life::{Life, id};
use crate::model::Model;
use crate::script::STREAMERS;
use crate::store::CrashStore;

/// The views of a life have reached the end of the journal and say what the model says.
pub fn views_are_right(life: &Life, store: &Arc<CrashStore>, model: &Model) {
    let Some(watch) = &life.watch else { return };
    let handle = watch.handle();
    assert_eq!(handle.position().sequence, life.head(), "the views lag");
    let views = handle.read();
    balances(&views, model);
    follows(&views, model);
    live(&views, model);
    boards(&views, model);
    for (room, places) in &model.feeds {
        let newest = views.room_newest(&id(room), places.len() + 1);
        let newest: Vec<u64> = newest.iter().map(|p| p.sequence).collect();
        assert_eq!(newest, *places, "the feed of {room}");
    }
    rooms(&views, model);
    letters(&views, model);
    drop(views);
    shown_once(life, model);
    let store: Arc<dyn ViewStore> = store.clone();
    let differences = check(
        &life.reader,
        &store,
        &[],
        Options::default(),
        &Stopper::default(),
        |_| {},
    );
    let differences = differences.expect("views can be checked");
    assert!(
        differences.is_empty(),
        "the views are no fold of the journal: {differences:?}"
    );
}

fn rooms(views: &Views, model: &Model) {
    for (name, room) in &model.rooms {
        let settings = views.room_settings(&id(name));
        let moderators: Vec<_> = settings.moderators.iter().map(|user| user.as_str()).collect();
        let wanted: Vec<_> = room.moderators.iter().map(String::as_str).collect();
        assert_eq!(moderators, wanted, "the moderators of {name}");
        assert_eq!(
            (
                &settings.pinned,
                settings.slow_mode_seconds,
                settings.followers_only
            ),
            (&room.pinned, room.slow_mode, room.followers_only),
            "what holds in {name}"
        );
    }
}

/// Every conversation as both see it, and what each of them is told.
fn letters(views: &Views, model: &Model) {
    let mut told = std::collections::BTreeMap::<&str, Vec<u64>>::new();
    let mut unread = std::collections::BTreeMap::<&str, u64>::new();
    for (key, letters) in &model.conversations {
        let (one, other) = key.split_once('~').expect("two people");
        let mut newest: Vec<u64> = letters.written.iter().map(|(_, place, _)| *place).collect();
        newest.reverse();
        for (who, with) in [(one, other), (other, one)] {
            let page = views.messages(&id(who), &id(with), None, 100);
            let page = page.expect("memory").expect("no cursor");
            let page = page.entries.iter().map(|position| position.sequence);
            assert!(page.eq(newest.iter().copied().take(100)), "messages of {key}");
            let seen = views.conversation(&id(who), &id(with)).expect("memory");
            let seen = seen.unwrap_or_else(|| panic!("nobody knows of {key}"));
            let last = letters.written.last().map(|(_, place, at_ms)| (*place, *at_ms));
            assert_eq!(
                Some((seen.last.sequence, seen.last_at_ms)),
                last,
                "the last of {key}"
            );
            let numbers = [seen.sent, seen.received, seen.read, seen.read_by_other];
            let wanted = [
                letters.count(who),
                letters.count(with),
                letters.mark(who),
                letters.mark(with),
            ];
            assert_eq!(numbers, wanted, "{who} and {with}");
            told.entry(who).or_default().extend(&letters.told);
            *unread.entry(who).or_default() += seen.received - seen.read;
        }
    }
    for (who, mut places) in told {
        places.sort_unstable();
        let after = journal::Position::start(0);
        let found = views.told_after(&id(who), after, usize::MAX).expect("memory");
        let found = found.iter().map(|position| position.sequence);
        assert!(found.eq(places), "what {who} is told");
        let total = views.unread(&id(who)).expect("memory").messages;
        assert_eq!(Some(&total), unread.get(who), "what {who} has not read");
    }
}

/// Everything that rooms are to see was shown, once, in order; nothing old was.
fn shown_once(life: &Life, model: &Model) {
    let Some(watch) = &life.watch else { return };
    let shown = watch.shown();
    assert!(shown.is_sorted(), "shown out of order: {shown:?}");
    let mut wanted: Vec<u64> = model.feeds.values().flatten().copied().collect();
    wanted.retain(|place| *place > watch.silent_upto);
    wanted.sort_unstable();
    assert_eq!(shown, wanted, "shown to the rooms");
    let mut wanted: Vec<u64> = model
        .conversations
        .values()
        .flat_map(|letters| letters.told.clone())
        .collect();
    wanted.retain(|place| *place > watch.silent_upto);
    wanted.sort_unstable();
    assert_eq!(watch.told(), wanted, "told to those who write");
}

fn balances(views: &Views, model: &Model) {
    for (name, viewer) in &model.viewers {
        let balance = views.balance(&id(name));
        assert_eq!(
            (balance.coins, balance.debt),
            (viewer.coins, viewer.debt),
            "coins and debt of {name}"
        );
    }
    for (name, streamer) in &model.streamers {
        let balance = views.balance(&id(name));
        assert_eq!(
            (balance.tickets, balance.held),
            (streamer.tickets, streamer.payroll.held()),
            "tickets of {name}"
        );
    }
    let ledger = views.balances();
    assert_eq!(ledger.books(), Books::Ok, "the books do not add up");
    let sums = ledger.sums();
    assert_eq!(
        [sums.granted, sums.taken, sums.spent, sums.earned, sums.credited],
        model.sums
    );
    let (bought, back) = (sums.recharged - sums.debt_paid, sums.taken_back - sums.debt_added);
    assert_eq!(
        (sums.granted + bought).checked_sub(sums.taken + sums.spent + back),
        Some(model.coins()),
        "coins came from nowhere, or went"
    );
    assert!(sums.credited <= sums.earned);
    let tickets: u64 = model.streamers.values().map(|streamer| streamer.tickets).sum();
    assert_eq!(
        ledger.added_up(),
        (u128::from(model.coins()), u128::from(tickets))
    );
}

/// Every promise of the ledger holds over the whole journal, and nothing is owed to anybody.
pub fn books_are_clean(life: &Life, owed: usize) {
    let report = audit::run(&life.reader, None, &Stopper::default(), |_| {});
    let report = report.expect("a sound journal can be audited");
    assert!(report.is_clean(), "the audit finds {:?}", report.first_break());
    assert_eq!(report.in_flight.gifts, 0, "gifts in flight");
    assert!(owed > 0 || report.owed.is_empty(), "owed: {:?}", report.owed);
    assert!(report.to_take_back.is_empty() || owed > 0);
}

fn follows(views: &Views, model: &Model) {
    let mut followers = std::collections::BTreeMap::<&str, Vec<(u64, &str, i64)>>::new();
    for (name, viewer) in &model.viewers {
        let mut following = Vec::new();
        for (whom, (place, at_ms)) in &viewer.following {
            followers.entry(whom).or_default().push((*place, name, *at_ms));
            following.push((*place, whom.as_str(), *at_ms));
        }
        following.sort_unstable_by(|a, b| b.cmp(a));
        let page = views
            .following(&id(name), None, 100)
            .expect("memory")
            .expect("no cursor");
        let page: Vec<_> = page
            .entries
            .iter()
            .map(|r| (r.user.as_str(), r.since_ms))
            .collect();
        let wanted: Vec<_> = following.iter().take(100).map(|(_, w, at)| (*w, *at)).collect();
        assert_eq!(page, wanted, "whom {name} follows");
    }
    for (name, viewer) in &model.viewers {
        let mut wanted: Vec<_> = viewer
            .blocked
            .iter()
            .map(|(whom, (place, at_ms))| (*place, whom.as_str(), *at_ms))
            .collect();
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(
            views.blocked_count(&id(name)),
            wanted.len() as u64,
            "blocked by {name}"
        );
        let page = views
            .blocked(&id(name), None, 100)
            .expect("memory")
            .expect("no cursor");
        let page = page.entries.iter().map(|r| (r.user.as_str(), r.since_ms));
        let wanted = wanted.iter().take(100).map(|(_, w, at)| (*w, *at));
        assert!(page.eq(wanted), "whom {name} blocks");
    }
    let everybody = model.viewers.keys().map(String::as_str).chain(STREAMERS);
    for streamer in everybody.collect::<std::collections::BTreeSet<_>>() {
        let mut wanted = followers.remove(streamer).unwrap_or_default();
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(
            views.follower_count(&id(streamer)),
            wanted.len() as u64,
            "followers of {streamer}"
        );
        let page = views
            .followers(&id(streamer), None, 100)
            .expect("memory")
            .expect("no cursor");
        let page: Vec<_> = page
            .entries
            .iter()
            .map(|r| (r.user.as_str(), r.since_ms))
            .collect();
        assert_eq!(
            page,
            wanted.iter().map(|(_, f, at)| (*f, *at)).collect::<Vec<_>>()
        );
    }
}

fn live(views: &Views, model: &Model) {
    for room in STREAMERS {
        let session = views.live(&id(room));
        let wanted = model.streamers.get(room).and_then(|s| s.live.as_ref());
        let found = session.map(|s| (s.session.0, s.title.clone(), s.began, s.since_ms, s.tickets));
        assert_eq!(found.as_ref(), wanted, "the live room of {room}");
    }
    let count = model.streamers.values().filter(|s| s.live.is_some()).count();
    assert_eq!(views.live_count(), count);
}

fn boards(views: &Views, model: &Model) {
    for ((kind, number, name), scores) in &model.boards {
        let board: Board = name.parse().expect("a board's name");
        let period = Period {
            span: Span::of_word(kind).expect("a kind of period"),
            number: *number,
        };
        if views.board_phase(&board, period).expect("memory") == Phase::Gone {
            continue;
        }
        let mut wanted: Vec<_> = scores
            .iter()
            .map(|(who, (score, reached))| (*score, *reached, who))
            .collect();
        wanted.sort_unstable_by_key(|(score, reached, _)| (std::cmp::Reverse(*score), *reached));
        let wanted: Vec<_> = (1u64..)
            .zip(wanted)
            .map(|(rank, (score, _, who))| (rank, who.as_str(), score))
            .collect();
        let top = views.board_top(&board, period, 0, 100).expect("memory");
        let found: Vec<_> = top.iter().map(|s| (s.rank, s.user.as_str(), s.score)).collect();
        assert_eq!(found, wanted, "board {name} of {kind} {number}");
        for (rank, who, score) in wanted {
            let found = views.board_rank(&board, period, &id(who)).expect("memory");
            assert_eq!(
                found,
                Some((rank, score)),
                "{who} on board {name} of {kind} {number}"
            );
        }
    }
}
