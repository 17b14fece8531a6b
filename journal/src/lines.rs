//! Which lines of appends have lost one. Whoever pipelines decides each append on the state after the one before it: when
//! one fails, the versions of those behind it may still fit, if somebody else wrote in between, but what they say does
//! not. It must never let such an append through.

use std::collections::{HashSet, VecDeque};

use domain::StreamId;

use crate::limits::BROKEN_LINES_MAX;
use crate::memory::check_expected;
use crate::{Error, Expected, Result};

/// The lines that are cut, the latest ones.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    cut: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Lines {
    /// Whether a stream at version `actual` is as expected, by an append whose line is whole.
    pub(crate) fn check(&self, stream: &StreamId, expected: Expected, actual: u64) -> Result<()> {
        match expected {
            Expected::InLine { line, .. } if self.cut.contains(&line) => Err(Error::Conflict {
                stream: stream.clone(),
                expected,
                actual,
            }),
            _ => check_expected(stream, expected, actual),
        }
    }

    /// An append that expected this has failed: so will all that follow in its line.
    pub(crate) fn cut(&mut self, expected: Expected) {
        let Expected::InLine { line, .. } = expected else {
            return;
        };
        if !self.cut.insert(line) {
            return;
        }
        self.order.push_back(line);
        if self.order.len() > BROKEN_LINES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.cut.remove(&oldest);
        }
    }
}
