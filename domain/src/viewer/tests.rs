//! Given, when, then for the viewer.
