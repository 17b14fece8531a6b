//! Dense numbers for user ids, so that views are arrays and bitmaps instead of maps of text.
//!
//! A number is given when an id is first seen and never changes or goes away: the table only grows. All views of one
//! store share it. It must never decide anything: it is only a dictionary, and any one-to-one table is as good.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::{Error, Result};

/// The dense number of a user (a room has its streamer's).
pub type Number = u32;

/// Stands where a fact has no such user.
pub const NOBODY: Number = Number::MAX;

/// Name of the keyspace that holds the table.
pub(crate) const SPACE: &str = "names";

/// The table of user ids and their numbers.
#[derive(Debug, Default, Clone)]
pub struct Names {
    numbers: HashMap<CompactString, Number, foldhash::fast::RandomState>,
    texts: Vec<CompactString>,
    stored: usize,
}

impl Names {
    /// The number of an id, if it was ever seen.
    pub fn number(&self, id: &str) -> Option<Number> {
        self.numbers.get(id).copied()
    }

    /// The id of a number that this table has given.
    pub fn text(&self, number: Number) -> &str {
        self.texts.get(number as usize).map_or("", CompactString::as_str)
    }

    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The number of an id, given now if it is new.
    pub(crate) fn intern(&mut self, id: &str) -> Number {
        if let Some(&number) = self.numbers.get(id) {
            return number;
        }
        let number = Number::try_from(self.texts.len()).unwrap_or(NOBODY);
        assert!(number < NOBODY - 1, "more users than numbers");
        let text = CompactString::new(id);
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    /// The ids that were given a number since there were `count`.
    pub(crate) fn since(&self, count: usize) -> &[CompactString] {
        &self.texts[count.min(self.texts.len())..]
    }

    /// Takes one stored entry; they come in the order of their keys.
    pub(crate) fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let damaged = |what: &str| Error::Damaged {
            view: SPACE.into(),
            what: what.into(),
        };
        let number = key
            .try_into()
            .map(Number::from_be_bytes)
            .map_err(|_| damaged("a key is not a number"))?;
        let text = std::str::from_utf8(value).map_err(|_| damaged("an id is not text"))?;
        if number as usize != self.texts.len() {
            return Err(damaged("a number is missing"));
        }
        if self.intern(text) != number {
            return Err(damaged("an id has two numbers"));
        }
        self.stored = self.texts.len();
        Ok(())
    }

    /// Hands out the entries that were not stored yet.
    pub(crate) fn flush(&mut self, mut put: impl FnMut(&[u8], &[u8])) {
        for (number, text) in self.texts.iter().enumerate().skip(self.stored) {
            put(&(number as Number).to_be_bytes(), text.as_bytes());
        }
        self.stored = self.texts.len();
    }
}
