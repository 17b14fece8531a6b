//! All views together, and what may be asked of them. Reads only: nothing here is ever asked in order to decide.

mod answer;
mod blocks;
mod board;
mod combos;
mod conversations;
mod edges;
mod feed;
mod followers;
mod gift_stats;
mod live_rooms;
mod order;
mod orders;
mod recent_chats;
mod settings;
mod standings;
mod withdrawals;

pub use crate::ledger::{Balance, Ledger, Sums};
pub use answer::{
    BadBoard, Board, LiveRoom, Page, Relation, RunningCombo, Standing, read_cursor, write_cursor,
};
pub use blocks::BlocksView;
pub(crate) use board::Kind;
pub use board::{BoardView, Phase};
pub use combos::RunningCombos;
pub use conversations::{Conversation, ConversationsView, Unread};
pub use feed::{RoomFeed, TooOld};
pub use followers::FollowersView;
pub use gift_stats::{GiftStats, GiftSums};
pub use live_rooms::{LiveRooms, LiveSession};
pub use orders::{OrderEntry, OrderState, OrdersView, UnmatchedPayment};
pub use recent_chats::RecentChats;
pub use settings::{RoomSettings, Settings};
pub use withdrawals::{Filed, Withdrawal, WithdrawalsView};

use std::cmp::Reverse;
use std::sync::Arc;

use compact_str::CompactString;
use domain::event::ComboStep;
use domain::limits::COMBO_IDLE_MS;
use domain::{GiftId, RoomId, UserId};
use journal::Position;

use crate::fact::{Place, Projection, place, position};
use crate::limits::PAGE_ENTRIES_MAX;
use crate::names::{Names, Number};
use crate::store::{Stored, ViewStore};
use crate::zone::Zone;
use crate::{BadCursor, Error, Result};

/// Names of all views, in the order in which they are folded.
pub const ALL: [&str; 13] = [
    Ledger::NAME,
    FollowersView::NAME,
    BlocksView::NAME,
    BoardView::NAME,
    RoomFeed::NAME,
    LiveRooms::NAME,
    RecentChats::NAME,
    RoomSettings::NAME,
    RunningCombos::NAME,
    OrdersView::NAME,
    GiftStats::NAME,
    WithdrawalsView::NAME,
    ConversationsView::NAME,
];

/// Every view at one point of the journal.
pub struct Views {
    pub(crate) names: Names,
    pub(crate) balances: Ledger,
    pub(crate) followers: FollowersView,
    pub(crate) blocks: BlocksView,
    pub(crate) boards: BoardView,
    pub(crate) room_feed: RoomFeed,
    pub(crate) live_rooms: LiveRooms,
    pub(crate) recent_chats: RecentChats,
    pub(crate) room_settings: RoomSettings,
    pub(crate) running_combos: RunningCombos,
    pub(crate) orders: OrdersView,
    pub(crate) gift_stats: GiftStats,
    pub(crate) withdrawals: WithdrawalsView,
    pub(crate) conversations: ConversationsView,
    pub(crate) store: Arc<dyn ViewStore>,
    /// Where each view is kept, in the order of [`ALL`].
    pub(crate) spaces: [String; ALL.len()],
}

impl Views {
    pub(crate) fn new(store: Arc<dyn ViewStore>, zone: Zone) -> Self {
        Self {
            names: Names::default(),
            balances: Ledger::default(),
            followers: FollowersView::default(),
            blocks: BlocksView::default(),
            boards: BoardView::new(zone),
            room_feed: RoomFeed::default(),
            live_rooms: LiveRooms::default(),
            recent_chats: RecentChats::default(),
            room_settings: RoomSettings::default(),
            running_combos: RunningCombos::default(),
            orders: OrdersView::default(),
            gift_stats: GiftStats::default(),
            withdrawals: WithdrawalsView::default(),
            conversations: ConversationsView::default(),
            store,
            spaces: Default::default(),
        }
    }

    /// Puts the view at `at` (in the order of [`ALL`]) of other views in the place of ours.
    pub(crate) fn replace(&mut self, at: usize, other: Self) {
        match ALL[at] {
            Ledger::NAME => self.balances = other.balances,
            FollowersView::NAME => self.followers = other.followers,
            BlocksView::NAME => self.blocks = other.blocks,
            BoardView::NAME => self.boards = other.boards,
            RoomFeed::NAME => self.room_feed = other.room_feed,
            LiveRooms::NAME => self.live_rooms = other.live_rooms,
            RecentChats::NAME => self.recent_chats = other.recent_chats,
            RoomSettings::NAME => self.room_settings = other.room_settings,
            RunningCombos::NAME => self.running_combos = other.running_combos,
            OrdersView::NAME => self.orders = other.orders,
            WithdrawalsView::NAME => self.withdrawals = other.withdrawals,
            ConversationsView::NAME => self.conversations = other.conversations,
            _ => self.gift_stats = other.gift_stats,
        }
    }

