//! The picture of a room that a newcomer gets: `room.info`, and the `data` of a subscription.
//!
//! It is made once for all who come at the same time: many come at once when a show begins, or when a server has been
//! away. It is never older than what is published live behind it, so that nothing falls between the two.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use dashmap::DashMap;
use domain::event::{ComboStep, Role};
use domain::{GiftId, RoomId, UserId};
use journal::Position;
use projections::Period;
use projections::limits::RECENT_CHATS_MAX;
use projections::views::{Board, RunningCombo, Settings};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::platform::Platform;
use crate::rpc::{Entry, Failure};

/// Viewers, likes and tickets in a picture are at most this old; anything else is as new as the views.
const FRESH_MS: i64 = 1_000;
/// Places of a board that a newcomer is shown.
pub const TOP_ENTRIES: usize = 10;
/// Rooms whose picture is kept; one more is made anew for everybody who asks.
const PICTURES_MAX: usize = 20_000;

/// The pictures of the rooms that were asked for lately.
#[derive(Debug, Default)]
pub struct Pictures {
    rooms: DashMap<RoomId, Arc<Mutex<Picture>>>,
    /// Pictures handed out, since the start.
    pub shown: AtomicU64,
    /// Pictures made for that.
    pub made: AtomicU64,
}

/// One room's; made by the first who asks while the others wait.
#[derive(Debug, Default)]
struct Picture {
    made_ms: i64,
    /// The newest that was shown in the room when it was made.
    newest: Option<Position>,
    json: Bytes,
    /// By offset, oldest first. Kept, so that only new ones have to be read from the journal.
    chats: VecDeque<(u64, Box<RawValue>)>,
}

/// What everybody sees.
#[derive(Serialize)]
struct Info<'a> {
    room: &'a RoomId,
    position: u64,
    live: Option<Live>,
    viewers: u32,
    likes: u64,
    tickets: u64,
    recent: Vec<&'a RawValue>,
    combos: Vec<Combo>,
    top: Vec<Entry>,
    pinned: Option<String>,
    slow_mode: u32,
    followers_only: bool,
    moderators: Vec<UserId>,
}

#[derive(Serialize)]
struct Live {
    session: u32,
    title: String,
    since: i64,
}

/// A combo that runs.
#[derive(Serialize)]
struct Combo {
    user: UserId,
    gift: GiftId,
    combo: ComboStep,
}

/// What only the newcomer sees.
#[derive(Serialize)]
struct You {
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    muted_until: Option<i64>,
    following: bool,
}

/// What the views say of a room at one moment.
struct Seen {
    position: u64,
    newest: Option<Position>,
    live: Option<Live>,
    likes: u64,
    tickets: u64,
    chats: Vec<Position>,
    combos: Vec<RunningCombo>,
    top: Vec<Entry>,
    settings: Settings,
}

impl Pictures {
    /// `room.info`: one JSON object.
    pub async fn of(&self, platform: &Platform, room: &RoomId) -> Result<Bytes, Failure> {
        self.shown.fetch_add(1, Relaxed);
        let kept = self.rooms.get(room).map(|kept| kept.clone());
        let kept = kept.unwrap_or_else(|| self.place(room));
        let mut picture = kept.lock().await;
        let newest = platform.views().room_newest(room, 1).pop();
        let age_ms = platform.now_ms() - picture.made_ms;
        let fresh = (0..FRESH_MS).contains(&age_ms) && !picture.json.is_empty();
        if !fresh || picture.newest != newest {
            self.made.fetch_add(1, Relaxed);
            picture.make(platform, room).await?;
        }
        Ok(picture.json.clone())
    }

