//! What rooms and boards are told at a steady pace: how many are here, how many tickets, who leads.
//!
//! State, not history: only the newest counts, so nothing is told that did not change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::RoomId;
use gateway::{Class, Hub, Publication};
use serde::Serialize;

use crate::feed::{ChangedBoards, publish, room_channel};
use crate::platform::Platform;
use crate::rpc;

/// Between two `board` publications of one board.
const BOARDS_EVERY: Duration = Duration::from_millis(500);
/// Board ticks between two `counters` publications of one room.
const COUNTERS_EVERY_TICKS: u32 = 2;

#[derive(Serialize)]
struct Counters {
    r#type: &'static str,
    viewers: u32,
    tickets: u64,
}

/// Tells rooms and boards until the task is dropped.
pub async fn run(platform: Arc<Platform>, hub: Arc<Hub>, boards: ChangedBoards) {
    let mut ticks = tokio::time::interval(BOARDS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = HashMap::new();
    for tick in 0u32.. {
        ticks.tick().await;
        tell_boards(&platform, &hub, &boards);
        if tick.is_multiple_of(COUNTERS_EVERY_TICKS) {
            tell_counters(&platform, &hub, &mut told);
        }
    }
}

fn tell_boards(platform: &Platform, hub: &Hub, boards: &ChangedBoards) {
    for board in boards.take() {
        let channel = format!("board:{board}");
        if !hub.has_subscribers(&channel) {
            continue;
        }
        // A failure is in the log already; the next change tries again.
        if let Ok(json) = rpc::board_now(platform, &board) {
            publish(hub, &channel, Class::State, Publication::new(json));
        }
    }
}

/// Rooms with somebody in them, and what they were told last.
type Told = HashMap<RoomId, (u32, u64)>;

fn tell_counters(platform: &Platform, hub: &Hub, told: &mut Told) {
    let now = current(platform);
    for (room, &(viewers, tickets)) in &now {
        if told.get(room) == Some(&(viewers, tickets)) {
            continue;
        }
        let counters = Counters {
            r#type: "counters",
            viewers,
            tickets,
        };
        let json = serde_json::to_vec(&counters).expect("counters are plain data");
        publish(hub, &room_channel(room), Class::State, Publication::new(json));
    }
    *told = now;
}

fn current(platform: &Platform) -> Told {
    let crowds = platform.audience.all();
    let views = platform.views();
    let with_tickets = |(room, viewers)| {
        let tickets = views.live(&room).map_or(0, |session| session.tickets);
        (room, (viewers, tickets))
    };
    crowds.into_iter().map(with_tickets).collect()
}
