//! Given, when, then for the room.
