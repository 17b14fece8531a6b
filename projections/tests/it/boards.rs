//! Boards of every kind and period against plain sums and sorts, over months, with restarts and crashes at any point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::Event;
use domain::event::GiftSent;
use journal::memory::MemoryJournal;
use projections::views::{Board, Phase, Views};
use projections::{Options, Period, Runner, Span, Stopper, ViewStore, Zone, check, rebuild};
use proptest::prelude::*;

use crate::support::*;

const DAY_MS: i64 = 24 * HOUR_MS;
const SENDERS: [&str; 6] = ["ann", "bob", "cat", "dan", "eve", "fay"];
const ROOMS: [&str; 2] = ["bob", "gus"];

fn options(zone: Zone) -> Options {
    Options { zone }
}

fn open_in(zone: Zone, journal: &MemoryJournal, store: &Arc<dyn ViewStore>) -> Runner {
    Runner::open(
        Arc::new(journal.clone()),
        store.clone(),
        options(zone),
        Arc::new(()),
    )
    .unwrap()
}

/// One gift as the rules count it.
struct Given {
    sequence: u64,
    at_ms: i64,
    sender: String,
    room: String,
    coins: u64,
    tickets: u64,
    /// The session that ran in the room and that the gift names.
    session: Option<u32>,
}

/// Everything that happened, by the rules and not by the code.
#[derive(Default)]
struct Evening {
    gifts: Vec<Given>,
    /// Moments of all records: sequence by time.
    records: Vec<(u64, i64)>,
    /// Where sessions ended.
    ended: BTreeMap<(String, u32), u64>,
    running: BTreeMap<String, u32>,
}

impl Evening {
    fn of(journal: &MemoryJournal) -> Self {
        let mut evening = Self::default();
        for record in journal.records(0) {
            let (sequence, at_ms) = (record.position.sequence, record.recorded_at_ms);
            evening.records.push((sequence, at_ms));
            let key = record.stream.key.to_string();
            match journal::codec::decode(&record.as_ref()).unwrap() {
                Event::LiveStarted(e) => {
                    if let Some(before) = evening.running.insert(key.clone(), e.session.0) {
                        evening.ended.insert((key, before), sequence);
                    }
                }
                Event::LiveStopped(_) => {
                    if let Some(session) = evening.running.remove(&key) {
                        evening.ended.insert((key, session), sequence);
                    }
                }
                Event::GiftSent(gift) => evening.give(sequence, at_ms, key, &gift),
                _ => {}
            }
        }
        evening
    }

    fn give(&mut self, sequence: u64, at_ms: i64, sender: String, gift: &GiftSent) {
        let room = gift.room.to_string();
        let runs = self.running.get(&room).copied();
        self.gifts.push(Given {
            sequence,
            at_ms,
            sender,
            session: runs.filter(|session| *session == gift.session.0),
            room,
            coins: gift.coins,
            tickets: gift.tickets,
        });
    }

    /// The whole standing of a board in a period, by summing and sorting.
    fn standing(&self, board: &str, of: Period, zone: Zone) -> Vec<(u64, String, u64)> {
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for gift in &self.gifts {
            let within = match of.span {
                Span::Session => gift.session.map(i64::from) == Some(of.number),
                Span::All => true,
                span => Period::at(span, gift.at_ms, zone) == Some(of),
            };
            let (who, amount) = match board.strip_prefix("room:") {
                None if board == "tickets" => (&gift.room, gift.tickets),
                Some(room) if room != gift.room => continue,
                _ => (&gift.sender, gift.coins),
            };
            if within && amount > 0 {
                let sum = sums.entry(who).or_default();
                *sum = (sum.0 + amount, gift.sequence);
            }
        }
        let mut sorted: Vec<_> = sums.into_iter().collect();
        sorted.sort_by_key(|(_, (score, reached))| (std::cmp::Reverse(*score), *reached));
        let ranked = (1..).zip(sorted);
        ranked
            .map(|(rank, (who, (score, _)))| (rank, who.to_owned(), score))
            .collect()
    }

