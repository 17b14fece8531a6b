//! The integration tests, in one binary: they see everything, and nothing sees them.

mod events_doc;
mod protocol_doc;
mod tidy;
