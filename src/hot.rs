//! Which live rooms are hot: all of them ranked once a second, from the view of live rooms and the audience.
//!
//! How hot a room is depends on who is in it, and that is in no journal: so this is no projection. It is asked for lists
//! and never in order to decide.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use projections::views::{LiveRoom, Views, read_cursor, write_cursor};
use projections::{BadCursor, Place};

use crate::audience::Audience;

/// Whoever pages keeps the order of the first page for so long; after that the list goes on where the present order has
/// the last room seen, and a room that moved may be seen twice or not at all.
const ORDER_KEPT_MS: u64 = 60_000;
/// A session's head start is halved when it is so old.
const FRESH_MINUTES: u64 = 30;

/// A live room and what its place in the list depends on.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// The room and its session.
    pub live: LiveRoom,
    /// Users in it.
    pub viewers: u32,
    /// See [`heat`].
    pub heat: u64,
}

/// How hot a room is: `points + points * 30 / (30 + minutes)`, where `points = 100 + 20 * viewers + 10 * isqrt(tickets)`,
/// `minutes` is the age of the session and `isqrt` the whole part of the square root. So five viewers weigh as much as the
/// first 100 tickets, a few large gifts do not outweigh a full house, and a session that has just begun counts twice. Whole
/// numbers only.
pub fn heat(viewers: u32, tickets: u64, age_ms: i64) -> u64 {
    let points = 100 + 20 * u64::from(viewers) + 10 * tickets.isqrt();
    let minutes = u64::try_from(age_ms / 60_000).unwrap_or(0);
    points + points * FRESH_MINUTES / (FRESH_MINUTES + minutes)
}

/// The ranking as it is now, and the orders that somebody still pages through.
#[derive(Debug, Default)]
pub struct Hot {
    now: RwLock<Arc<Ranking>>,
    paged: Mutex<VecDeque<Order>>,
}

/// All live rooms at one moment.
#[derive(Debug, Default)]
struct Ranking {
    /// Names it in cursors: unix ms, and greater than that of the ranking before it.
    stamp: u64,
    rooms: Vec<Ranked>,
    /// Where a session (by the place at which it began) stands in `rooms`; found out when an earlier order is paged.
    ranks: OnceLock<HashMap<Place, usize>>,
    /// Somebody holds a cursor into it.
    paged: AtomicBool,
}

/// The sessions of an earlier ranking, in its order.
#[derive(Debug)]
struct Order {
    stamp: u64,
    began: Box<[Place]>,
}

impl Ranking {
    fn of(stamp: u64, mut rooms: Vec<Ranked>) -> Self {
        rooms.sort_unstable_by_key(key);
        Self {
            stamp,
            rooms,
            ranks: OnceLock::new(),
            paged: AtomicBool::new(false),
        }
    }

    fn ranks(&self) -> &HashMap<Place, usize> {
        let begun = |(rank, ranked): (usize, &Ranked)| (ranked.live.session.began, rank);
        self.ranks
            .get_or_init(|| self.rooms.iter().enumerate().map(begun).collect())
    }

    fn order(&self) -> Order {
        Order {
            stamp: self.stamp,
            began: self
                .rooms
                .iter()
                .map(|ranked| ranked.live.session.began)
                .collect(),
        }
    }
}

/// Hotter first; of equals the latest begun.
fn key(ranked: &Ranked) -> (Reverse<u64>, Reverse<Place>) {
    (Reverse(ranked.heat), Reverse(ranked.live.session.began))
}

/// Every live room, as it stands now. Holds the views no longer than it takes to copy their names.
pub fn survey(views: &Views, audience: &Audience, now_ms: i64) -> projections::Result<Vec<Ranked>> {
    let ranked = |live: projections::Result<LiveRoom>| {
        let live = live?;
        let viewers = audience.viewers(&live.room);
        let heat = heat(viewers, live.session.tickets, now_ms - live.session.since_ms);
        Ok(Ranked { live, viewers, heat })
    };
    views.live_rooms().map(ranked).collect()
}

impl Hot {
    /// Ranks the rooms anew.
    pub fn rank(&self, rooms: Vec<Ranked>, now_ms: i64) {
        let now_ms = u64::try_from(now_ms).unwrap_or(0);
        let before = self.now.read().clone();
        let ranking = Arc::new(Ranking::of(now_ms.max(before.stamp + 1), rooms));
        *self.now.write() = ranking;
        let mut paged = self.paged.lock();
        // Whoever takes a page of it in this very moment goes on in the present order.
        if before.paged.load(Ordering::Relaxed) {
            paged.push_back(before.order());
        }
        paged.retain(|order| order.stamp + ORDER_KEPT_MS > now_ms);
    }

    /// How many rooms were live when they were ranked last.
    pub fn len(&self) -> usize {
        self.now.read().rooms.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A page of the list, and the cursor to the next one. Who pages on within a minute sees every room that was live at
    /// the first page, and still is, exactly once, in the order of that moment.
    pub fn page(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Ranked>, Option<String>), BadCursor> {
        let now = self.now.read().clone();
        let Some([stamp, next, heat, began]) = cursor.map(read_cursor).transpose()? else {
            return Ok(now.present(0, limit));
        };
        if stamp == now.stamp {
            return Ok(now.present(next as usize, limit));
        }
        let paged = self.paged.lock();
        if let Some(order) = paged.iter().find(|order| order.stamp == stamp) {
            return Ok(now.earlier(order, next as usize, limit));
        }
        drop(paged);
        let last = (Reverse(heat), Reverse(began));
        let from = now.rooms.partition_point(|ranked| key(ranked) <= last);
        Ok(now.present(from, limit))
    }
}

impl Ranking {
    fn present(&self, from: usize, limit: usize) -> (Vec<Ranked>, Option<String>) {
        let to = from.saturating_add(limit).min(self.rooms.len());
        let shown = self.rooms.get(from..to).unwrap_or_default().to_vec();
        let cursor = self.cursor(self.stamp, to, &shown, to < self.rooms.len());
        (shown, cursor)
    }

