//! A plain model of the views: every answer is found by going through all events from the start. It shares no code with
//! the folds.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Event, StreamId};
use journal::Reader;
use journal::memory::MemoryJournal;
use projections::limits::RECENT_CHATS_MAX;
use projections::views::{Board, Settings, Views};
use projections::{Day, Period, Zone};

use crate::support::*;

pub(crate) const PEOPLE: [&str; 5] = ["ann", "bob", "cat", "dan", "eve"];

struct Told {
    sequence: u64,
    at_ms: i64,
    stream: StreamId,
    event: Event,
}

fn told(journal: &MemoryJournal) -> Vec<Told> {
    let decode = |r: &journal::Record| journal::codec::decode(&r.as_ref()).unwrap();
    let tell = |r: journal::Record| Told {
        sequence: r.position.sequence,
        at_ms: r.recorded_at_ms,
        event: decode(&r),
        stream: r.stream,
    };
    journal.records(0).into_iter().map(tell).collect()
}

/// Panics when a view does not say what going through all events says.
pub(crate) fn assert_like_the_model(journal: &MemoryJournal, views: &Views) {
    let told = told(journal);
    assert_eq!(told.len() as u64, journal.head().get(0));
    for id in PEOPLE {
        balance(&told, views, id);
        relations(&told, views, id);
        blocks(&told, views, id);
        feed(&told, views, id);
        recent_chats(&told, views, id);
        settings(&told, views, id);
        combos(&told, views, id);
        gifts(&told, views, Some(id));
        conversations(&told, views, id);
    }
    gifts(&told, views, None);
    live(&told, views);
    let days: BTreeSet<_> = told.iter().map(|t| Day::of(t.at_ms, Zone::shanghai())).collect();
    for day in days {
        boards(&told, views, day);
    }
}

fn balance(told: &[Told], views: &Views, id: &str) {
    let (mut coins, mut tickets, mut changed) = (0, 0, 0);
    for t in told.iter().filter(|t| t.stream.key == id) {
        match &t.event {
            Event::CoinsAdjusted(e) => (coins, changed) = (e.coins_left, t.sequence),
            Event::GiftSent(e) => (coins, changed) = (e.coins_left, t.sequence),
            Event::TicketsCredited(e) => (tickets, changed) = (e.tickets_total, t.sequence),
            Event::WithdrawalRequested(e) => (tickets, changed) = (e.tickets_left, t.sequence),
            _ => {}
        }
    }
    let is = views.balance(&user(id));
    assert_eq!(
        (is.coins, is.tickets, is.changed),
        (coins, tickets, changed),
        "balance of {id}"
    );
}

fn relations(told: &[Told], views: &Views, id: &str) {
    let mut followers: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    for t in told {
        match &t.event {
            Event::Followed(e) if e.streamer.as_str() == id => {
                // One that is renewed began when it began.
                followers.entry(&t.stream.key).or_insert((t.sequence, t.at_ms));
            }
            Event::Unfollowed(e) if e.streamer.as_str() == id => {
                followers.remove(&*t.stream.key);
            }
            // Both ways.
            Event::Blocked(e) if e.user.as_str() == id => _ = followers.remove(&*t.stream.key),
            Event::Blocked(e) if t.stream.key == id => _ = followers.remove(e.user.as_str()),
            _ => {}
        }
    }
    let mut wanted: Vec<_> = followers
        .iter()
        .map(|(id, (seq, ms))| (*seq, *ms, (*id).to_owned()))
        .collect();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    let wanted: Vec<_> = wanted.into_iter().map(|(_, ms, id)| (id, ms)).collect();
    assert_eq!(views.follower_count(&user(id)), wanted.len() as u64);
    for limit in [1, 2, 100] {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = views
                .followers(&user(id), cursor.as_deref(), limit)
                .unwrap()
                .unwrap();
            found.extend(page.entries.iter().map(|r| (r.user.to_string(), r.since_ms)));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted, "followers of {id} by {limit}");
    }
    for other in PEOPLE {
        let follows = followers.contains_key(other);
        assert_eq!(views.follows(&user(other), &user(id)), follows);
        let following = views.following(&user(other), None, 100).unwrap().unwrap();
        assert_eq!(
            following.entries.iter().any(|r| r.user.as_str() == id),
            follows,
            "{other} follows {id}"
        );
    }
}

