//! What rooms and boards are told at a steady pace: how many are here, how many tickets and likes, who came, who leads.
//!
//! Numbers are state, not history: only the newest counts. Who came and who taps is told by sample, and forgotten.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{RoomId, UserId};
use gateway::{Class, Hub, Publication};
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::audience::Sample;
use crate::big_gifts::BigGifts;
use crate::feed::{ChangedBoards, publish, room_channel};
use crate::hot;
use crate::platform::Platform;
use crate::rpc::{self, Watched};

/// Between two `hearts` of one room, and two looks for big gifts.
const HEARTS_EVERY: Duration = Duration::from_millis(200);
/// Between two `board` publications of one board, and two `entered` of one room.
const BOARDS_EVERY: Duration = Duration::from_millis(500);
/// Between two `counters` of one room, two rankings, and two times that likes are journalled.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);
/// Counters that have not changed are told again after so many times: a client that lost something hears of it with them.
const COUNTERS_AGAIN_AFTER: u32 = 10;

#[derive(Serialize)]
struct Counters {
    r#type: &'static str,
    #[serde(flatten)]
    numbers: Numbers,
}

/// What is counted in a room.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    viewers: u32,
    likes: u64,
    tickets: u64,
}

#[derive(Serialize)]
struct Entered {
    r#type: &'static str,
    #[serde(flatten)]
    sample: Sample,
}

#[derive(Serialize)]
struct Hearts {
    r#type: &'static str,
    count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<UserId>,
}

/// Tells rooms and boards until the task is dropped.
pub async fn run(platform: Arc<Platform>, hub: Arc<Hub>, boards: ChangedBoards, big_gifts: Arc<BigGifts>) {
    let [mut hearts, mut half_seconds, mut seconds] = [HEARTS_EVERY, BOARDS_EVERY, COUNTERS_EVERY].map(every);
    let mut told = Told::new();
    let mut boards_told = HashMap::new();
    loop {
        tokio::select! {
            _ = hearts.tick() => {
                tell_hearts(&platform, &hub);
                tell_big_gifts(&platform, &hub, &big_gifts);
            }
            _ = half_seconds.tick() => {
                tell_boards(&platform, &hub, &boards, &mut boards_told);
                tell_entered(&platform, &hub);
            }
            _ = seconds.tick() => {
                journal_likes(&platform);
                tell_counters(&platform, &hub, &mut told);
                rank(&platform);
                platform.likes.sweep(platform.now_ms());
                platform.pictures.sweep(platform.now_ms());
            }
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn tell_hearts(platform: &Platform, hub: &Hub) {
    for (room, hearts) in platform.likes.take_hearts() {
        let hearts = Hearts {
            r#type: "hearts",
            count: hearts.count,
            users: hearts.sample.users,
        };
        // A slow reader does without hearts before it does without names.
        tell_room(hub, &room, Class::Ephemeral, &hearts, Publication::first_to_go);
    }
}

/// Every other live room hears of a big gift; the room itself has seen it.
fn tell_big_gifts(platform: &Platform, hub: &Hub, big_gifts: &BigGifts) {
    let told = big_gifts.take();
    if told.is_empty() {
        return;
    }
    let rooms: Vec<RoomId> = platform
        .views()
        .live_rooms()
        .filter_map(|live| live.ok().map(|live| live.room))
        .filter(|room| hub.has_subscribers(&room_channel(room)))
        .collect();
    for big in &told {
        let publication = Publication::new(big.json());
        for room in rooms.iter().filter(|room| **room != big.room) {
            publish(hub, &room_channel(room), Class::Ephemeral, publication.clone());
        }
    }
}

fn tell_entered(platform: &Platform, hub: &Hub) {
    for (room, sample) in platform.audience.take_entered(platform.now_ms()) {
        let entered = Entered {
            r#type: "entered",
            sample,
        };
        tell_room(hub, &room, Class::Ephemeral, &entered, std::convert::identity);
    }
}

/// What those who watch a board were told last.
type BoardsTold = HashMap<Watched, rpc::Told>;

/// Tells the boards that somebody watches and of which the first places, or the period, changed.
fn tell_boards(platform: &Platform, hub: &Hub, boards: &ChangedBoards, told: &mut BoardsTold) {
    told.retain(|watched, _| hub.has_subscribers(&board_channel(watched)));
    // When a period begins nobody stands on its boards, and no record says so.
    let turned = told.iter().filter(|(watched, told)| {
        rpc::board_period_now(platform, watched).is_some_and(|now| told.is_not_of(&now))
    });
    let mut due: HashSet<Watched> = turned.map(|(watched, _)| watched.clone()).collect();
    due.extend(platform.watched.take());
    for board in boards.take() {
        due.extend(Watched::all(&board).filter(|watched| hub.has_subscribers(&board_channel(watched))));
    }
    for watched in due {
        // A failure is in the log already; the next change tries again.
        let Ok((json, now)) = rpc::board_now(platform, &watched) else {
            continue;
        };
        if told.get(&watched) != Some(&now) {
            publish(
                hub,
                &board_channel(&watched),
                Class::State,
                Publication::new(json),
            );
            told.insert(watched, now);
        }
    }
}

fn board_channel(watched: &Watched) -> String {
    format!("board:{watched}")
}

fn tell_room(
    hub: &Hub,
    room: &RoomId,
    class: Class,
    what: &impl Serialize,
    travelling: fn(Publication) -> Publication,
) {
    let channel = room_channel(room);
    if hub.has_subscribers(&channel) {
        let json = serde_json::to_vec(what).expect("publications are plain data");
        publish(hub, &channel, class, travelling(Publication::new(json)));
    }
}

/// They go to the journal while the pulse goes on; rooms of which some are still on their way are left for the next time.
fn journal_likes(platform: &Arc<Platform>) {
    let platform = platform.clone();
    tokio::spawn(async move { platform.likes.journal_in_turn(&platform.actors).await });
}

/// Rooms with somebody in them, what they were told last, and how often since it did not change.
type Told = HashMap<RoomId, (Numbers, u32)>;

fn tell_counters(platform: &Platform, hub: &Hub, told: &mut Told) {
    let mut now = current(platform);
    for (room, (numbers, unchanged)) in &mut now {
        if let Some((before, times)) = told.get(room)
            && before == numbers
            && *times + 1 < COUNTERS_AGAIN_AFTER
        {
            *unchanged = times + 1;
            continue;
        }
        let counters = Counters {
            r#type: "counters",
            numbers: *numbers,
        };
        tell_room(hub, room, Class::State, &counters, Publication::telling_losses);
    }
    *told = now;
}

fn current(platform: &Platform) -> Told {
    let crowds = platform.audience.all();
    let views = platform.views();
    let numbers = |(room, viewers)| {
        let live = views.live(&room);
        let (likes, tickets) = live.map_or((0, 0), |session| (session.likes, session.tickets));
        let numbers = Numbers {
            viewers,
            likes,
            tickets,
        };
        (room, (numbers, 0))
    };
    crowds.into_iter().map(numbers).collect()
}

fn rank(platform: &Platform) {
    let now_ms = platform.now_ms();
    let rooms = hot::survey(&platform.views(), &platform.audience, now_ms);
    match rooms {
        Ok(rooms) => platform.hot.rank(rooms, now_ms),
        Err(error) => tracing::error!("the live rooms cannot be ranked: {error}"),
    }
}