    /// Every view, in the order of [`ALL`].
    pub(crate) fn all_mut(&mut self) -> [&mut dyn Projection; ALL.len()] {
        [
            &mut self.balances,
            &mut self.followers,
            &mut self.blocks,
            &mut self.boards,
            &mut self.room_feed,
            &mut self.live_rooms,
            &mut self.recent_chats,
            &mut self.room_settings,
            &mut self.running_combos,
            &mut self.orders,
            &mut self.gift_stats,
            &mut self.withdrawals,
            &mut self.conversations,
        ]
    }

    pub(crate) fn all(&self) -> [&dyn Projection; ALL.len()] {
        [
            &self.balances,
            &self.followers,
            &self.blocks,
            &self.boards,
            &self.room_feed,
            &self.live_rooms,
            &self.recent_chats,
            &self.room_settings,
            &self.running_combos,
            &self.orders,
            &self.gift_stats,
            &self.withdrawals,
            &self.conversations,
        ]
    }

    fn stored(&self, view: &str) -> Stored<'_> {
        let at = ALL.iter().position(|name| *name == view).unwrap_or(0);
        Stored {
            store: &*self.store,
            space: &self.spaces[at],
        }
    }

    fn number(&self, id: &str) -> Option<Number> {
        self.names.number(id)
    }

    pub(crate) fn user(&self, number: Number) -> Result<UserId> {
        let id = UserId::try_from(CompactString::new(self.names.text(number)));
        id.map_err(|e| Error::Damaged {
            view: "names".into(),
            what: e.to_string(),
        })
    }

    /// What a user has. One who was never seen has nothing.
    pub fn balance(&self, user: &UserId) -> Balance {
        self.number(user.as_str())
            .map(|n| self.balances.get(n))
            .unwrap_or_default()
    }

    /// The whole ledger: every account, the sums over all of them, and whether they add up.
    pub fn balances(&self) -> &Ledger {
        &self.balances
    }

    /// How many follow a streamer.
    pub fn follower_count(&self, streamer: &UserId) -> u64 {
        self.number(streamer.as_str())
            .map_or(0, |n| self.followers.count(n))
    }

    /// Whether one follows the other.
    pub fn follows(&self, follower: &UserId, streamer: &UserId) -> bool {
        let edge = self.number(follower.as_str()).zip(self.number(streamer.as_str()));
        edge.is_some_and(|(follower, streamer)| self.followers.follows(follower, streamer))
    }

    /// Whether one blocks the other.
    pub fn blocks(&self, who: &UserId, whom: &UserId) -> bool {
        let edge = self.number(who.as_str()).zip(self.number(whom.as_str()));
        edge.is_some_and(|(who, whom)| self.blocks.blocks(who, whom))
    }

    /// How many a user blocks.
    pub fn blocked_count(&self, who: &UserId) -> u64 {
        self.number(who.as_str()).map_or(0, |n| self.blocks.count(n))
    }

    /// Who follows a streamer, latest first. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn followers(
        &self,
        streamer: &UserId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<Relation>, BadCursor>> {
        let stored = self.stored(FollowersView::NAME);
        self.relations(streamer, cursor, limit, |streamer, behind, limit| {
            FollowersView::followers(streamer, behind, limit, &stored)
        })
    }

    /// Whom a user follows, latest first. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn following(
        &self,
        follower: &UserId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<Relation>, BadCursor>> {
        let stored = self.stored(FollowersView::NAME);
        self.relations(follower, cursor, limit, |follower, behind, limit| {
            FollowersView::following(follower, behind, limit, &stored)
        })
    }

    /// Whom a user blocks, latest first. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn blocked(
        &self,
        who: &UserId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<Relation>, BadCursor>> {
        let stored = self.stored(BlocksView::NAME);
        self.relations(who, cursor, limit, |who, behind, limit| {
            BlocksView::page(who, behind, limit, &stored)
        })
    }

    /// A page of a list of people, of which `read` gives so many behind a place.
    fn relations(
        &self,
        whose: &UserId,
        cursor: Option<&str>,
        limit: usize,
        read: impl FnOnce(Number, Option<Place>, usize) -> Result<Vec<edges::Line>>,
    ) -> Result<std::result::Result<Page<Relation>, BadCursor>> {
        let Ok(behind) = cursor.map(read_cursor::<1>).transpose() else {
            return Ok(Err(BadCursor));
        };
        let Some(whose) = self.number(whose.as_str()) else {
            return Ok(Ok(Page::empty()));
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let found = read(whose, behind.map(|[place]| place), limit + 1)?;
        let shown = &found[..found.len().min(limit)];
        let entries = shown.iter().map(|&(_, number, since_ms)| {
            let user = self.user(number)?;
            Ok(Relation { user, since_ms })
        });
        let more = found.len() > limit;
        let cursor = shown
            .last()
            .filter(|_| more)
            .map(|(place, ..)| write_cursor([*place]));
        Ok(Ok(Page {
            entries: entries.collect::<Result<_>>()?,
            cursor,
        }))
    }

    /// The rooms that a user follows and that are live, latest begun first.
    pub fn following_live(&self, follower: &UserId) -> Result<Vec<LiveRoom>> {
        let Some(follower) = self.number(follower.as_str()) else {
            return Ok(Vec::new());
        };
        let followed = self
            .live_rooms
            .rooms()
            .filter(|(room, _)| self.followers.follows(follower, *room));
        let mut rooms: Vec<_> = followed.collect();
        rooms.sort_unstable_by_key(|(_, session)| Reverse(session.began));
        rooms
            .into_iter()
            .map(|(room, session)| self.live_room(room, session))
            .collect()
    }

    fn live_room(&self, room: Number, session: &LiveSession) -> Result<LiveRoom> {
        Ok(LiveRoom {
            room: RoomId::of(&self.user(room)?),
            session: session.clone(),
        })
    }

    /// The running session of a room, if it is live.
    pub fn live(&self, room: &RoomId) -> Option<&LiveSession> {
        self.live_rooms.get(self.number(room.as_str())?)
    }

    /// How many rooms are live.
    pub fn live_count(&self) -> usize {
        self.live_rooms.len()
    }

    /// The rooms that are live, latest begun first. Whoever pages sees each room that was live when it began, and still
    /// is, exactly once. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn newest_live(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<LiveRoom>, BadCursor>> {
        let Ok(behind) = cursor.map(read_cursor::<1>).transpose() else {
            return Ok(Err(BadCursor));
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let mut found = self.live_rooms.newest(behind.map(|[began]| began));
        let shown: Vec<_> = found.by_ref().take(limit).collect();
        let more = found.next().is_some();
        let last = shown.last().filter(|_| more);
        let cursor = last.map(|(_, session)| write_cursor([session.began]));
        let entries = shown.iter().map(|(room, session)| self.live_room(*room, session));
        Ok(Ok(Page {
            entries: entries.collect::<Result<_>>()?,
            cursor,
        }))
    }

    /// Every room that is live, latest begun first.
    pub fn live_rooms(&self) -> impl Iterator<Item = Result<LiveRoom>> {
        self.live_rooms
            .newest(None)
            .map(|(room, session)| self.live_room(room, session))
    }

    /// Positions of what was shown in a room after a position, oldest first, at most `limit`.
    pub fn room_after(
        &self,
        room: &RoomId,
        after: Position,
        limit: usize,
    ) -> std::result::Result<Vec<Position>, TooOld> {
        let Some(room) = self.number(room.as_str()) else {
            return Ok(Vec::new());
        };
        let places = self.room_feed.after(room, place(after), limit)?;
        Ok(places.into_iter().map(position).collect())
    }

    /// Positions of the newest records shown in a room, oldest first, at most `limit`.
    pub fn room_newest(&self, room: &RoomId, limit: usize) -> Vec<Position> {
        let Some(room) = self.number(room.as_str()) else {
            return Vec::new();
        };
        self.room_feed
            .newest(room, limit)
            .into_iter()
            .map(position)
            .collect()
    }

    /// Positions of the newest chats in a room, oldest first, at most [`crate::limits::RECENT_CHATS_MAX`].
    pub fn recent_chats(&self, room: &RoomId) -> Vec<Position> {
        let room = self.number(room.as_str());
        room.map_or_else(Vec::new, |room| {
            self.recent_chats.of(room).map(position).collect()
        })
    }

    /// What the streamer and the moderators of a room have ordered and what still holds.
    pub fn room_settings(&self, room: &RoomId) -> &Settings {
        self.number(room.as_str())
            .map_or(RoomSettings::nothing(), |room| self.room_settings.of(room))
    }

    /// The combos that run in a room at a moment (unix ms), by their senders.
    pub fn running_combos(&self, room: &RoomId, now_ms: i64) -> Result<Vec<RunningCombo>> {
        let Some(room) = self.number(room.as_str()) else {
            return Ok(Vec::new());
        };
        let running = self.running_combos.since(room, now_ms - COMBO_IDLE_MS);
        let told = running.map(|((sender, id), combo)| {
            Ok(RunningCombo {
                user: self.user(*sender)?,
                gift: combo.gift.clone(),
                combo: ComboStep {
                    id: id.clone(),
                    total: combo.total,
                },
            })
        });
        told.collect()
    }

    /// What each gift has come to in a room, or on the whole platform without one: by coins, most first, at most `limit`.
    pub fn gift_stats(&self, room: Option<&RoomId>, limit: usize) -> Vec<(GiftId, GiftSums)> {
        let number = match room {
            Some(room) => match self.number(room.as_str()) {
                Some(number) => Some(number),
                None => return Vec::new(),
            },
            None => None,
        };
        let mut gifts: Vec<_> = self.gift_stats.of(number).collect();
        gifts.sort_unstable_by_key(|(gift, sums)| (Reverse(sums.coins), *gift));
        let told = gifts.into_iter().take(limit);
        told.map(|(gift, sums)| (gift.clone(), sums)).collect()
    }
}