fn blocks(told: &[Told], views: &Views, id: &str) {
    let mut blocked: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    for t in told.iter().filter(|t| t.stream.key == id) {
        match &t.event {
            Event::Blocked(e) => _ = blocked.insert(e.user.as_str(), (t.sequence, t.at_ms)),
            Event::Unblocked(e) => _ = blocked.remove(e.user.as_str()),
            _ => {}
        }
    }
    for other in PEOPLE {
        let wanted = blocked.contains_key(other);
        assert_eq!(
            views.blocks(&user(id), &user(other)),
            wanted,
            "{id} blocks {other}"
        );
    }
    let mut wanted: Vec<_> = blocked.iter().map(|(who, (seq, ms))| (*seq, *ms, *who)).collect();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(views.blocked_count(&user(id)), wanted.len() as u64);
    let page = views.blocked(&user(id), None, 100).unwrap().unwrap();
    let found = page.entries.iter().map(|r| (r.since_ms, r.user.as_str()));
    assert!(
        found.eq(wanted.iter().map(|(_, ms, who)| (*ms, *who))),
        "whom {id} blocks"
    );
}

fn shown(t: &Told, id: &str) -> bool {
    match &t.event {
        Event::GiftSent(e) => e.room.as_str() == id,
        Event::ComboEnded(e) => e.room.as_str() == id,
        Event::ChatSent(_) | Event::LiveStarted(_) | Event::LiveStopped(_) => t.stream.key == id,
        Event::LikesCounted(_) => false,
        // Whatever else stands in a room's stream is an order, and orders are shown.
        _ => t.stream == room_stream(id),
    }
}

fn feed(told: &[Told], views: &Views, id: &str) {
    let wanted: Vec<_> = told
        .iter()
        .filter(|t| shown(t, id))
        .map(|t| at(t.sequence))
        .collect();
    assert_eq!(
        views.room_after(&room(id), at(0), usize::MAX).unwrap(),
        wanted,
        "feed of {id}"
    );
    for after in [3, 17] {
        let later: Vec<_> = wanted
            .iter()
            .copied()
            .filter(|p| p.sequence > after)
            .take(4)
            .collect();
        assert_eq!(views.room_after(&room(id), at(after), 4).unwrap(), later);
    }
    assert_eq!(
        views.room_newest(&room(id), 3),
        wanted[wanted.len().saturating_sub(3)..]
    );
}

fn settings(told: &[Told], views: &Views, id: &str) {
    let mut wanted = Settings::default();
    for t in told.iter().filter(|t| t.stream == room_stream(id)) {
        match &t.event {
            Event::Pinned(e) => wanted.pinned = Some(e.text.clone()),
            Event::Unpinned(_) => wanted.pinned = None,
            Event::SlowModeSet(e) => wanted.slow_mode_seconds = e.seconds,
            Event::FollowersOnlySet(e) => wanted.followers_only = e.on,
            Event::ModeratorAdded(e) => _ = wanted.moderators.insert(e.user.clone()),
            Event::ModeratorRemoved(e) => _ = wanted.moderators.remove(&e.user),
            _ => {}
        }
    }
    assert_eq!(*views.room_settings(&room(id)), wanted, "settings of {id}");
}

