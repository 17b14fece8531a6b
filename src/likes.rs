//! Likes: counted in memory as they are tapped, and journalled once a second as one event of the room.
//!
//! Likes are no money: what was tapped within the last second is lost when the process is killed. What `counters` and
//! `room.info` tell is what the journal has; only the answer to who taps is ahead of it, and `hearts`, which are forgotten
//! as soon as they are shown.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actors::{Failure, Request};
use dashmap::{DashMap, Entry};
use domain::likes::{Key, Liker};
use domain::room::{Answer, Command};
use domain::{Rejection, RoomId, SessionNumber, UserId};
use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::audience::Sample;
use crate::platform::Commands;

/// Users whose pace is remembered; one more is refused with `busy` until some have stopped liking.
const LIKERS_MAX: usize = 200_000;
/// A user who has not liked for so long is forgotten, and a room too.
const IDLE_MS: i64 = 60_000;
/// Sessions that are over and of which likes still wait for the journal; likes of one more are lost.
const ENDED_MAX: usize = 4_096;

/// What is being liked.
#[derive(Debug, Default)]
pub struct Likes {
    likers: DashMap<UserId, Liker>,
    rooms: DashMap<RoomId, Liked>,
    /// What waits of sessions that another one has followed: handed over before anything of that one.
    ended: Mutex<Vec<Taken>>,
    /// Likes taken, since the start.
    pub taken: AtomicU64,
    /// Those of them that could not be journalled.
    pub lost: AtomicU64,
}

/// The likes of one room's running session.
#[derive(Debug)]
struct Liked {
    session: SessionNumber,
    /// In the journal.
    counted: u64,
    /// On their way to it.
    under_way: u64,
    /// Tapped since.
    waiting: u64,
    hearts: Hearts,
    liked_ms: i64,
}

/// Likes on their way to one room's journal.
#[derive(Debug)]
struct Taken {
    room: RoomId,
    session: SessionNumber,
    likes: u64,
}

/// What was tapped since hearts were shown last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearts {
    /// How many.
    pub count: u64,
    /// Who tapped.
    pub sample: Sample,
}

/// Likes of one user, as they come in.
#[derive(Debug, Clone, Copy)]
pub struct Tap<'a> {
    /// Where.
    pub room: &'a RoomId,
    /// In which session, as the streamer's actor says.
    pub session: SessionNumber,
    /// Who.
    pub user: &'a UserId,
    /// Whether the room may see who it was.
    pub shown: bool,
    /// How many.
    pub count: u32,
    /// The command, to know it again.
    pub key: Key,
}

impl Likes {
    /// Counts a tap; `journalled` is what the session has in the journal, for a room that was not liked lately. Returns
    /// the likes of the session so far.
    ///
    /// # Errors
    /// [`Rejection::RoomNotLive`] for a session that another one has followed, [`Rejection::Busy`], and those of
    /// [`Liker::like`].
    pub fn tap(&self, tap: &Tap<'_>, journalled: u64, now_ms: i64) -> Result<u64, Rejection> {
        let mut liked = self
            .rooms
            .entry(tap.room.clone())
            .or_insert_with(|| Liked::of(tap.session, journalled));
        if tap.session < liked.session {
            return Err(Rejection::RoomNotLive);
        }
        if tap.session > liked.session {
            let before = std::mem::replace(&mut *liked, Liked::of(tap.session, journalled));
            self.keep_ended(Taken {
                room: tap.room.clone(),
                session: before.session,
                likes: before.waiting,
            });
            liked.hearts = before.hearts;
        }
        if self.allow(tap, now_ms)? {
            self.taken.fetch_add(tap.count.into(), Relaxed);
            liked.waiting += u64::from(tap.count);
            liked.liked_ms = now_ms;
            liked.hearts.count += u64::from(tap.count);
            if tap.shown && !liked.hearts.sample.users.contains(tap.user) {
                liked.hearts.sample.add(tap.user);
            }
        }
        Ok(liked.counted + liked.under_way + liked.waiting)
    }

    fn keep_ended(&self, taken: Taken) {
        if taken.likes == 0 {
            return;
        }
        let mut ended = self.ended.lock();
        if ended.len() < ENDED_MAX {
            ended.push(taken);
        } else {
            self.lost.fetch_add(taken.likes, Relaxed);
        }
    }

    fn allow(&self, tap: &Tap<'_>, now_ms: i64) -> Result<bool, Rejection> {
        let full = self.likers.len() >= LIKERS_MAX;
        let mut liker = match self.likers.entry(tap.user.clone()) {
            Entry::Occupied(liker) => liker.into_ref(),
            Entry::Vacant(_) if full => return Err(Rejection::Busy),
            Entry::Vacant(place) => place.insert(Liker::new(now_ms)),
        };
        liker.like(tap.count, tap.key, now_ms)
    }

