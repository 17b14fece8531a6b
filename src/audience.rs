//! Who is in which room: users, not sockets. In memory only; a reconnect counts anew.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use dashmap::DashMap;
use domain::{RoomId, UserId};

/// The users in every room that has any.
#[derive(Debug, Default)]
pub struct Audience {
    rooms: DashMap<RoomId, Crowd>,
}

#[derive(Debug, Default)]
struct Crowd {
    /// Sockets of each user.
    sockets: HashMap<UserId, u32>,
}

impl Audience {
    /// A socket of a user entered.
    pub fn enter(&self, room: &RoomId, user: &UserId) {
        let mut crowd = self.rooms.entry(room.clone()).or_default();
        *crowd.sockets.entry(user.clone()).or_default() += 1;
    }

    /// A socket of a user left.
    pub fn leave(&self, room: &RoomId, user: &UserId) {
        if let Some(mut crowd) = self.rooms.get_mut(room)
            && let Entry::Occupied(mut sockets) = crowd.sockets.entry(user.clone())
        {
            *sockets.get_mut() -= 1;
            if *sockets.get() == 0 {
                sockets.remove();
            }
        }
        self.rooms.remove_if(room, |_, crowd| crowd.sockets.is_empty());
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
        self.rooms
            .iter()
            .map(|crowd| (crowd.key().clone(), crowd.viewers()))
            .collect()
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

    #[test]
    fn a_user_counts_once_however_many_sockets_and_until_the_last_has_left() {
        let audience = Audience::default();
        let room: RoomId = "star".parse().unwrap();
        let [ann, bob]: [UserId; 2] = ["ann", "bob"].map(|id| id.parse().unwrap());
        audience.enter(&room, &ann);
        audience.enter(&room, &ann);
        audience.enter(&room, &bob);
        assert_eq!(audience.viewers(&room), 2);
        audience.leave(&room, &ann);
        assert_eq!(audience.viewers(&room), 2);
        audience.leave(&room, &ann);
        audience.leave(&room, &ann);
        assert_eq!((audience.viewers(&room), audience.total()), (1, 1));
        audience.leave(&room, &bob);
        assert_eq!(audience.viewers(&room), 0);
        assert!(audience.rooms.is_empty());
    }
}