fn combos(told: &[Told], views: &Views, id: &str) {
    let mut wanted = BTreeMap::new();
    for t in told {
        match &t.event {
            Event::GiftSent(e) if e.room.as_str() == id => {
                if let Some(combo) = &e.combo {
                    let key = (t.stream.key.to_string(), combo.id.clone());
                    wanted.insert(key, (combo.total, t.at_ms));
                }
            }
            Event::ComboEnded(e) if e.room.as_str() == id => {
                wanted.remove(&(t.stream.key.to_string(), e.combo.id.clone()));
            }
            _ => {}
        }
    }
    let now_ms = told.last().map_or(0, |t| t.at_ms);
    wanted.retain(|_, (_, at_ms)| *at_ms + 5_000 > now_ms);
    let running = views.running_combos(&room(id), now_ms).unwrap();
    let running: BTreeMap<_, _> = running
        .into_iter()
        .map(|c| ((c.user.to_string(), c.combo.id), c.combo.total))
        .collect();
    let wanted = wanted.into_iter().map(|(key, (total, _))| (key, total)).collect();
    assert_eq!(running, wanted, "combos in {id}");
}

fn gifts(told: &[Told], views: &Views, id: Option<&str>) {
    let mut wanted: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for t in told {
        let Event::GiftSent(e) = &t.event else { continue };
        if id.is_none_or(|id| id == e.room.as_str()) {
            let sums = wanted.entry(e.gift.to_string()).or_default();
            sums.0 += u64::from(e.count);
            sums.1 += e.coins;
            sums.2 += e.tickets;
        }
    }
    let found = views.gift_stats(id.map(room).as_ref(), 100);
    assert!(found.is_sorted_by_key(|(_, sums)| std::cmp::Reverse(sums.coins)));
    let found = found
        .into_iter()
        .map(|(gift, sums)| (gift.to_string(), (sums.count, sums.coins, sums.tickets)));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), wanted, "gifts in {id:?}");
}

fn live(told: &[Told], views: &Views) {
    let mut live: BTreeMap<&str, (u64, u32, u64, u64)> = BTreeMap::new();
    for t in told {
        match &t.event {
            Event::LiveStarted(e) => _ = live.insert(&t.stream.key, (t.sequence, e.session.0, 0, 0)),
            Event::LiveStopped(_) => _ = live.remove(&*t.stream.key),
            Event::GiftSent(e) => {
                let entry = live.get_mut(e.room.as_str());
                if let Some(entry) = entry.filter(|entry| entry.1 == e.session.0) {
                    entry.2 += e.tickets;
                }
            }
            Event::LikesCounted(e) => {
                let entry = live.get_mut(&*t.stream.key);
                if let Some(entry) = entry.filter(|entry| entry.1 == e.session.0) {
                    entry.3 = e.total;
                }
            }
            _ => {}
        }
    }
    let mut newest: Vec<_> = live
        .iter()
        .map(|(id, (began, _, tickets, likes))| (*began, (*id).to_owned(), *tickets, *likes))
        .collect();
    newest.sort_unstable_by(|a, b| b.cmp(a));
    let found: Vec<_> = views
        .live_rooms()
        .map(|r| r.unwrap())
        .map(|r| {
            (
                r.session.began,
                r.room.to_string(),
                r.session.tickets,
                r.session.likes,
            )
        })
        .collect();
    assert_eq!(found, newest);
}

