//! Words that may not be written in rooms: read from a file, looked for in every chat, read again when the file changes.
//!
//! A word is found wherever it stands, also within other words, whatever its case and width; what nobody sees between its
//! letters does not hide it. It decides nothing: a room is told whether a text holds one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aho_corasick::{AhoCorasick, MatchKind};
use anyhow::{Context, Result, bail};
use domain::text::is_unseen;
use parking_lot::RwLock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;
use unicode_normalization::UnicodeNormalization;

/// Between two looks at whether the file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Most words in the file; a longer list is not taken.
const WORDS_MAX: usize = 200_000;
/// Largest file; a larger one is not taken.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The words as they are now; cheap to clone.
#[derive(Clone, Default)]
pub struct Words(Arc<RwLock<Option<AhoCorasick>>>);

impl Words {
    /// No words, until a file is read.
    pub fn none() -> Self {
        Self::default()
    }

    /// The words of a text: one a line; empty lines and those that begin with `#` are not words.
    pub fn parse(text: &str) -> Result<Self> {
        let words = Self::none();
        words.set(text)?;
        Ok(words)
    }

    /// Whether a text holds one of the words.
    pub fn blocks(&self, text: &str) -> bool {
        // Taken out of the lock: nobody waits for a search.
        let words = self.0.read().clone();
        words.is_some_and(|words| words.is_match(&fold(text)))
    }

    fn set(&self, text: &str) -> Result<()> {
        let lines = text.lines().map(str::trim);
        let words: Vec<_> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(fold)
            .filter(|word| !word.is_empty())
            .collect();
        if words.len() > WORDS_MAX {
            bail!("{} words are too many: at most {WORDS_MAX}", words.len());
        }
        let automaton = match words.as_slice() {
            [] => None,
            words => Some(
                AhoCorasick::builder()
                    .match_kind(MatchKind::Standard)
                    .build(words)
                    .context("the words make no automaton")?,
            ),
        };
        *self.0.write() = automaton;
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<()> {
        let size = std::fs::metadata(path).map_or(0, |data| data.len());
        if size > FILE_BYTES_MAX {
            bail!("{} is too large: at most {FILE_BYTES_MAX} bytes", path.display());
        }
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        self.set(&text).with_context(|| path.display().to_string())
    }
}

/// The text as it is compared: compatibility forms (full and half width, ligatures) made one, in lower case, without what
/// nobody sees. It drops all that [`clean`](domain::text::clean) does, and first of all: so that a cleaned text and the raw
/// one are the same here.
fn fold(text: &str) -> String {
    let seen = text.chars().filter(|c| !is_unseen(*c));
    let folded = seen.nfkc().flat_map(char::to_lowercase);
    // Lower case may have decomposed something again.
    folded.nfkc().collect()
}

/// The file of the words.
pub struct WordsFile {
    path: PathBuf,
    words: Words,
    read: Option<(SystemTime, u64)>,
}

impl WordsFile {
    /// Reads the file; a server does not start with one that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = Self {
            path: path.to_owned(),
            words: Words::none(),
            read: None,
        };
        file.read = file.stamp();
        file.words.read(path).context("blocked_words")?;
        Ok(file)
    }

    /// The words in it.
    pub fn words(&self) -> Words {
        self.words.clone()
    }

    /// Tells one writing of the file from another.
    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let data = std::fs::metadata(&self.path).ok()?;
        Some((data.modified().ok()?, data.len()))
    }

    fn has_changed(&self) -> bool {
        self.stamp().is_some_and(|stamp| self.read != Some(stamp))
    }

    /// Reads the file again. One that cannot be read leaves the words as they were, and is in the log.
    fn read_again(&mut self) {
        self.read = self.stamp();
        match self.words.read(&self.path) {
            Ok(()) => tracing::info!(path = %self.path.display(), "the blocked words were read again"),
            Err(error) => tracing::error!("the blocked words stay as they were: {error:#}"),
        }
    }

    /// Reads the file again whenever it changes, and on SIGHUP, until the task is dropped.
    pub async fn follow(self) {
        if let Err(error) = self.watch().await {
            tracing::error!("the blocked words are followed no longer: {error:#}");
        }
    }

    async fn watch(mut self) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be watched")?;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                _ = looks.tick() => false,
            };
            // A long list takes its time: not on a thread that serves.
            let read = tokio::task::spawn_blocking(move || {
                if asked || self.has_changed() {
                    self.read_again();
                }
                self
            });
            self = read.await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_word_is_found_whatever_its_case_its_width_and_what_is_hidden_in_it() {
        let words = Words::parse("# none\n\nBadWord\n ｶﾀｶﾅ \n坏话\nstraße\n").unwrap();
        for text in [
            "badword",
            "a BADWORD!",
            "ｂａｄＷＯＲＤ",
            "bad\u{200B}wo\u{200D}rd",
            "xbadwordx",
            "カタカナ",
            "说坏话的人",
            "STRAẞE",
        ] {
            assert!(words.blocks(text), "{text}");
        }
        for text in ["bad word", "none", "#", "", "坏 话", "b a d w o r d"] {
            assert!(!words.blocks(text), "{text}");
        }
        assert!(!Words::none().blocks("badword"));
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_words_as_they_were() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("words.txt");
        assert!(WordsFile::open(&path).is_err());
        std::fs::write(&path, "one").unwrap();
        let mut file = WordsFile::open(&path).unwrap();
        let words = file.words();
        assert!(words.blocks("ONE") && !words.blocks("two"));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        file.read_again();
        assert!(words.blocks("one"));
        std::fs::write(&path, "two").unwrap();
        file.read_again();
        assert!(words.blocks("two") && !words.blocks("one"));
        std::fs::write(&path, "").unwrap();
        file.read_again();
        assert!(!words.blocks("two"));
    }

    fn unseen() -> impl Strategy<Value = char> {
        let all: Vec<char> = ('\0'..=char::MAX).filter(|c| is_unseen(*c)).collect();
        proptest::sample::select(all)
    }

    proptest! {
        /// What the room would say and what was sent are searched alike.
        #[test]
        fn whatever_is_blocked_when_it_is_cleaned_is_blocked_as_it_was_sent(
            hidden in proptest::collection::vec(unseen(), 1..7),
            around in ".{0,20}",
        ) {
            let words = Words::parse("bädword").unwrap();
            let word: String = "badword".chars().zip(hidden.iter().cycle()).flat_map(|(c, h)| [c, *h]).collect();
            let raw = format!("{around}{}", word.replacen('a', "a\u{308}", 1));
            let cleaned = domain::text::clean(&raw, 200).unwrap();
            prop_assert!(words.blocks(&cleaned), "{cleaned:?}");
            prop_assert!(words.blocks(&raw), "{raw:?}");
        }
    }
}
