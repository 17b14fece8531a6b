//! What a streamer does: go live, talk, pin and post, appoint a moderator, use slow mode now and then, keep trolls out, end the
//! show.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::crowd::cast;
use crate::crowd::person::Person;
use crate::crowd::stage::{Phase, Stage};

const ACTS_EVERY: Duration = Duration::from_secs(12);
/// Which part of a scene the trolls have for themselves, and within which part they are dealt with.
const TROLLS_FREE: f64 = 0.45;
const TROLLS_SANCTIONED: f64 = 0.3;
const SLOW_MODE: Duration = Duration::from_secs(6);
const SLOW_MODE_SECONDS: u32 = 3;
/// Until the end of any scene.
const MUTE_SECONDS: u32 = 3_600;
const PINS: [&str; 3] = [
    "New record out on Friday",
    "Requests: write the title and the artist",
    "Be kind in here",
];
const NOTICES: [&str; 3] = [
    "Short break, back in five",
    "Encore at the end. Stay!",
    "Welcome, everybody who just came in",
];

/// The nth streamer's evening.
pub(super) async fn streamer(stage: Arc<Stage>, n: usize) {
    let name = cast::streamer(n);
    let mut me = Person::new(stage.clone(), n, name.clone(), name, true);
    me.open_purse().await;
    // Refused when the session of an earlier visit still runs: then it is live already.
    _ = me.command("live.start", json!({ "title": cast::title(n) })).await;
    if stage.plan.script.viewers > n {
        _ = me
            .order("moderator_add", json!({ "user": cast::viewer(n) }))
            .await;
    }
    perform(&mut me, n).await;
    me.until(Phase::Counting).await;
    me.check_tickets().await;
    stage.streamers_done.fetch_add(1, Ordering::Relaxed);
    pardon(&mut me).await;
    me.until(Phase::Closed).await;
    me.farewell("live.stop").await;
}

async fn perform(me: &mut Person, n: usize) {
    let mut trolls = trolls_of(me, n);
    if let Some(length) = me.stage.plan.script.length.filter(|_| !trolls.is_empty()) {
        // First they have their fun; then one after the other, so that some are out for a while.
        let patience = length
            .mul_f64(TROLLS_FREE)
            .saturating_sub(me.stage.began.elapsed());
        me.sleep(patience).await;
        let pace = length.mul_f64(TROLLS_SANCTIONED) / u32::try_from(trolls.len()).unwrap_or(u32::MAX);
        while let Some(troll) = trolls.pop() {
            sanction(me, troll, trolls.len()).await;
            me.sleep(pace).await;
        }
    }
    while me.pause(ACTS_EVERY).await {
        match fastrand::u32(..10) {
            0 => {
                let text = NOTICES[fastrand::usize(..NOTICES.len())];
                _ = me.order("notice", json!({ "text": text })).await;
            }
            1 => {
                let text = PINS[fastrand::usize(..PINS.len())];
                _ = me.order("pin", json!({ "text": text })).await;
            }
            2 => {
                _ = me
                    .order("slow_mode", json!({ "seconds": SLOW_MODE_SECONDS }))
                    .await;
                me.pause(SLOW_MODE).await;
                _ = me.order("slow_mode", json!({ "seconds": 0 })).await;
            }
            _ => _ = me.chat(cast::line()).await,
        }
    }
}

/// The trolls of the nth room.
fn trolls_of(me: &Person, n: usize) -> Vec<String> {
    let plan = &me.stage.plan;
    (n..plan.trolls())
        .step_by(plan.script.rooms)
        .map(cast::troll)
        .collect()
}

/// Mutes, sends out or bans a troll. What was acknowledged must hold from then on.
async fn sanction(me: &mut Person, troll: String, turn: usize) {
    let at = (me.room.clone(), troll.clone());
    match turn % 3 {
        0 => {
            if me
                .order("mute", json!({ "user": troll, "seconds": MUTE_SECONDS }))
                .await
                .is_ok()
            {
                me.stage.sanctions.lock().muted.insert(at);
            }
        }
        1 => _ = me.order("kick", json!({ "user": troll })).await,
        _ => {
            if me.order("ban", json!({ "user": troll })).await.is_ok() {
                me.stage.sanctions.lock().banned.insert(at);
            }
        }
    }
}

/// Whoever was muted or banned may come again tomorrow.
async fn pardon(me: &mut Person) {
    let of_this_room = |all: &mut HashSet<(String, String)>, room: &str| -> Vec<String> {
        all.extract_if(|(at, _)| at == room)
            .map(|(_, user)| user)
            .collect()
    };
    let (muted, banned) = {
        let mut sanctions = me.stage.sanctions.lock();
        (
            of_this_room(&mut sanctions.muted, &me.room),
            of_this_room(&mut sanctions.banned, &me.room),
        )
    };
    for user in muted {
        _ = me.order("unmute", json!({ "user": user })).await;
    }
    for user in banned {
        _ = me.order("unban", json!({ "user": user })).await;
    }
}