fn conversations(told: &[Told], views: &Views, id: &str) {
    let mut list = Vec::new();
    let (mut unread, mut unread_with) = (0, 0);
    let mut heard = Vec::new();
    for other in PEOPLE.into_iter().filter(|other| *other != id) {
        let of_both = told.iter().filter(|t| t.stream == conversation(id, other));
        let (mut sent, mut received, mut read, mut read_by_other) = (0, 0, 0, 0);
        let mut messages = Vec::new();
        for t in of_both {
            match &t.event {
                Event::MessageSent(e) if e.from.as_str() == id => sent = e.number,
                Event::MessageSent(e) => received = e.number,
                Event::MessagesRead(e) if e.reader.as_str() == id => read = e.upto,
                Event::MessagesRead(e) => read_by_other = e.upto,
                other => panic!("{other:?} in a conversation"),
            }
            if matches!(t.event, Event::MessageSent(_)) {
                messages.push((t.sequence, t.at_ms));
            }
            heard.push(at(t.sequence));
        }
        messages.reverse();
        for limit in [1, 3, 100] {
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let page = views.messages(&user(id), &user(other), cursor.as_deref(), limit);
                let page = page.unwrap().unwrap();
                found.extend(page.entries.iter().map(|p| p.sequence));
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let wanted = messages.iter().map(|(sequence, _)| *sequence);
            assert!(
                found.into_iter().eq(wanted),
                "messages of {id} and {other} by {limit}"
            );
        }
        let seen = views.conversation(&user(id), &user(other)).unwrap();
        assert_eq!(seen.is_some(), !messages.is_empty());
        let missing = received.saturating_sub(read);
        (unread, unread_with) = (unread + missing, unread_with + u64::from(missing > 0));
        if let Some((last, at_ms)) = messages.first() {
            list.push((*last, other, *at_ms, [sent, received, read, read_by_other]));
        }
    }
    list.sort_unstable_by(|a, b| b.cmp(a));
    for limit in [1, 2, 100] {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = views
                .conversations(&user(id), cursor.as_deref(), limit)
                .unwrap()
                .unwrap();
            found.extend(page.entries);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let found = found.iter().map(|c| {
            let numbers = [c.sent, c.received, c.read, c.read_by_other];
            (c.last.sequence, c.with.as_str(), c.last_at_ms, numbers)
        });
        assert!(found.eq(list.iter().copied()), "conversations of {id} by {limit}");
    }
    let found = views.unread(&user(id)).unwrap();
    assert_eq!(
        (found.messages, found.conversations),
        (unread, unread_with),
        "unread of {id}"
    );
    heard.sort_unstable();
    assert_eq!(
        views.told_after(&user(id), at(0), usize::MAX).unwrap(),
        heard,
        "what {id} is told"
    );
    let later: Vec<_> = heard.iter().copied().filter(|p| p.sequence > 9).take(2).collect();
    assert_eq!(views.told_after(&user(id), at(9), 2).unwrap(), later);
}

fn recent_chats(told: &[Told], views: &Views, id: &str) {
    let chats = told
        .iter()
        .filter(|t| matches!(t.event, Event::ChatSent(_)) && t.stream.key == id);
    let all: Vec<_> = chats.map(|t| at(t.sequence)).collect();
    let newest = &all[all.len().saturating_sub(RECENT_CHATS_MAX)..];
    assert_eq!(views.recent_chats(&room(id)), newest, "recent chats of {id}");
}

fn boards(told: &[Told], views: &Views, day: Day) {
    let all = ["tickets".to_owned(), "coins".to_owned()]
        .into_iter()
        .chain(PEOPLE.map(|id| format!("room:{id}")));
    for name in all {
        let mut scores: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for t in told.iter().filter(|t| Day::of(t.at_ms, Zone::shanghai()) == day) {
            let Event::GiftSent(e) = &t.event else { continue };
            let (who, amount) = match name.strip_prefix("room:") {
                None if name == "tickets" => (e.room.to_string(), e.tickets),
                Some(only) if only != e.room.as_str() => continue,
                _ => (t.stream.key.to_string(), e.coins),
            };
            if amount > 0 {
                let entry = scores.entry(who).or_default();
                *entry = (entry.0 + amount, t.sequence);
            }
        }
        let mut sorted: Vec<_> = scores.into_iter().collect();
        sorted.sort_by_key(|(_, (score, reached))| (std::cmp::Reverse(*score), *reached));
        let board: Board = name.parse().unwrap();
        let top = views.board_top(&board, Period::day(day), 0, 100).unwrap();
        let found: Vec<_> = top
            .iter()
            .map(|s| (s.rank, s.user.to_string(), s.score))
            .collect();
        let wanted = (1u64..)
            .zip(&sorted)
            .map(|(rank, (id, (score, _)))| (rank, id.clone(), *score));
        assert_eq!(found, wanted.collect::<Vec<_>>(), "board {name} of {day}");
        for (rank, id, score) in &found {
            assert_eq!(
                views.board_rank(&board, Period::day(day), &user(id)).unwrap(),
                Some((*rank, *score))
            );
        }
    }
}
