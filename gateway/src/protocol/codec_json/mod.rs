//! JSON: objects separated by newlines, payloads embedded as they are. Reading and writing share nothing but the names
//! of the fields; neither ever looks into a payload.

mod read;
mod write;

pub(crate) use read::next_command;
pub(crate) use write::{write_push, write_reply};

#[cfg(test)]
mod tests;
