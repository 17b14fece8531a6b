//! What the streamer and the moderators of each room have ordered and what still holds: the pinned text, slow mode,
//! followers-only, who the moderators are. For showing only: what is allowed is decided by the room itself.

use std::collections::{BTreeSet, HashMap};

use domain::{Event, UserId};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::fact::{Fact, Projection, damaged};
use crate::names::{Names, Number};
use crate::store::{Put, Stored};

/// What holds in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The pinned text.
    pub pinned: Option<String>,
    /// A viewer writes at most once in so many seconds; 0 = slow mode is off.
    pub slow_mode_seconds: u32,
    /// Only who follows the streamer may write.
    pub followers_only: bool,
    /// Whom the streamer has appointed.
    pub moderators: BTreeSet<UserId>,
}

/// A room in which nothing was ordered.
static NOTHING: Settings = Settings {
    pinned: None,
    slow_mode_seconds: 0,
    followers_only: false,
    moderators: BTreeSet::new(),
};

/// The view `room_settings`.
#[derive(Debug, Default)]
pub struct RoomSettings {
    /// Only rooms in which anything holds.
    rooms: HashMap<Number, Settings, foldhash::fast::RandomState>,
    /// May name a room twice, or one in which nothing holds any more.
    unstored: Vec<Number>,
}

impl RoomSettings {
    /// Its name.
    pub const NAME: &'static str = "room_settings";

    /// What holds in a room.
    pub fn of(&self, room: Number) -> &Settings {
        self.rooms.get(&room).unwrap_or(&NOTHING)
    }

    /// What holds where nothing was ordered.
    pub(crate) fn nothing() -> &'static Settings {
        &NOTHING
    }

    fn change(&mut self, room: Number, change: impl FnOnce(&mut Settings)) {
        let settings = self.rooms.entry(room).or_default();
        change(settings);
        if *settings == NOTHING {
            self.rooms.remove(&room);
        }
        self.unstored.push(room);
    }
}

impl Projection for RoomSettings {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        let room = fact.whom;
        match fact.event {
            Event::Pinned(e) => self.change(room, |now| now.pinned = Some(e.text.clone())),
            Event::Unpinned(_) => self.change(room, |now| now.pinned = None),
            Event::SlowModeSet(e) => self.change(room, |now| now.slow_mode_seconds = e.seconds),
            Event::FollowersOnlySet(e) => self.change(room, |now| now.followers_only = e.on),
            Event::ModeratorAdded(e) => self.change(room, |now| _ = now.moderators.insert(e.user.clone())),
            Event::ModeratorRemoved(e) => self.change(room, |now| _ = now.moderators.remove(&e.user)),
            _ => {}
        }
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let bad = || damaged(Self::NAME, "an entry cannot be read");
        let room = key.try_into().map(Number::from_be_bytes).map_err(|_| bad())?;
        let settings = postcard::from_bytes(value).map_err(|_| bad())?;
        self.rooms.insert(room, settings);
        Ok(())
    }

    fn flush(&mut self, _: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        self.unstored.sort_unstable();
        self.unstored.dedup();
        for room in self.unstored.drain(..) {
            let key = room.to_be_bytes();
            let Some(settings) = self.rooms.get(&room) else {
                out.remove(&key);
                continue;
            };
            let value = postcard::to_allocvec(settings);
            out.set(
                &key,
                &value.map_err(|_| damaged(Self::NAME, "settings cannot be written"))?,
            );
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        match key.try_into().map(Number::from_be_bytes) {
            Ok(room) => format!("what holds in room {}", names.text(room)),
            Err(_) => format!("key {key:02x?}"),
        }
    }
}
