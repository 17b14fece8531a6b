//! Given, when, then over events.
