//! Whom the viewers that are resident block, and how one who is not is asked.
//!
//! The directory is written by the viewers' shells, when events are durable and when a shell is loaded, and forgotten when
//! a viewer's actor is stopped: who is not here is asked for, by loading that viewer. It is no view: nothing is folded
//! from the journal here. It must never go back: a change that was taken is not taken again, and what is older than that
//! which stands here does not replace it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use domain::viewer::{Blocks, Clearance};
use domain::{Event, Rejection, UserId};
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::Failure;
use crate::limits::BLOCK_QUESTIONS_WAITING_MAX;

/// Viewer -> whom they block; as many viewers as are resident, most of whom block nobody and take no room for it.
#[derive(Debug, Default)]
pub struct BlockDirectory(DashMap<UserId, Option<Box<Blocks>>, RandomState>);

impl BlockDirectory {
    /// What the blocks of `whose` say of `user`; nothing when `whose` has to be asked.
    pub fn get(&self, whose: &UserId, user: &UserId) -> Option<Clearance> {
        let nothing = Clearance {
            blocked: false,
            changes: 0,
        };
        let known = self.0.get(whose)?;
        Some(known.as_ref().map_or(nothing, |blocks| blocks.clearance(user)))
    }

    /// Whether `whose` is known here.
    pub fn knows(&self, whose: &UserId) -> bool {
        self.0.contains_key(whose)
    }

    /// The viewer's actor is stopped: whoever wants to know has to ask, which starts it.
    pub fn forget(&self, whose: &UserId) {
        self.0.remove(whose);
    }

    /// Takes the whole state of a viewer that was loaded.
    pub(crate) fn set(&self, whose: UserId, blocks: Option<Box<Blocks>>) {
        let changes = |blocks: &Option<Box<Blocks>>| blocks.as_ref().map_or(0, |blocks| blocks.changes());
        let mut known = self.0.entry(whose).or_default();
        if changes(&blocks) > changes(&known) {
            *known = blocks;
        }
    }

    /// Takes a change that is durable, if its viewer is here and it was not taken before. Besides the viewer's own shell,
    /// whoever reads the journal may say so: it may come to read before the shell is told.
    pub fn change(&self, whose: &UserId, event: &Event) {
        if let Some(mut known) = self.0.get_mut(whose) {
            known.get_or_insert_default().evolve(event);
        }
    }
}

/// What is done when a viewer's blocks are known, or when they cannot be.
type Then = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// Those who wait for a viewer to be asked. One question is under way of each, however many wait for it. It must never
/// hold a lock while it calls.
#[derive(Default)]
pub(crate) struct BlockQuestions {
    waiting: Mutex<HashMap<UserId, Vec<Then>, RandomState>>,
    count: AtomicUsize,
}

impl BlockQuestions {
    /// Waits for a viewer; says whether the viewer has to be asked now.
    pub(crate) fn wait(&self, whom: &UserId, then: Then) -> bool {
        if self.count.load(Ordering::Relaxed) >= BLOCK_QUESTIONS_WAITING_MAX {
            then(Err(Rejection::Busy.into()));
            return false;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        match self.waiting.lock().entry(whom.clone()) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(then);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(Vec::from([then]));
                true
            }
        }
    }

    /// The viewer has answered, or could not.
    pub(crate) fn told(&self, whom: &UserId, outcome: &Result<(), Failure>) {
        let waiting = self.waiting.lock().remove(whom).unwrap_or_default();
        self.count.fetch_sub(waiting.len(), Ordering::Relaxed);
        for then in waiting {
            then(outcome.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::event::{Blocked, Unblocked};

    use super::*;

    fn id(text: &str) -> UserId {
        text.parse().expect("a well-formed id")
    }

    fn blocked(user: &str, change: u64) -> Event {
        let user = id(user);
        Blocked { user, change }.into()
    }

    #[test]
    fn a_change_is_taken_once_whoever_tells_it_and_never_undone_by_an_older_state() {
        let (directory, kim, ann) = (BlockDirectory::default(), id("kim"), id("ann"));
        let says = |blocked, changes| Some(Clearance { blocked, changes });
        directory.change(&kim, &blocked("ann", 1));
        assert_eq!(directory.get(&kim, &ann), None, "who is not here has to be asked");
        directory.set(kim.clone(), None);
        assert_eq!(directory.get(&kim, &ann), says(false, 0));
        directory.change(&kim, &blocked("ann", 1));
        let unblocked = Unblocked {
            user: ann.clone(),
            change: 2,
        };
        directory.change(&kim, &unblocked.into());
        directory.change(&kim, &blocked("ann", 1));
        assert_eq!(directory.get(&kim, &ann), says(false, 2));
        directory.set(kim.clone(), None);
        assert_eq!(directory.get(&kim, &ann), says(false, 2));
        directory.forget(&kim);
        assert!(!directory.knows(&kim));
    }

    #[test]
    fn one_question_is_asked_for_all_who_wait_and_too_many_are_told_busy() {
        let questions = BlockQuestions::default();
        let told = std::sync::Arc::new(Mutex::new(Vec::new()));
        let wait = || {
            let told = told.clone();
            questions.wait(
                &id("kim"),
                Box::new(move |outcome| told.lock().push(outcome.is_ok())),
            )
        };
        assert!(wait());
        assert!((1..BLOCK_QUESTIONS_WAITING_MAX).all(|_| !wait()));
        assert!(told.lock().is_empty());
        assert!(!wait());
        assert_eq!(*told.lock(), [false]);
        questions.told(&id("kim"), &Ok(()));
        assert_eq!(told.lock().len(), BLOCK_QUESTIONS_WAITING_MAX + 1);
        assert!(wait(), "the next is asked again");
    }
}
