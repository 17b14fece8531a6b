//! Keeps each sender's commands in order while the live session of a gift's room is asked for.
//!
//! A gift whose room's session is known goes to its viewer at once. One that has to wait holds back whatever its sender
//! gives after it, so that nothing overtakes it on the way to the viewer's mailbox. It must never hold a lock while it
//! calls a reply or an actor.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::UserId;
use domain::viewer::Viewer;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::Job;
use crate::limits::{SENDERS_WAITING_MAX, VIEWER_MAILBOX_COMMANDS_MAX};

/// Senders with a gift that waits, and what they gave after it.
#[derive(Default)]
pub(crate) struct Senders {
    behind: Mutex<HashMap<UserId, VecDeque<Job<Viewer>>, RandomState>>,
    /// How many they are; hardly ever any, and then nobody needs the lock.
    waiting: AtomicUsize,
}

/// What became of a command that was to be put behind an earlier one, or to hold back later ones.
pub(crate) enum Turn {
    /// It is its turn.
    Now(Job<Viewer>),
    /// It waits, and will be handed out by [`Senders::next`].
    Later,
    /// Too much waits already.
    Full(Job<Viewer>),
}

impl Senders {
    /// Puts a command behind what its sender gave before it, if any of that still waits.
    pub(crate) fn queue(&self, sender: &UserId, job: Job<Viewer>) -> Turn {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return Turn::Now(job);
        }
        match self.behind.lock().get_mut(sender) {
            Some(behind) => put(behind, job),
            None => Turn::Now(job),
        }
    }

    /// From now on the sender's commands wait behind this one, which whoever gets it back has to see to; then they are
    /// to be taken out one by one.
    pub(crate) fn hold(&self, sender: &UserId, job: Job<Viewer>) -> Turn {
        if self.waiting.load(Ordering::Relaxed) >= SENDERS_WAITING_MAX {
            return Turn::Full(job);
        }
        match self.behind.lock().entry(sender.clone()) {
            Entry::Occupied(mut behind) => put(behind.get_mut(), job),
            Entry::Vacant(entry) => {
                entry.insert(VecDeque::new());
                self.waiting.fetch_add(1, Ordering::AcqRel);
                Turn::Now(job)
            }
        }
    }

    /// The next command that waits; when there is none, the sender's commands wait no longer.
    pub(crate) fn next(&self, sender: &UserId) -> Option<Job<Viewer>> {
        let mut behind = self.behind.lock();
        let next = behind.get_mut(sender)?.pop_front();
        if next.is_none() {
            behind.remove(sender);
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        next
    }
}

fn put(behind: &mut VecDeque<Job<Viewer>>, job: Job<Viewer>) -> Turn {
    if behind.len() >= VIEWER_MAILBOX_COMMANDS_MAX {
        return Turn::Full(job);
    }
    behind.push_back(job);
    Turn::Later
}