    /// What the view must say of how far a period is.
    fn phase(&self, of: Period, zone: Zone) -> Phase {
        let Some(&(_, now_ms)) = self.records.last() else {
            return Phase::Open;
        };
        let running = Period::at(of.span, now_ms, zone).unwrap();
        if of.number >= running.number {
            return Phase::Open;
        }
        let kept = match of.span {
            Span::Hour => 24 * 3_600,
            Span::Day => 31,
            Span::Week => 12 * 7,
            _ => 12,
        };
        if running.number - of.number > kept {
            return Phase::Gone;
        }
        let begun = |at_ms: i64| Period::at(of.span, at_ms, zone).unwrap() <= of;
        let last = self.records.iter().rev().find(|(_, at_ms)| begun(*at_ms));
        Phase::Closed(last.map_or(0, |(sequence, _)| *sequence))
    }
}

fn assert_board(views: &Views, evening: &Evening, name: &str, of: Period, zone: Zone) {
    let board: Board = name.parse().unwrap();
    let about = format!("board {name} of {}", of.name(zone));
    let wanted = match views.board_phase(&board, of).unwrap() {
        Phase::Gone => Vec::new(),
        _ => evening.standing(name, of, zone),
    };
    let top = views.board_top(&board, of, 0, 100).unwrap();
    let found: Vec<_> = top
        .iter()
        .map(|s| (s.rank, s.user.to_string(), s.score))
        .collect();
    assert_eq!(found, wanted, "{about}");
    for (rank, who, score) in &wanted {
        let found = views.board_rank(&board, of, &user(who)).unwrap();
        assert_eq!(found, Some((*rank, *score)), "{who} on {about}");
        let around = views.board_around(&board, of, &user(who), 3).unwrap();
        assert!(around.iter().any(|s| s.user.as_str() == who && s.rank == *rank));
    }
}

/// Panics when a board of any period differs from sums and sorts.
fn assert_boards(journal: &MemoryJournal, views: &Views, zone: Zone) {
    let evening = Evening::of(journal);
    let names: Vec<String> = ["tickets".to_owned(), "coins".to_owned()]
        .into_iter()
        .chain(ROOMS.map(|room| format!("room:{room}")))
        .collect();
    for span in Span::TIMED {
        let mut periods: BTreeSet<Period> = BTreeSet::new();
        for (_, at_ms) in &evening.records {
            let of = Period::at(span, *at_ms, zone).unwrap();
            let next = Period::at(span, of.ends_ms(zone).unwrap(), zone).unwrap();
            periods.extend([of, next]);
        }
        for of in periods {
            assert_eq!(
                views.board_phase(&Board::Coins, of).unwrap(),
                evening.phase(of, zone),
                "{} of {}",
                of.span,
                of.name(zone)
            );
            for name in &names {
                assert_board(views, &evening, name, of, zone);
            }
        }
    }
    for name in &names {
        assert_board(views, &evening, name, Period::ALL, zone);
    }
    for (room, session) in evening.ended.keys().cloned().chain(evening.running.clone()) {
        assert_board(
            views,
            &evening,
            &format!("room:{room}"),
            Period::session(session),
            zone,
        );
    }
    for ((room_id, session), upto) in &evening.ended {
        let board = Board::Room(room(room_id));
        let phase = views.board_phase(&board, Period::session(*session)).unwrap();
        assert!(
            matches!(phase, Phase::Gone) || phase == Phase::Closed(*upto),
            "session {session} of {room_id}: {phase:?}"
        );
    }
}

fn assert_checked(journal: &MemoryJournal, store: &Arc<dyn ViewStore>, zone: Zone) {
    let found = check(
        journal,
        store,
        &["boards"],
        options(zone),
        &Stopper::default(),
        |_| {},
    );
    assert_eq!(found.unwrap(), [], "the stored boards equal a fresh fold");
}

#[derive(Debug, Clone)]
enum Step {
    Give {
        sender: usize,
        room: usize,
        coins: u64,
        tickets: u64,
        late: bool,
    },
    Start(usize),
    Stop(usize),
    Chat,
    Wait(i64),
    Turn,
    Look,
    Restart,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..SENDERS.len(), 0..ROOMS.len(), 0u64..4, 0u64..3, any::<bool>()).prop_map(
            |(sender, room, coins, tickets, late)| Step::Give { sender, room, coins, tickets, late }
        ),
        1 => (0..ROOMS.len()).prop_map(Step::Start),
        1 => (0..ROOMS.len()).prop_map(Step::Stop),
        1 => Just(Step::Chat),
        3 => prop_oneof![
            Just(HOUR_MS / 4), Just(HOUR_MS), Just(7 * HOUR_MS), Just(DAY_MS), Just(6 * DAY_MS), Just(33 * DAY_MS)
        ].prop_map(Step::Wait),
        2 => Just(Step::Turn),
        1 => Just(Step::Look),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