    /// A page in an earlier order, of the rooms as they are now. Sessions that have ended are left out.
    fn earlier(&self, order: &Order, from: usize, limit: usize) -> (Vec<Ranked>, Option<String>) {
        let rest = order.began.get(from..).unwrap_or_default();
        let ranks = self.ranks();
        let there = |(at, began): (usize, &Place)| Some((from + at + 1, *ranks.get(began)?));
        let mut found = rest.iter().enumerate().filter_map(there);
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let next = page.last().map_or(from, |(next, _)| *next);
        let shown: Vec<_> = page.iter().map(|(_, rank)| self.rooms[*rank].clone()).collect();
        let cursor = self.cursor(order.stamp, next, &shown, found.next().is_some());
        (shown, cursor)
    }

    fn cursor(&self, stamp: u64, next: usize, shown: &[Ranked], more: bool) -> Option<String> {
        let last = shown.last().filter(|_| more)?;
        if stamp == self.stamp {
            self.paged.store(true, Ordering::Relaxed);
        }
        Some(write_cursor([
            stamp,
            next as u64,
            last.heat,
            last.live.session.began,
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SessionNumber;
    use projections::views::LiveSession;

    /// Rooms that began in the order of their numbers, by number and heat.
    fn rooms(of: impl IntoIterator<Item = (u64, u64)>) -> Vec<Ranked> {
        let ranked = |(number, heat)| Ranked {
            live: LiveRoom {
                room: format!("r{number}").parse().unwrap(),
                session: LiveSession {
                    session: SessionNumber(1),
                    title: String::new(),
                    since_ms: 0,
                    began: number,
                    tickets: 0,
                    likes: 0,
                },
            },
            viewers: 0,
            heat,
        };
        of.into_iter().map(ranked).collect()
    }

    fn names(page: &[Ranked]) -> Vec<&str> {
        page.iter().map(|ranked| ranked.live.room.as_str()).collect()
    }

    #[test]
    fn heat_grows_with_viewers_and_tickets_and_shrinks_with_age() {
        assert_eq!(heat(0, 0, 0), 200);
        assert_eq!(heat(5, 0, 0), heat(0, 100, 0));
        assert_eq!(heat(10, 0, 30 * 60_000), 300 + 150);
        assert_eq!(heat(10, 0, 90 * 60_000), 300 + 75);
        assert_eq!(heat(10, 0, -5), 600, "a clock that went back");
        assert!(heat(1_000, 1_000_000, 180 * 60_000) > heat(500, 10_000, 0));
        assert!(heat(u32::MAX, u64::MAX, 0) > heat(u32::MAX, u64::MAX, i64::MAX));
    }

    #[test]
    fn hotter_rooms_come_first_and_of_equals_the_latest_begun() {
        let hot = Hot::default();
        hot.rank(rooms([(1, 5), (2, 9), (3, 5), (4, 7)]), 1_000);
        let (page, cursor) = hot.page(None, 3).unwrap();
        assert_eq!(names(&page), ["r2", "r4", "r3"]);
        let (page, cursor) = hot.page(cursor.as_deref(), 3).unwrap();
        assert_eq!((names(&page), cursor), (vec!["r1"], None));
        assert!(hot.page(Some("0"), 3).is_err());
    }

    #[test]
    fn who_pages_sees_every_room_once_while_the_ranking_turns_around() {
        let hot = Hot::default();
        hot.rank(rooms((1..=100).map(|n| (n, n))), 1_000);
        let (mut seen, mut cursor) = (Vec::new(), None);
        for second in 2.. {
            let (page, next) = hot.page(cursor.as_deref(), 7).unwrap();
            seen.extend(names(&page).into_iter().map(str::to_owned));
            cursor = next;
            if cursor.is_none() {
                break;
            }
            // Every second rooms trade places, one ends and one begins.
            let live = (1 + second..=100 + second).filter(|n| *n > second);
            let turned = |n: u64| (n, if second % 2 == 0 { 1_000 - n } else { n });
            hot.rank(rooms(live.map(turned)), second as i64 * 1_000);
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{seen:?}");
        let stayed = (17..=100).map(|n| format!("r{n}"));
        assert!(stayed.into_iter().all(|room| seen.contains(&room)), "{seen:?}");
        assert!(
            !seen.contains(&"r101".to_owned()),
            "it began after the first page"
        );
    }

    #[test]
    fn a_cursor_that_is_too_old_goes_on_in_the_present_order() {
        let hot = Hot::default();
        hot.rank(rooms((1..=9).map(|n| (n, n))), 1_000);
        let (page, cursor) = hot.page(None, 3).unwrap();
        assert_eq!(names(&page), ["r9", "r8", "r7"]);
        hot.rank(rooms((1..=9).map(|n| (n, n))), 2_000);
        assert_eq!(hot.paged.lock().len(), 1);
        hot.rank(rooms((1..=9).map(|n| (n, n))), 62_000);
        assert_eq!(hot.paged.lock().len(), 0, "orders are not kept for ever");
        let (page, _) = hot.page(cursor.as_deref(), 3).unwrap();
        assert_eq!(names(&page), ["r6", "r5", "r4"]);
    }
}
