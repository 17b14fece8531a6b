//! Who is in which room: users, not sockets; and who came in lately. In memory only; a restart counts anew.
//!
//! Nobody is told of every entrance: rooms hear a sample of them now and then, and numbers once a second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use dashmap::DashMap;
use domain::{RoomId, UserId};
use serde::Serialize;

/// Users that a sample names; the others are only counted.
pub const SAMPLE_USERS_MAX: usize = 5;
/// Who comes back sooner than this after the last socket left has not entered: the connection was broken.
const AWAY_MS: i64 = 30_000;
/// Users of one room that are known to have left lately; one more is not noted, and coming back is an entrance.
const AWAY_USERS_MAX: usize = 10_000;

/// The users in every room that has any.
#[derive(Debug, Default)]
pub struct Audience {
    rooms: DashMap<RoomId, Crowd>,
}

#[derive(Debug, Default)]
struct Crowd {
    /// Sockets of each user.
    sockets: HashMap<UserId, u32>,
    /// When the last socket of a user left, unix ms.
    away: HashMap<UserId, i64>,
    entered: Sample,
}

/// Many users, a few of them by name; each has the same chance to be named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// At most [`SAMPLE_USERS_MAX`].
    pub users: Vec<UserId>,
    /// How many more there were.
    pub more: u64,
}

impl Sample {
    /// Adds one, who may take the place of another.
    pub fn add(&mut self, user: &UserId) {
        if self.users.len() < SAMPLE_USERS_MAX {
            self.users.push(user.clone());
            return;
        }
        self.more += 1;
        let seen = self.users.len() as u64 + self.more;
        let at = fastrand::u64(..seen) as usize;
        if let Some(named) = self.users.get_mut(at) {
            named.clone_from(user);
        }
    }
}

impl Audience {
    /// A socket of a user entered.
    pub fn enter(&self, room: &RoomId, user: &UserId, now_ms: i64) {
        let mut crowd = self.rooms.entry(room.clone()).or_default();
        let sockets = crowd.sockets.entry(user.clone()).or_default();
        *sockets += 1;
        if *sockets > 1 {
            return;
        }
        let left_ms = crowd.away.remove(user);
        if left_ms.is_none_or(|left_ms| now_ms - left_ms > AWAY_MS) {
            crowd.entered.add(user);
        }
    }

    /// A socket of a user left.
    pub fn leave(&self, room: &RoomId, user: &UserId, now_ms: i64) {
        let Some(mut crowd) = self.rooms.get_mut(room) else {
            return;
        };
        let Entry::Occupied(mut sockets) = crowd.sockets.entry(user.clone()) else {
            return;
        };
        *sockets.get_mut() -= 1;
        if *sockets.get() == 0 {
            sockets.remove();
            if crowd.away.len() < AWAY_USERS_MAX {
                crowd.away.insert(user.clone(), now_ms);
            }
        }
    }

    /// Whether a user is in a room.
    pub fn holds(&self, room: &RoomId, user: &UserId) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|crowd| crowd.sockets.contains_key(user))
    }

    /// Users in a room.
    pub fn viewers(&self, room: &RoomId) -> u32 {
        self.rooms.get(room).map_or(0, |crowd| crowd.viewers())
    }

    /// Users over all rooms; one in two rooms counts twice.
    pub fn total(&self) -> u64 {
        self.rooms.iter().map(|crowd| u64::from(crowd.viewers())).sum()
    }

    /// Every room that has any users, with how many.
    pub fn all(&self) -> Vec<(RoomId, u32)> {
        let present = self.rooms.iter().filter(|crowd| !crowd.sockets.is_empty());
        present
            .map(|crowd| (crowd.key().clone(), crowd.viewers()))
            .collect()
    }

    /// Who entered each room since the last call; forgets who has been away for long, and rooms that are empty.
    pub fn take_entered(&self, now_ms: i64) -> Vec<(RoomId, Sample)> {
        let mut entered = Vec::new();
        self.rooms.retain(|room, crowd| {
            crowd.away.retain(|_, left_ms| now_ms - *left_ms <= AWAY_MS);
            let sample = std::mem::take(&mut crowd.entered);
            if !sample.users.is_empty() && !crowd.sockets.is_empty() {
                entered.push((room.clone(), sample));
            }
            !crowd.sockets.is_empty() || !crowd.away.is_empty()
        });
        entered
    }
}

