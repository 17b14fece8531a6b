//! The payout provider as a plain list: it pays each id at most once whatever is asked, and often does not say so. It
//! outlives the process, and decides by a random source of its own.

use std::collections::BTreeMap;

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

/// See the module.
pub struct Bank {
    random: Rng,
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
        Word::Says(self.transfers[id].0.clone())
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
