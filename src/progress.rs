//! Progress of long work: a bar with rate and time left on a terminal, plain lines otherwise; always on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two plain lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(2);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Records of the journal.
    Records,
    /// Bytes of files.
    Bytes,
}

/// The progress of one piece of work.
pub struct Progress {
    label: String,
    unit: Unit,
    total: u64,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Work of `total` units begins.
    pub fn new(label: impl Into<String>, unit: Unit, total: u64) -> Self {
        let label = label.into();
        let shown = if std::io::stderr().is_terminal() {
            let template = match unit {
                Unit::Records => "{msg} [{bar:30}] {human_pos}/{human_len} records, {per_sec}, {eta} left",
                Unit::Bytes => {
                    "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
                }
            };
            let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
            Shown::Bar(
                ProgressBar::new(total)
                    .with_style(style.progress_chars("=> "))
                    .with_message(label.clone()),
            )
        } else {
            Shown::Lines { last: Instant::now() }
        };
        Self {
            label,
            unit,
            total,
            started: Instant::now(),
            shown,
        }
    }

    /// So much is done, of so much.
    pub fn set(&mut self, done: u64, total: u64) {
        self.total = total;
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            Shown::Lines { last } if last.elapsed() >= PLAIN_LINE_EVERY => {
                *last = Instant::now();
                eprintln!(
                    "{}",
                    line(&self.label, self.unit, done, total, self.started.elapsed())
                );
            }
            Shown::Lines { .. } => {}
        }
    }

    /// The work is over; the bar goes.
    pub fn finish(self) {
        match self.shown {
            Shown::Bar(bar) => bar.finish_and_clear(),
            Shown::Lines { .. } => {
                eprintln!(
                    "{}",
                    line(
                        &self.label,
                        self.unit,
                        self.total,
                        self.total,
                        self.started.elapsed()
                    )
                );
            }
        }
    }
}

fn line(label: &str, unit: Unit, done: u64, total: u64, elapsed: Duration) -> String {
    let rate = u128::from(done) * 1_000 / elapsed.as_millis().max(1);
    let left_s = u128::from(total.saturating_sub(done))
        .checked_div(rate)
        .unwrap_or(0);
    let unit = match unit {
        Unit::Records => "records",
        Unit::Bytes => "bytes",
    };
    format!("{label}: {done} of {total} {unit}, {rate}/s, {left_s} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_tells_done_rate_and_time_left() {
        let text = line("rebuild", Unit::Records, 500, 2_000, Duration::from_secs(1));
        assert_eq!(text, "rebuild: 500 of 2000 records, 500/s, 3 s left");
        assert_eq!(
            line("x", Unit::Bytes, 0, 0, Duration::ZERO),
            "x: 0 of 0 bytes, 0/s, 0 s left"
        );
    }
}
