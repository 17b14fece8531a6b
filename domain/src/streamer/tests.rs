//! Given, when, then for the streamer.
