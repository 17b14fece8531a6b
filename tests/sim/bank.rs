//! The payout provider as a plain list: it pays each id at most once whatever is asked, and often does not say so. Of some
//! ids it says one thing and then, once, the opposite. It outlives the process, and decides by random sources of its own.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

/// What became of a transfer, at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transfer {
    /// It will be decided later.
    Pending,
    /// The money is out; the provider's name for it.
    Paid(String),
    /// It is not and will not be.
    Refused,
}

/// What is heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is so.
    Says(Transfer),
    /// No such transfer: it never arrived.
    Never,
    /// No answer came in time, which says nothing.
    TimedOut,
}

/// One in so many ids is such that the bank thinks again of it, in a seed where it does.
const FICKLE_ONE_OF: u8 = 2;

/// See the module.
pub struct Bank {
    random: Rng,
    /// For what it thinks again of: the other ids must not notice.
    fickle_random: Rng,
    /// Whether it thinks again of anything.
    fickle: bool,
    /// Ids of which it will say the opposite of what it said.
    wavering: BTreeSet<String>,
    /// Ids of which it has.
    pub turned: BTreeSet<String>,
    /// Ids of which somebody noticed.
    pub contradicted: BTreeSet<String>,
    transfers: BTreeMap<String, (Transfer, u64)>,
    /// How often money went out, by id.
    pub paid: BTreeMap<String, u32>,
    /// Answers that did not come in time.
    pub silent: bool,
}

impl Bank {
    /// A bank of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed ^ 0xba_4b),
            fickle_random: Rng::with_seed(seed ^ 0xf1_c4),
            fickle: seed.is_multiple_of(2),
            wavering: BTreeSet::new(),
            turned: BTreeSet::new(),
            contradicted: BTreeSet::new(),
            transfers: BTreeMap::new(),
            paid: BTreeMap::new(),
            silent: true,
        }
    }

    /// Asks it to pay so much under an id; the same id again is the same transfer.
    pub fn pay(&mut self, id: &str, amount: u64) -> Word {
        let lost = self.silent && self.random.u8(0..5) == 0;
        if lost {
            return Word::TimedOut;
        }
        if !self.transfers.contains_key(id) {
            let outcome = match self.random.u8(0..6) {
                0 => Transfer::Refused,
                1 => Transfer::Pending,
                _ => self.out(id),
            };
            self.transfers.insert(id.to_owned(), (outcome, amount));
            if self.fickle && self.fickle_random.u8(0..FICKLE_ONE_OF) == 0 {
                self.wavering.insert(id.to_owned());
            }
        }
        let known = &self.transfers[id];
        assert_eq!(known.1, amount, "another amount under the id {id}");
        self.word(id)
    }

    /// Asks it what became of an id.
    pub fn ask(&mut self, id: &str) -> Word {
        match self.transfers.get(id).map(|(transfer, _)| transfer.clone()) {
            None if self.silent && self.random.u8(0..4) == 0 => return Word::TimedOut,
            None => return Word::Never,
            Some(Transfer::Pending) if !self.silent || self.random.u8(0..3) == 0 => {
                let outcome = if self.random.bool() {
                    self.out(id)
                } else {
                    Transfer::Refused
                };
                if let Some((transfer, _)) = self.transfers.get_mut(id) {
                    *transfer = outcome;
                }
            }
            Some(_) => {}
        }
        self.word(id)
    }

    /// What it says now of an id that it knows, if the answer arrives.
    fn word(&mut self, id: &str) -> Word {
        if self.silent && self.random.u8(0..4) == 0 {
            return Word::TimedOut;
        }
        let said = self.transfers[id].0.clone();
        if said != Transfer::Pending && self.wavering.remove(id) {
            self.think_again(id);
        }
        Word::Says(said)
    }

    /// What it refused it pays after all, and what it paid it takes back; it has said what it thought before.
    fn think_again(&mut self, id: &str) {
        let outcome = if self.has_paid(id) {
            self.paid.remove(id);
            Transfer::Refused
        } else {
            self.out(id)
        };
        if let Some((transfer, _)) = self.transfers.get_mut(id) {
            *transfer = outcome;
        }
        self.turned.insert(id.to_owned());
    }

    fn out(&mut self, id: &str) -> Transfer {
        *self.paid.entry(id.to_owned()).or_default() += 1;
        Transfer::Paid(format!("t{}", self.paid.len()))
    }

    /// Whether it holds an id for paid.
    pub fn has_paid(&self, id: &str) -> bool {
        matches!(self.transfers.get(id), Some((Transfer::Paid(_), _)))
    }

    /// Whether it refused an id.
    pub fn has_refused(&self, id: &str) -> bool {
        matches!(self.transfers.get(id), Some((Transfer::Refused, _)))
    }
}