fn run(steps: Vec<Step>, zone: Zone, begin_ms: i64) {
    let (journal, store) = (MemoryJournal::new(), memory());
    let mut now_ms = begin_ms;
    journal.set_now_ms(now_ms);
    let mut sessions = [0u32; 2];
    let mut runner = open_in(zone, &journal, &store);
    for step in steps {
        match step {
            Step::Give {
                sender,
                room,
                coins,
                tickets,
                late,
            } => {
                let session = sessions[room].saturating_sub(u32::from(late)).max(1);
                append(
                    &journal,
                    viewer(SENDERS[sender]),
                    gift(ROOMS[room], session, coins, tickets, 0),
                );
            }
            Step::Start(room) => {
                sessions[room] += 1;
                append(&journal, streamer(ROOMS[room]), started(sessions[room], "hi"));
            }
            Step::Stop(room) => append(&journal, streamer(ROOMS[room]), stopped(sessions[room])),
            Step::Chat => append(&journal, room_stream("bob"), chat("ann")),
            Step::Wait(ms) => {
                now_ms += ms;
                journal.set_now_ms(now_ms);
            }
            Step::Turn => _ = runner.turn().unwrap(),
            Step::Look => {
                runner.turn().unwrap();
                assert_boards(&journal, &runner.handle().read(), zone);
            }
            Step::Restart => runner = open_in(zone, &journal, &store),
            Step::Crash => {
                // Folded, never committed; and then by another process.
                let crashing = Crashing::after(0, &store);
                let mut dying = open_in(zone, &journal, &crashing);
                drop(dying.turn());
                runner = open_in(zone, &journal, &store);
            }
        }
    }
    runner.turn().unwrap();
    assert_boards(&journal, &runner.handle().read(), zone);
    drop(runner);
    assert_checked(&journal, &store, zone);
    let runner = open_in(zone, &journal, &store);
    assert_boards(&journal, &runner.handle().read(), zone);
    drop(runner);
    let built = memory();
    rebuild(&journal, &built, &[], options(zone), &Stopper::default(), |_| {}).unwrap();
    let runner = open_in(zone, &journal, &built);
    assert_boards(&journal, &runner.handle().read(), zone);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn boards_equal_sums_and_sorts_whatever_happens(
        steps in proptest::collection::vec(step(), 1..90),
        zone in prop_oneof![Just("Asia/Shanghai"), Just("Europe/Berlin"), Just("Australia/Lord_Howe")],
        // From before the clocks change in October to after it.
        begin_ms in 1_761_000_000_000i64..1_762_000_000_000,
    ) {
        run(steps, Zone::named(zone).unwrap(), begin_ms);
    }
}

#[test]
fn who_gave_when_a_long_session_began_stands_on_its_board_after_months_and_restarts() {
    let give = |sender| Step::Give {
        sender,
        room: 0,
        coins: 3,
        tickets: 1,
        late: false,
    };
    let month = Step::Wait(33 * DAY_MS);
    let steps = vec![
        Step::Start(0),
        give(0),
        give(1),
        Step::Turn,
        month.clone(),
        give(2),
        Step::Turn,
        month.clone(),
        Step::Chat,
        month,
        give(1),
        Step::Restart,
        give(0),
        Step::Look,
        Step::Stop(0),
        give(1),
        Step::Look,
    ];
    run(steps, Zone::shanghai(), MORNING_MS);
}

#[test]
fn a_session_number_that_is_begun_twice_is_closed_where_it_ended_last() {
    let (journal, directory) = (MemoryJournal::new(), tempfile::tempdir().unwrap());
    journal.set_now_ms(MORNING_MS);
    for coins in [5, 7] {
        append(&journal, streamer("bob"), started(1, "hi"));
        append(&journal, viewer("ann"), gift("bob", 1, coins, 1, 0));
        append(&journal, streamer("bob"), stopped(1));
    }
    let store = projections::FjallStore::open(&directory.path().join("views")).unwrap();
    let store: Arc<dyn ViewStore> = Arc::new(store);
    rebuild(
        &journal,
        &store,
        &[],
        Options::default(),
        &Stopper::default(),
        |_| {},
    )
    .unwrap();
    let runner = folded(journal.clone(), &store);
    let phase = runner
        .handle()
        .read()
        .board_phase(&Board::Room(room("bob")), Period::session(1));
    assert_eq!(phase.unwrap(), Phase::Closed(6));
}

