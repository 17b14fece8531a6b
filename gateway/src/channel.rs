//! One channel: who is in it and what it has to say. Lock order: members, then a peer; what is pending is locked alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::batch::{ChannelId, Dialect};
use crate::peer::Peer;
use crate::pending::Pending;
use crate::publication::ClientInfo;

/// One channel with at least one member (or about to have one).
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) name: Arc<str>,
    subscribers: AtomicUsize,
    pub(crate) members: Mutex<Members>,
    pub(crate) pending: Mutex<Pending>,
}

impl Channel {
    pub(crate) fn new(id: ChannelId, name: Arc<str>) -> Self {
        Self {
            id,
            name,
            subscribers: AtomicUsize::new(0),
            members: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    /// Subscriptions, open or being opened.
    pub(crate) fn subscribers(&self) -> usize {
        self.subscribers.load(Relaxed)
    }

    pub(crate) fn count_in(&self) {
        self.subscribers.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_out(&self) {
        self.subscribers.fetch_sub(1, Relaxed);
    }
}

/// Who is in a channel. A place never changes while it is held.
#[derive(Debug, Default)]
pub(crate) struct Members {
    slots: Vec<Option<Member>>,
    free: Vec<usize>,
    users: HashMap<Arc<str>, u32>,
    clients: u32,
    /// Empty and off the map: whoever still holds it must look again.
    pub(crate) retired: bool,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: Arc<Peer>,
    pub(crate) dialect: Dialect,
    /// Set once the subscription is open.
    pub(crate) info: Option<Arc<ClientInfo>>,
    pub(crate) announce: bool,
}

/// A member that left after its subscription had been opened and announced.
pub(crate) struct Left {
    pub(crate) announced: Option<Arc<ClientInfo>>,
}

impl Members {
    /// Places, free ones included.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    pub(crate) fn at(&self, slot: usize) -> Option<&Member> {
        self.slots.get(slot).and_then(Option::as_ref)
    }

    /// Is the place held by this connection?
    pub(crate) fn holds(&self, slot: usize, peer: &Arc<Peer>) -> bool {
        self.at(slot)
            .is_some_and(|member| Arc::ptr_eq(&member.peer, peer))
    }

    /// Users and connections with an open subscription.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.users.len() as u32, self.clients)
    }

    pub(crate) fn present(&self) -> Vec<Arc<ClientInfo>> {
        let members = self.slots.iter().flatten();
        members.filter_map(|member| member.info.clone()).collect()
    }

    pub(crate) fn add(&mut self, peer: Arc<Peer>, dialect: Dialect) -> usize {
        let member = Some(Member {
            peer,
            dialect,
            info: None,
            announce: false,
        });
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = member;
            return slot;
        }
        self.slots.push(member);
        self.slots.len() - 1
    }

    /// Notes a subscription as open. False = the place is not this connection's any more.
    pub(crate) fn open(
        &mut self,
        slot: usize,
        peer: &Arc<Peer>,
        info: &Arc<ClientInfo>,
        announce: bool,
    ) -> bool {
        let member = self.slots.get_mut(slot).and_then(Option::as_mut);
        let Some(member) = member.filter(|member| Arc::ptr_eq(&member.peer, peer)) else {
            return false;
        };
        member.announce = announce;
        if member.info.replace(info.clone()).is_none() {
            self.clients += 1;
            *self.users.entry(info.user.clone()).or_default() += 1;
        }
        true
    }

    /// Frees a place.
    pub(crate) fn remove(&mut self, slot: usize) -> Option<Left> {
        let member = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        if let Some(info) = &member.info {
            self.clients -= 1;
            if let Some(count) = self.users.get_mut(&info.user) {
                *count -= 1;
                if *count == 0 {
                    self.users.remove(&info.user);
                }
            }
        }
        Some(Left {
            announced: member.info.filter(|_| member.announce),
        })
    }
}