    /// What is to be shown in each room since the last call.
    pub fn take_hearts(&self) -> Vec<(RoomId, Hearts)> {
        let mut taken = Vec::new();
        for mut liked in self.rooms.iter_mut() {
            if liked.hearts.count > 0 {
                let hearts = std::mem::take(&mut liked.hearts);
                taken.push((liked.key().clone(), hearts));
            }
        }
        taken
    }

    /// Hands all that waits to the rooms, and waits until it is journalled.
    pub async fn journal(&self, rooms: &Commands) {
        self.hand_over(rooms, self.take_waiting(|_| true)).await;
    }

    /// The same, but rooms of which some are still on their way are left for the next time: a slow journal is not
    /// given more and more.
    pub async fn journal_in_turn(&self, rooms: &Commands) {
        self.hand_over(rooms, self.take_waiting(|liked| liked.under_way == 0))
            .await;
    }

    async fn hand_over(&self, rooms: &Commands, taken: Vec<Taken>) {
        let commands = taken.into_iter().map(|taken| async move {
            let Taken { session, likes, .. } = taken;
            let count = Command::CountLikes { session, likes };
            let outcome = rooms.room(&taken.room, Request::of_system("likes"), count).await;
            self.journalled(taken, outcome.map(|accepted| accepted.answer));
        });
        join_all(commands).await;
    }

    fn take_waiting(&self, of: impl Fn(&Liked) -> bool) -> Vec<Taken> {
        let mut taken = Vec::new();
        for mut liked in self.rooms.iter_mut() {
            if liked.waiting > 0 && of(&liked) {
                let likes = std::mem::take(&mut liked.waiting);
                liked.under_way += likes;
                taken.push(Taken {
                    room: liked.key().clone(),
                    session: liked.session,
                    likes,
                });
            }
        }
        // Looked at last and given first: of each room, the earlier session comes before the later one.
        let mut all = std::mem::take(&mut *self.ended.lock());
        all.append(&mut taken);
        all
    }

    fn journalled(&self, taken: Taken, outcome: Result<Answer, Failure>) {
        let liked = self.rooms.get_mut(&taken.room);
        let mut liked = liked.filter(|liked| liked.session == taken.session);
        if let Some(liked) = &mut liked {
            liked.under_way = liked.under_way.saturating_sub(taken.likes);
        }
        match (outcome, liked) {
            (Ok(Answer::Liked { total }), liked) if total >= taken.likes => {
                if let Some(mut liked) = liked {
                    liked.counted = liked.counted.max(total);
                }
            }
            // It did not take place: once more, with what comes meanwhile.
            (Err(Failure::Rejected(_)), Some(mut liked)) => liked.waiting += taken.likes,
            (Err(Failure::Rejected(_)), None) => self.keep_ended(taken),
            // It was too late, or nobody knows whether it took place: rather too few than twice.
            (Ok(_) | Err(_), _) => {
                self.lost.fetch_add(taken.likes, Relaxed);
            }
        }
    }

    /// Forgets users and rooms that have been quiet for long.
    pub fn sweep(&self, now_ms: i64) {
        let quiet = |seen_ms: i64| now_ms - seen_ms > IDLE_MS;
        self.likers.retain(|_, liker| !quiet(liker.seen_ms()));
        self.rooms.retain(|_, liked| {
            liked.waiting + liked.under_way + liked.hearts.count > 0 || !quiet(liked.liked_ms)
        });
    }
}

