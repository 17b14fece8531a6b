//! How many connections one user may hold at a time, and which one goes when there are more.

use std::collections::VecDeque;
use std::sync::Arc;

use dashmap::DashMap;
use domain::UserId;
use gateway::Disconnect;
use serde::{Deserialize, Serialize};

/// What happens to one connection too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionsPolicy {
    /// The oldest is closed with [`REPLACED`]: a connection whose device is gone locks nobody out.
    #[default]
    NewestWins,
    /// The new one is closed with 3504.
    Refuse,
}

/// Why the oldest connection of a user is closed. SDKs do not come back by themselves.
pub const REPLACED: Disconnect = Disconnect {
    code: 4500,
    reason: std::borrow::Cow::Borrowed("replaced by a newer connection of the same user"),
};

/// The connections of every user.
#[derive(Debug)]
pub struct Sessions {
    /// Oldest first.
    clients: DashMap<UserId, VecDeque<Arc<str>>>,
    per_user: usize,
    policy: SessionsPolicy,
}

/// A connection that has to go, and why.
pub type Leaver = (Arc<str>, Disconnect);

impl Sessions {
    /// Nobody is connected.
    pub fn new(per_user: usize, policy: SessionsPolicy) -> Self {
        Self {
            clients: DashMap::default(),
            per_user,
            policy,
        }
    }

    /// Whether one more connection may be let in. Many that come at the same moment all may: [`Sessions::enter`] decides.
    pub fn has_room(&self, user: &UserId) -> bool {
        let open = self.clients.get(user).map_or(0, |clients| clients.len());
        self.policy == SessionsPolicy::NewestWins || open < self.per_user
    }

    /// A connection was let in; says which one has to go for it.
    pub fn enter(&self, user: &UserId, client: &Arc<str>) -> Option<Leaver> {
        let mut clients = self.clients.entry(user.clone()).or_default();
        clients.push_back(client.clone());
        if clients.len() <= self.per_user {
            return None;
        }
        match self.policy {
            SessionsPolicy::NewestWins => clients.pop_front().map(|oldest| (oldest, REPLACED)),
            SessionsPolicy::Refuse => clients
                .pop_back()
                .map(|newest| (newest, Disconnect::CONNECTION_LIMIT)),
        }
    }

    /// A connection is gone.
    pub fn leave(&self, user: &UserId, client: &Arc<str>) {
        if let Some(mut clients) = self.clients.get_mut(user) {
            clients.retain(|other| other != client);
        }
        self.clients.remove_if(user, |_, clients| clients.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(policy: SessionsPolicy) -> (Sessions, UserId, [Arc<str>; 3]) {
        let clients = ["a", "b", "c"].map(Arc::from);
        (Sessions::new(2, policy), "ann".parse().unwrap(), clients)
    }

    #[test]
    fn the_oldest_goes_when_the_newest_wins() {
        let (sessions, ann, [a, b, c]) = sessions(SessionsPolicy::NewestWins);
        assert_eq!(sessions.enter(&ann, &a), None);
        assert_eq!(sessions.enter(&ann, &b), None);
        assert!(sessions.has_room(&ann));
        assert_eq!(sessions.enter(&ann, &c), Some((a.clone(), REPLACED)));
        sessions.leave(&ann, &a);
        assert_eq!(sessions.enter(&ann, &a), Some((b, REPLACED)));
    }

    #[test]
    fn the_newest_goes_when_it_is_refused_and_may_come_when_one_has_left() {
        let (sessions, ann, [a, b, c]) = sessions(SessionsPolicy::Refuse);
        assert_eq!(sessions.enter(&ann, &a), None);
        assert!(sessions.has_room(&ann));
        assert_eq!(sessions.enter(&ann, &b), None);
        assert!(!sessions.has_room(&ann));
        assert_eq!(
            sessions.enter(&ann, &c),
            Some((c.clone(), Disconnect::CONNECTION_LIMIT))
        );
        sessions.leave(&ann, &c);
        assert!(!sessions.has_room(&ann), "who was refused counts for nothing");
        sessions.leave(&ann, &a);
        assert!(sessions.has_room(&ann));
        sessions.leave(&ann, &b);
        assert!(sessions.clients.is_empty());
    }
}