    /// The same with what concerns one user in `you`; the room itself says how that user stands in it.
    pub async fn for_user(
        &self,
        platform: &Platform,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Bytes, Failure> {
        let standing = platform.actors.enter(room, user).await?;
        let shared = self.of(platform, room).await?;
        let you = You {
            role: standing.role,
            muted_until: standing.muted_until_ms,
            following: platform.views().follows(user, &room.streamer()),
        };
        let open = shared.strip_suffix(b"}").unwrap_or(&shared);
        let mut json = Vec::with_capacity(shared.len() + 96);
        json.extend_from_slice(open);
        json.extend_from_slice(b",\"you\":");
        serde_json::to_writer(&mut json, &you).expect("it is plain data");
        json.push(b'}');
        Ok(json.into())
    }

    fn place(&self, room: &RoomId) -> Arc<Mutex<Picture>> {
        if self.rooms.len() >= PICTURES_MAX {
            return Arc::default();
        }
        self.rooms.entry(room.clone()).or_default().clone()
    }

    /// Forgets the pictures that nobody asked for lately.
    pub fn sweep(&self, now_ms: i64) {
        self.rooms.retain(|_, picture| {
            // One that is being made stays.
            let Ok(picture) = picture.try_lock() else {
                return true;
            };
            now_ms - picture.made_ms < FRESH_MS * 10
        });
    }
}

impl Picture {
    async fn make(&mut self, platform: &Platform, room: &RoomId) -> Result<(), Failure> {
        let now_ms = platform.now_ms();
        let seen = Seen::of(platform, room)?;
        self.read_chats(platform, &seen.chats).await?;
        let combo = |running: RunningCombo| Combo {
            user: running.user,
            gift: running.gift,
            combo: running.combo,
        };
        let info = Info {
            room,
            position: seen.position,
            live: seen.live,
            viewers: platform.audience.viewers(room),
            likes: seen.likes,
            tickets: seen.tickets,
            recent: self.chats.iter().map(|(_, chat)| &**chat).collect(),
            combos: seen.combos.into_iter().map(combo).collect(),
            top: seen.top,
            pinned: seen.settings.pinned,
            slow_mode: seen.settings.slow_mode_seconds,
            followers_only: seen.settings.followers_only,
            moderators: seen.settings.moderators.into_iter().collect(),
        };
        let json = serde_json::to_vec(&info).expect("a picture is plain data");
        (self.made_ms, self.newest, self.json) = (now_ms, seen.newest, json.into());
        Ok(())
    }

    /// Brings the chats up to these positions, which ascend.
    async fn read_chats(&mut self, platform: &Platform, wanted: &[Position]) -> Result<(), Failure> {
        let known = self.chats.back().map_or(0, |(offset, _)| *offset);
        let new = wanted.partition_point(|position| position.sequence <= known);
        for publication in platform.feed.read(&wanted[new..]).await? {
            let chat = serde_json::from_slice(&publication.data).map_err(|error| {
                tracing::error!("a publication is not JSON: {error}");
                Failure::Internal
            })?;
            self.chats.push_back((publication.offset.unwrap_or(known), chat));
        }
        let too_many = self.chats.len().saturating_sub(RECENT_CHATS_MAX);
        self.chats.drain(..too_many);
        Ok(())
    }
}

impl Seen {
    fn of(platform: &Platform, room: &RoomId) -> Result<Self, Failure> {
        // Read before the views: they are at least there.
        let position = platform.views_position();
        let views = platform.views();
        let session = views.live(room);
        let now_ms = platform.now_ms();
        let today = Period::day(views.day_of(now_ms));
        let top = views.board_top(&Board::Room(room.clone()), today, 0, TOP_ENTRIES)?;
        Ok(Self {
            position,
            newest: views.room_newest(room, 1).pop(),
            likes: session.map_or(0, |s| s.likes),
            tickets: session.map_or(0, |s| s.tickets),
            live: session.map(|s| Live {
                session: s.session.0,
                title: s.title.clone(),
                since: s.since_ms,
            }),
            chats: views.recent_chats(room),
            combos: views.running_combos(room, now_ms)?,
            settings: views.room_settings(room).clone(),
            top: top.into_iter().map(Entry::from).collect(),
        })
    }
}
