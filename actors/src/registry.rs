//! Finds the actor of a key, starts it when there is none, and is the only place that sends: with `try_send`, so that a
//! full mailbox means busy.
//!
//! Every send holds the entry while it sends, and an actor leaves only by removing its entry when nothing was sent that
//! it has not received: so no letter ever meets an actor that is going. There is at most one actor of a key.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use actix::dev::channel::channel;
use actix::prelude::SendError;
use actix::{Addr, ArbiterHandle, Context};
use dashmap::{DashMap, Entry};
use domain::{Rejection, UserId};
use foldhash::fast::RandomState;
use tokio::sync::Notify;

use crate::entity::{Entity, Letter};
use crate::kind::Notice;
use crate::limits::RESIDENTS_MAX;
use crate::shell::{Shell, Work};
use crate::{Failure, House, Kind};

/// An actor that is there. The one sender of its mailbox: a copy of it would have a place of its own in the mailbox, and
/// the bound would be none.
struct Resident<A: Kind> {
    address: Addr<Entity<A>>,
    /// Letters put into the mailbox, wrapping.
    sent: AtomicU32,
    tick_at_ms: AtomicI64,
}

/// The actors of one kind.
pub(crate) struct Registry<A: Kind> {
    house: Arc<House>,
    arbiters: Box<[ArbiterHandle]>,
    residents: DashMap<UserId, Resident<A>, RandomState>,
    count: AtomicUsize,
    idle_after_ms: i64,
    left: Notify,
    this: Weak<Self>,
}

enum Sent<A: Kind> {
    Yes,
    /// There is no actor, or it is dead.
    Nobody(Letter<A>),
    Full(Letter<A>),
}

