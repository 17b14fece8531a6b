//! Which rooms are live, as far as their streamers' actors have said.
//!
//! It is written by the streamers' shells, when the events are durable and when a shell is loaded, and forgotten when
//! a streamer's actor is stopped: a room that is not here is asked for, by loading its streamer. It is no view: nothing
//! is folded from the journal here.

use dashmap::DashMap;
use domain::{RoomId, SessionNumber};
use foldhash::fast::RandomState;

/// Room -> the session that runs in it; as many rooms as streamers are resident.
#[derive(Debug, Default)]
pub struct LiveDirectory(DashMap<RoomId, Option<SessionNumber>, RandomState>);

impl LiveDirectory {
    /// The running session, or that none runs; nothing when the streamer has to be asked.
    pub fn get(&self, room: &RoomId) -> Option<Option<SessionNumber>> {
        self.0.get(room).map(|entry| *entry)
    }

    pub(crate) fn set(&self, room: RoomId, session: Option<SessionNumber>) {
        self.0.insert(room, session);
    }

    /// The streamer's actor is stopped: whoever wants to know has to ask, which starts it.
    pub fn forget(&self, room: &RoomId) {
        self.0.remove(room);
    }
}