impl Liked {
    fn of(session: SessionNumber, counted: u64) -> Self {
        Self {
            session,
            counted,
            under_way: 0,
            waiting: 0,
            hearts: Hearts::default(),
            liked_ms: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stage {
        likes: Likes,
        room: RoomId,
        ann: UserId,
        sent: u64,
    }

    impl Stage {
        fn new() -> Self {
            Self {
                likes: Likes::default(),
                room: "star".parse().unwrap(),
                ann: "ann".parse().unwrap(),
                sent: 0,
            }
        }

        /// One send of its own id, at a pace that nobody refuses.
        fn try_tap(&mut self, session: u32, count: u32, journalled: u64) -> Result<u64, Rejection> {
            self.sent += 1;
            let key = Key {
                id: self.sent,
                body: 0,
            };
            let tap = Tap {
                room: &self.room,
                session: SessionNumber(session),
                user: &self.ann,
                shown: true,
                count,
                key,
            };
            let now_ms = self.sent as i64 * 1_000;
            self.likes.tap(&tap, journalled, now_ms)
        }

        fn tap(&mut self, session: u32, count: u32, journalled: u64) -> u64 {
            self.try_tap(session, count, journalled).unwrap()
        }

        fn take(&self) -> Vec<(u32, u64)> {
            let taken = self.likes.take_waiting(|liked| liked.under_way == 0);
            taken.iter().map(|taken| (taken.session.0, taken.likes)).collect()
        }

        fn journalled(&self, session: u32, likes: u64, outcome: Result<Answer, Failure>) {
            let (room, session) = (self.room.clone(), SessionNumber(session));
            let taken = Taken { room, session, likes };
            self.likes.journalled(taken, outcome);
        }

        fn lost(&self) -> u64 {
            self.likes.lost.load(Relaxed)
        }
    }

    #[test]
    fn what_is_on_its_way_is_neither_taken_twice_nor_missing_from_the_answer() {
        let mut stage = Stage::new();
        assert_eq!(stage.tap(1, 5, 100), 105);
        assert_eq!(stage.take(), [(1, 5)]);
        assert_eq!(stage.tap(1, 3, 100), 108);
        assert_eq!(stage.take(), [], "the first ones are still on their way");
        stage.journalled(1, 5, Ok(Answer::Liked { total: 105 }));
        assert_eq!(stage.tap(1, 1, 105), 109);
        assert_eq!(stage.take(), [(1, 4)]);
        assert_eq!(stage.tap(1, 2, 105), 111);
        let rest = stage.likes.take_waiting(|_| true);
        assert_eq!(rest[0].likes, 2, "who stops waits for nothing");
        stage.journalled(1, 2, Ok(Answer::Liked { total: 111 }));
        stage.journalled(1, 4, Ok(Answer::Liked { total: 109 }));
        assert_eq!(stage.tap(1, 1, 105), 112);
        assert_eq!(stage.lost(), 0);
    }

    #[test]
    fn likes_that_were_refused_come_again_and_likes_of_unknown_fate_do_not() {
        let mut stage = Stage::new();
        stage.tap(1, 5, 0);
        stage.take();
        stage.journalled(1, 5, Err(Rejection::Busy.into()));
        assert_eq!(stage.take(), [(1, 5)]);
        stage.journalled(1, 5, Err(Failure::Lost));
        assert_eq!(stage.take(), []);
        assert_eq!((stage.lost(), stage.tap(1, 2, 0)), (5, 2));
    }

    #[test]
    fn a_new_session_begins_with_none() {
        let mut stage = Stage::new();
        stage.tap(1, 5, 0);
        assert_eq!(stage.tap(2, 3, 0), 3);
        stage.journalled(1, 5, Ok(Answer::Liked { total: 99 }));
        assert_eq!(stage.tap(2, 1, 0), 4);
        assert_eq!(stage.try_tap(1, 1, 0), Err(Rejection::RoomNotLive));
        assert_eq!(stage.tap(2, 1, 0), 5, "the later session keeps its likes");
    }

    #[test]
    fn likes_that_wait_when_the_next_session_begins_are_handed_over_before_its_own() {
        let mut stage = Stage::new();
        stage.tap(1, 5, 0);
        assert_eq!(stage.take(), [(1, 5)]);
        stage.tap(1, 2, 0);
        stage.tap(2, 3, 0);
        assert_eq!(stage.take(), [(1, 2), (2, 3)]);
        assert_eq!(stage.take(), []);
        stage.journalled(1, 2, Ok(Answer::Liked { total: 7 }));
        assert_eq!(stage.lost(), 0);
    }

    #[test]
    fn likes_of_an_ended_session_come_again_when_refused_and_are_counted_as_lost_when_too_late() {
        let mut stage = Stage::new();
        stage.tap(1, 5, 0);
        stage.take();
        stage.tap(2, 3, 0);
        stage.journalled(1, 5, Err(Rejection::Busy.into()));
        assert_eq!(stage.take(), [(1, 5), (2, 3)]);
        // The room has counted a later session already.
        stage.journalled(1, 5, Ok(Answer::Liked { total: 0 }));
        assert_eq!(stage.lost(), 5);
    }

    #[test]
    fn hearts_are_taken_once_and_name_each_user_once() {
        let mut stage = Stage::new();
        stage.tap(1, 5, 0);
        stage.tap(1, 6, 0);
        let hearts = stage.likes.take_hearts();
        let [(_, hearts)] = hearts.as_slice() else {
            panic!("{hearts:?}")
        };
        assert_eq!(
            (hearts.count, &hearts.sample.users),
            (11, &vec![stage.ann.clone()])
        );
        assert_eq!(stage.likes.take_hearts(), []);
    }

    #[test]
    fn who_is_quiet_is_forgotten_but_no_like_is() {
        let mut stage = Stage::new();
        stage.tap(1, 5, 0);
        stage.likes.take_hearts();
        stage.likes.sweep(IDLE_MS * 9);
        assert!(stage.likes.likers.is_empty());
        assert_eq!(stage.take(), [(1, 5)]);
        stage.journalled(1, 5, Ok(Answer::Liked { total: 5 }));
        stage.likes.sweep(IDLE_MS * 9);
        assert!(stage.likes.rooms.is_empty());
    }
}