impl<A: Kind> Registry<A> {
    /// A registry that spreads its actors over these arbiters, and stops those that got nothing for `idle_after_ms`.
    pub(crate) fn new(house: Arc<House>, arbiters: Vec<ArbiterHandle>, idle_after_ms: i64) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            house,
            arbiters: arbiters.into(),
            residents: DashMap::default(),
            count: AtomicUsize::new(0),
            idle_after_ms,
            left: Notify::new(),
            this: this.clone(),
        })
    }

    pub(crate) fn house(&self) -> &House {
        &self.house
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.house.clock)()
    }

    pub(crate) fn idle_after_ms(&self) -> i64 {
        self.idle_after_ms
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.house.is_closing()
    }

    /// How many actors are there.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Gives work to the actor of a key, which is started if need be. Full mailbox, too many actors: busy.
    pub(crate) fn send(&self, key: &UserId, work: Work<A>) {
        let mut letter = Letter::Work(work);
        // Twice: an actor that is found dead is removed, and another one started.
        for _ in 0..2 {
            match self.try_send(key, letter) {
                Sent::Yes => return,
                Sent::Full(letter) => return self.refuse(letter),
                Sent::Nobody(back) => letter = back,
            }
            match self.admit(key, letter) {
                Sent::Yes => return,
                Sent::Full(letter) => return self.refuse(letter),
                Sent::Nobody(back) => letter = back,
            }
        }
        if let Letter::Work(work) = letter {
            work.fail(Failure::Lost);
        }
    }

    fn refuse(&self, letter: Letter<A>) {
        self.house.stats.count_refused(Rejection::Busy);
        if let Letter::Work(work) = letter {
            work.fail(Rejection::Busy.into());
        }
    }

    fn try_send(&self, key: &UserId, letter: Letter<A>) -> Sent<A> {
        match self.residents.get(key) {
            Some(resident) => resident.send(letter),
            None => Sent::Nobody(letter),
        }
    }

    /// Starts the actor of a key with its first letter, unless somebody else just did.
    fn admit(&self, key: &UserId, letter: Letter<A>) -> Sent<A> {
        if self.len() >= RESIDENTS_MAX {
            return Sent::Full(letter);
        }
        match self.residents.entry(key.clone()) {
            Entry::Occupied(entry) if entry.get().address.connected() => entry.get().send(letter),
            Entry::Occupied(mut entry) => match self.start(key) {
                Some(resident) => {
                    let sent = resident.send(letter);
                    entry.insert(resident);
                    sent
                }
                None => Sent::Nobody(letter),
            },
            Entry::Vacant(entry) => match self.start(key) {
                Some(resident) => {
                    self.count.fetch_add(1, Relaxed);
                    let sent = resident.send(letter);
                    entry.insert(resident);
                    sent
                }
                None => Sent::Nobody(letter),
            },
        }
    }

    /// A new actor on the arbiter of its key; none when that arbiter has ended.
    fn start(&self, key: &UserId) -> Option<Resident<A>> {
        let registry = self.this.upgrade()?;
        let (sender, receiver) = channel(A::MAILBOX_COMMANDS_MAX);
        let tick_at_ms = self.now_ms().saturating_add(self.idle_after_ms);
        let shell = Shell::new(self.house.clone(), key.clone(), registry.clone());
        let entity = Entity::new(shell, registry, tick_at_ms);
        let arbiter = self.residents.hasher().hash_one(key) as usize % self.arbiters.len();
        let started = self.arbiters[arbiter].spawn_fn(move || {
            actix::spawn(Context::with_receiver(receiver).into_future(entity));
        });
        let (address, sent) = (Addr::new(sender), AtomicU32::new(0));
        started.then(|| Resident {
            address,
            sent,
            tick_at_ms: AtomicI64::new(tick_at_ms),
        })
    }

    /// When the actor of a key wants its next tick.
    pub(crate) fn arm(&self, key: &UserId, at_ms: i64) {
        if let Some(resident) = self.residents.get(key) {
            resident.tick_at_ms.store(at_ms, Relaxed);
        }
    }

    /// Removes the actor that has received this many letters, if that is all of them. What others know of it goes with
    /// it, before a new one of that key can say it again.
    pub(crate) fn retire(&self, key: &UserId, received: u32, standing: Option<Notice>) -> bool {
        let removed = self.residents.remove_if(key, |_, resident| {
            let empty = resident.sent.load(Relaxed) == received;
            if let Some(notice) = standing.filter(|_| empty) {
                notice.withdraw(&self.house);
            }
            empty
        });
        if removed.is_none() {
            return false;
        }
        self.house.stats.stopped_idle.add_one();
        if self.count.fetch_sub(1, Relaxed) == 1 {
            self.left.notify_waiters();
        }
        true
    }

    /// Sends a tick to every actor that is due, or to all.
    pub(crate) fn sweep(&self, all: bool) {
        let now_ms = self.now_ms();
        for resident in &self.residents {
            let due = resident.tick_at_ms.load(Relaxed) <= now_ms;
            if (due || all) && matches!(resident.send(Letter::Tick), Sent::Yes) {
                // The actor stores its next one when it has handled this.
                let armed = &resident.tick_at_ms;
                _ = armed.fetch_update(Relaxed, Relaxed, |at| (at <= now_ms).then_some(i64::MAX));
            }
        }
    }

    /// Stops every actor; no new work may come. Ends when the last has left.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.len() == 0 {
                return;
            }
            self.sweep(true);
            // One that was not quiet is asked again.
            let again = std::time::Duration::from_millis(crate::limits::SWEEP_INTERVAL_MS / 10);
            _ = tokio::time::timeout(again, left).await;
        }
    }
}

impl<A: Kind> Resident<A> {
    /// The caller holds the entry, so that the actor cannot leave in between.
    fn send(&self, letter: Letter<A>) -> Sent<A> {
        match self.address.try_send(letter) {
            Ok(()) => {
                self.sent.fetch_add(1, Relaxed);
                Sent::Yes
            }
            Err(SendError::Full(letter)) => Sent::Full(letter),
            Err(SendError::Closed(letter)) => Sent::Nobody(letter),
        }
    }
}
