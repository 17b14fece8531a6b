//! What a viewer does: watch, chat, give, tap hearts, follow, come and go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::crowd::person::{No, Person, command_id, number};
use crate::crowd::scene::Action;
use crate::crowd::stage::{Phase, Stage};
use crate::crowd::{RpcError, cast};

const ARRIVAL_SPREAD: Duration = Duration::from_secs(2);
/// Between two taps of one combo.
const TAP_EVERY: Duration = Duration::from_millis(150);
const AWAY: Duration = Duration::from_secs(3);

/// The nth viewer's evening.
pub(super) async fn viewer(stage: Arc<Stage>, n: usize) {
    let rooms = stage.plan.script.rooms;
    // Every room has one viewer at least: its moderator.
    let room = cast::streamer(if n < rooms { n } else { cast::popular(rooms) });
    let mut me = Person::new(stage.clone(), rooms + n, cast::viewer(n), room, true);
    me.sleep(ARRIVAL_SPREAD.mul_f64(fastrand::f64())).await;
    me.open_purse().await;
    let pace = Duration::from_secs(60) / stage.plan.script.actions_per_minute.max(1);
    while me.pause(pace).await {
        // Without a connection the room is not left: it is found again before the next deed.
        if me.client().await.is_none() {
            break;
        }
        act(&mut me, stage.plan.script.habits.choose()).await;
    }
    me.until(Phase::LastRound).await;
    me.check_purse().await;
    stage.viewers_done.fetch_add(1, Ordering::Relaxed);
    me.until(Phase::Closed).await;
}

async fn act(me: &mut Person, action: Action) {
    match action {
        // A refusal is counted where it arrives.
        Action::Chat => _ = me.chat(cast::line()).await,
        Action::Gift => give(me).await,
        Action::Combo => combo(me).await,
        Action::Hearts => {
            let data = json!({ "room": me.room, "count": fastrand::u32(1..12) });
            _ = me.command("like.send", data).await;
        }
        Action::Follow => {
            let data = json!({ "streamer": me.room });
            _ = me.command("follow.add", data).await;
        }
        Action::Stroll => me.stroll(AWAY).await,
    }
}

/// As many gifts as the scene has under way at once; each is repeated until it is answered.
pub(super) async fn give(me: &mut Person) {
    let Some(client) = me.client().await else { return };
    let Ok(gifts) = me.stage.gifts(&client).await else {
        return;
    };
    let gift = gifts[cast::some_gift(gifts.len())].clone();
    let at_once = me.stage.plan.script.gifts_at_once.max(1);
    if !me.afford(gift.coins * at_once as u64).await {
        return;
    }
    let commands: Vec<_> = (0..at_once)
        .map(|_| json!({ "command_id": command_id(), "room": me.room, "gift": gift.id, "count": 1 }))
        .collect();
    let tries = commands.iter().map(|data| async {
        let began = Instant::now();
        (client.rpc("gift.send", data.clone()).await, began.elapsed())
    });
    for ((answer, took), data) in join_all(tries).await.into_iter().zip(&commands) {
        let answer = match answer {
            Ok(answer) => {
                me.stage.tally.acknowledged("gift.send", took);
                Ok(answer)
            }
            // With the same id: whether it took place is not known, and need not be.
            Err(_) => me.command("gift.send", data.clone()).await,
        };
        if let Ok(answer) = answer {
            me.gave(&gift, 1, &answer);
        }
    }
}

/// Taps fast for a moment: cumulative totals of one combo.
async fn combo(me: &mut Person) {
    let Some(client) = me.client().await else { return };
    let Ok(gifts) = me.stage.gifts(&client).await else {
        return;
    };
    let Some(gift) = gifts.first().cloned() else {
        return;
    };
    let id = format!("c{:012x}", fastrand::u64(..1 << 48));
    let mut total = 0;
    for _ in 0..fastrand::u32(3..20) {
        let taps = fastrand::u64(1..6);
        if !me.afford(gift.coins * taps).await {
            break;
        }
        let data = json!({
            "room": me.room, "gift": gift.id, "count": 1, "combo": { "id": id, "total": total + taps },
        });
        match me.command("gift.send", data).await {
            Ok(answer) => {
                let reached = number(&answer, "combo_total");
                me.gave(&gift, taps, &answer);
                total += taps;
                if reached != total {
                    let words = format!("{}'s combo {id} stands at {reached}, must be {total}", me.name);
                    me.stage.tally.violations.add(words);
                }
            }
            Err(No::Refused(_) | No::Unanswered) => break,
        }
        if !me.pause(TAP_EVERY).await {
            break;
        }
    }
}

/// The error number of an answer, for those who try what must be refused.
pub(super) fn code<T>(answer: &Result<T, RpcError>) -> Option<u64> {
    match answer {
        Err(RpcError::Answered { code, .. }) => Some(*code),
        _ => None,
    }
}