impl Crowd {
    fn viewers(&self) -> u32 {
        u32::try_from(self.sockets.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> RoomId {
        "star".parse().unwrap()
    }

    fn user(n: usize) -> UserId {
        format!("u{n}").parse().unwrap()
    }

    #[test]
    fn a_user_counts_once_however_many_sockets_and_until_the_last_has_left() {
        let audience = Audience::default();
        let (room, ann, bob) = (room(), user(1), user(2));
        audience.enter(&room, &ann, 0);
        audience.enter(&room, &ann, 0);
        audience.enter(&room, &bob, 0);
        assert_eq!(audience.viewers(&room), 2);
        audience.leave(&room, &ann, 0);
        assert!(audience.holds(&room, &ann));
        assert_eq!(audience.viewers(&room), 2);
        audience.leave(&room, &ann, 0);
        audience.leave(&room, &ann, 0);
        assert!(!audience.holds(&room, &ann));
        assert_eq!((audience.viewers(&room), audience.total()), (1, 1));
        assert_eq!(audience.all(), [(room.clone(), 1)]);
        audience.leave(&room, &bob, 0);
        assert_eq!(audience.viewers(&room), 0);
        assert_eq!(audience.all(), []);
        audience.take_entered(AWAY_MS);
        assert!(!audience.rooms.is_empty(), "who left lately is known");
        audience.take_entered(AWAY_MS + 1);
        assert!(audience.rooms.is_empty());
    }

    #[test]
    fn an_entrance_is_told_once_and_a_reconnect_is_none() {
        let audience = Audience::default();
        let (room, ann) = (room(), user(1));
        let told = |now_ms| {
            let mut all = audience.take_entered(now_ms);
            all.pop().map(|(_, sample)| sample.users)
        };
        audience.enter(&room, &ann, 0);
        audience.enter(&room, &ann, 0);
        assert_eq!(told(0), Some(vec![ann.clone()]));
        assert_eq!(told(1), None);
        audience.leave(&room, &ann, 10);
        audience.leave(&room, &ann, 10);
        audience.enter(&room, &ann, 10 + AWAY_MS);
        assert_eq!(told(10 + AWAY_MS), None, "it was a reconnect");
        audience.leave(&room, &ann, 100_000);
        audience.enter(&room, &ann, 100_001 + AWAY_MS);
        assert_eq!(told(100_001 + AWAY_MS), Some(vec![ann]));
    }

    #[test]
    fn of_many_who_enter_a_few_are_named_and_all_are_counted() {
        let audience = Audience::default();
        for n in 0..1_000 {
            audience.enter(&room(), &user(n), 0);
        }
        let told = audience.take_entered(0);
        let [(_, sample)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((sample.users.len(), sample.more), (SAMPLE_USERS_MAX, 995));
        assert!(sample.users.iter().all(|user| audience.holds(&room(), user)));
    }

    #[test]
    fn who_left_is_remembered_up_to_a_limit() {
        let audience = Audience::default();
        for n in 0..AWAY_USERS_MAX + 1 {
            audience.enter(&room(), &user(n), 0);
        }
        audience.take_entered(0);
        for n in 0..AWAY_USERS_MAX + 1 {
            audience.leave(&room(), &user(n), 0);
            audience.enter(&room(), &user(n), 0);
            audience.leave(&room(), &user(n), 0);
        }
        assert_eq!(audience.rooms.get(&room()).unwrap().away.len(), AWAY_USERS_MAX);
    }
}
