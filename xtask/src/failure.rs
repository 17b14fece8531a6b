//! What can go wrong in a chore. Every text says what to do next.

use std::fmt;
use std::io;

/// Why a chore could not be done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense; the text says which does.
    Usage(String),
    /// A program that has to be there is not; the text says how to get it.
    Missing(String),
    /// A command ended badly; the line repeats it.
    Command { line: String, outcome: String },
    /// The operating system refused something.
    Io { what: String, source: io::Error },
}

impl Failure {
    /// The operating system refused `what`.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Missing(text) => f.write_str(text),
            Self::Command { line, outcome } => write!(f, "{outcome}\n  repeat it with: {line}"),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}