#[test]
fn a_closed_hour_is_frozen_at_the_last_record_before_the_next() {
    let (journal, store, zone) = (MemoryJournal::new(), memory(), Zone::shanghai());
    journal.set_now_ms(MORNING_MS);
    append(&journal, viewer("ann"), gift("bob", 1, 30, 15, 0));
    append(&journal, viewer("cat"), gift("bob", 1, 10, 5, 0));
    append(&journal, viewer("ann"), followed("bob"));
    let mut runner = folded(journal.clone(), &store);
    let handle = runner.handle();
    let hour = Period::at(Span::Hour, MORNING_MS, zone).unwrap();
    let board = Board::Coins;
    assert_eq!(handle.read().board_phase(&board, hour).unwrap(), Phase::Open);
    journal.set_now_ms(MORNING_MS + HOUR_MS);
    append(&journal, viewer("cat"), gift("bob", 1, 90, 5, 0));
    runner.turn().unwrap();
    let views = handle.read();
    assert_eq!(views.board_phase(&board, hour).unwrap(), Phase::Closed(3));
    assert_eq!(
        views.board_rank(&board, hour, &user("cat")).unwrap(),
        Some((2, 10))
    );
    let day = Period::day(views.day_of(MORNING_MS));
    assert_eq!(
        views.board_rank(&board, day, &user("cat")).unwrap(),
        Some((1, 100))
    );
}

#[test]
fn a_closed_board_of_many_pieces_says_every_rank_and_goes_whole_when_its_time_is_over() {
    let (journal, store, zone) = (MemoryJournal::new(), memory(), Zone::shanghai());
    journal.set_now_ms(MORNING_MS);
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..3_000 {
        let sender = format!("u{}", random.u32(..1_200));
        append(
            &journal,
            viewer(&sender),
            gift("bob", 1, random.u64(1..300), 1, 0),
        );
    }
    let hour = Period::at(Span::Hour, MORNING_MS, zone).unwrap();
    let wanted = Evening::of(&journal).standing("coins", hour, zone);
    let mut runner = folded(journal.clone(), &store);
    let handle = runner.handle();
    for closed in [false, true] {
        if closed {
            journal.set_now_ms(MORNING_MS + HOUR_MS);
            append(&journal, viewer("ann"), grant(1, 1));
            runner.turn().unwrap();
        }
        let views = handle.read();
        for (rank, who, score) in &wanted {
            let found = views.board_rank(&Board::Coins, hour, &user(who)).unwrap();
            assert_eq!(found, Some((*rank, *score)), "{who}");
        }
        for from in [0, 100, 127, 128, 500, wanted.len() - 3, wanted.len()] {
            let page = views.board_top(&Board::Coins, hour, from, 100).unwrap();
            let page: Vec<_> = page
                .iter()
                .map(|s| (s.rank, s.user.to_string(), s.score))
                .collect();
            assert_eq!(page, wanted[from..wanted.len().min(from + 100)], "from {from}");
        }
        assert_eq!(views.board_rank(&Board::Coins, hour, &user("bob")).unwrap(), None);
    }
    let entries = |store: &Arc<dyn ViewStore>| {
        let all = contents(&**store);
        all.into_iter()
            .filter(|(space, key, _)| space.starts_with("boards") && key.starts_with(&[1, 0]))
            .count()
    };
    assert!(entries(&store) > 20);
    journal.set_now_ms(MORNING_MS + 26 * HOUR_MS);
    append(&journal, viewer("ann"), grant(1, 1));
    runner.turn().unwrap();
    assert_eq!(
        handle.read().board_phase(&Board::Coins, hour).unwrap(),
        Phase::Gone
    );
    assert_eq!(entries(&store), 0, "the hour went whole");
    assert_checked(&journal, &store, zone);
}
