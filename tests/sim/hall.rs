//! Shells with their mailboxes, driven by hand: what the registry and actix do on threads. It decides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use actors::{House, Kind, Post, Shell, Suspended, Work};
use domain::{Rejection, UserId};
use futures_util::FutureExt;

/// What shells gave back, to be handled again.
struct Returned<A: Kind>(Mutex<Vec<(UserId, Work<A>)>>);

impl<A: Kind> Post<A> for Returned<A> {
    fn post(&self, key: &UserId, work: Work<A>) {
        let mut returned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        returned.push((key.clone(), work));
    }
}

struct Seat<A: Kind> {
    shell: Shell<A>,
    mail: VecDeque<Work<A>>,
    waiting: Option<Suspended<A>>,
}

/// The resident actors of one kind.
pub struct Hall<A: Kind> {
    house: Arc<House>,
    returned: Arc<Returned<A>>,
    seats: BTreeMap<UserId, Seat<A>>,
    mailbox_max: usize,
    /// Replays that had to wait for the journal.
    pub waited: u64,
}

impl<A: Kind> Hall<A> {
    /// An empty hall whose mailboxes hold so much.
    pub fn new(house: Arc<House>, mailbox_max: usize) -> Self {
        Self {
            house,
            returned: Arc::new(Returned(Mutex::new(Vec::new()))),
            seats: BTreeMap::new(),
            mailbox_max,
            waited: 0,
        }
    }

    /// Puts work into the mailbox of an actor, which is started if need be; full means busy.
    pub fn deliver(&mut self, key: &UserId, work: Work<A>) {
        let seat = self.seats.entry(key.clone()).or_insert_with(|| Seat {
            shell: Shell::new(self.house.clone(), key.clone(), self.returned.clone()),
            mail: VecDeque::new(),
            waiting: None,
        });
        if seat.mail.len() < self.mailbox_max {
            return seat.mail.push_back(work);
        }
        match work {
            Work::Command(job) => job.reply.send(Err(Rejection::Busy.into())),
            Work::Ask(reply) => reply.send(Err(Rejection::Busy.into())),
        }
    }

    /// Whose actors are here.
    pub fn keys(&self) -> Vec<UserId> {
        self.seats.keys().cloned().collect()
    }

    /// Whether the actor is here.
    pub fn is_here(&self, key: &UserId) -> bool {
        self.seats.contains_key(key)
    }

    /// Whose actors have something to do.
    pub fn busy(&self) -> Vec<UserId> {
        let busy = |seat: &Seat<A>| seat.waiting.is_some() || !seat.mail.is_empty();
        self.seats
            .iter()
            .filter(|(_, seat)| busy(seat))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Lets an actor do one thing; says whether it did.
    pub fn turn(&mut self, key: &UserId) -> bool {
        let Some(seat) = self.seats.get_mut(key) else {
            return false;
        };
        let before = seat.waiting.is_some();
        if let Some(mut waiting) = seat.waiting.take() {
            match waiting.as_mut().now_or_never() {
                Some(resumption) => seat.waiting = seat.shell.resume(resumption),
                None => {
                    seat.waiting = Some(waiting);
                    return false;
                }
            }
        } else if let Some(work) = seat.mail.pop_front() {
            seat.waiting = seat.shell.handle(work);
        } else {
            return false;
        }
        self.waited += u64::from(seat.waiting.is_some() && !before);
        true
    }

    /// Puts back into mailboxes what shells gave back; says how much that was.
    pub fn redeliver(&mut self) -> usize {
        let returned = std::mem::take(&mut *self.returned.0.lock().unwrap_or_else(PoisonError::into_inner));
        let count = returned.len();
        for (key, work) in returned {
            self.deliver(&key, work);
        }
        count
    }

    /// Lets an actor do what time brings.
    pub fn wake(&mut self, key: &UserId) {
        if let Some(seat) = self.seats.get_mut(key).filter(|seat| seat.waiting.is_none()) {
            seat.waiting = seat.shell.wake();
        }
    }

    /// The actor fell over: its state is gone, its mail is not.
    pub fn panic(&mut self, key: &UserId) -> bool {
        let seat = self.seats.get_mut(key).filter(|seat| seat.waiting.is_none());
        seat.map(|seat| seat.shell.forget()).is_some()
    }

    /// Stops an idle actor, with a snapshot; says whether it was idle.
    pub fn stop(&mut self, key: &UserId) -> bool {
        let Some(seat) = self.seats.get_mut(key) else {
            return false;
        };
        let idle = seat.waiting.is_none() && seat.mail.is_empty() && seat.shell.is_quiet();
        if !idle || seat.shell.wake_at_ms().is_some() {
            return false;
        }
        seat.shell.save_snapshot();
        self.seats.remove(key);
        true
    }
}

/// A hall of any kind.
pub trait Seats {
    /// See [`Hall::keys`].
    fn keys(&self) -> Vec<UserId>;
    /// See [`Hall::busy`].
    fn busy(&self) -> Vec<UserId>;
    /// See [`Hall::turn`].
    fn turn(&mut self, key: &UserId) -> bool;
    /// See [`Hall::redeliver`].
    fn redeliver(&mut self) -> usize;
    /// See [`Hall::panic`].
    fn panic(&mut self, key: &UserId) -> bool;
    /// See [`Hall::stop`].
    fn stop(&mut self, key: &UserId) -> bool;
}

impl<A: Kind> Seats for Hall<A> {
    fn keys(&self) -> Vec<UserId> {
        Hall::keys(self)
    }

    fn busy(&self) -> Vec<UserId> {
        Hall::busy(self)
    }

    fn turn(&mut self, key: &UserId) -> bool {
        Hall::turn(self, key)
    }

    fn redeliver(&mut self) -> usize {
        Hall::redeliver(self)
    }

    fn panic(&mut self, key: &UserId) -> bool {
        Hall::panic(self, key)
    }

    fn stop(&mut self, key: &UserId) -> bool {
        Hall::stop(self, key)
    }
}
