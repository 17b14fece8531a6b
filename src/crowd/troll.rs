//! What a troll does: everything that is forbidden. Each deed names the refusals that may answer it; anything else that is
//! accepted is a violation. A troll's own gifts are as good as anybody's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::crowd::client::RpcError;
use crate::crowd::person::{Person, command_id, number};
use crate::crowd::stage::{Phase, Stage};
use crate::crowd::viewer::{code, give};
use crate::crowd::{Client, cast};

/// Kinds of deeds.
const DEEDS: usize = 9;
const DEEDS_EVERY: Duration = Duration::from_millis(1_500);
/// Chat messages of one flood.
const FLOOD: usize = 25;
const DEAF_FOR: Duration = Duration::from_secs(4);
/// How often one gift command is sent at once.
const TRIES_AT_ONCE: usize = 4;

/// The nth troll's evening.
pub(super) async fn troll(stage: Arc<Stage>, n: usize) {
    let script = &stage.plan.script;
    let room = cast::streamer(n % script.rooms);
    let mut me = Person::new(
        stage.clone(),
        script.rooms + script.viewers + n,
        cast::troll(n),
        room,
        false,
    );
    me.open_purse().await;
    for turn in n.. {
        if !me.pause(DEEDS_EVERY).await {
            break;
        }
        let Some(client) = me.client().await else { break };
        // In turn, each troll from another deed on: a short scene has them all.
        match turn % DEEDS {
            0 => flood(&mut me, &client).await,
            1 => shout(&mut me, &client).await,
            2 => forbidden(&me, &client).await,
            3 => usurp(&me, &client).await,
            4 => same_gift_again_and_again(&mut me, &client).await,
            5 => another_body(&mut me, &client).await,
            6 => client.turn_deaf(DEAF_FOR).await,
            7 => client.say("{\"id\":7,\"rpc\":").await,
            _ => give(&mut me).await,
        }
    }
    me.until(Phase::LastRound).await;
    check_sentence(&mut me).await;
    me.check_purse().await;
    stage.viewers_done.fetch_add(1, Ordering::Relaxed);
    me.until(Phase::Closed).await;
}

fn is_muted(me: &Person) -> bool {
    me.stage
        .sanctions
        .lock()
        .muted
        .contains(&(me.room.clone(), me.name.clone()))
}

fn is_banned(me: &Person) -> bool {
    me.stage
        .sanctions
        .lock()
        .banned
        .contains(&(me.room.clone(), me.name.clone()))
}

/// Many messages at once. Who is muted or banned must not be heard.
async fn flood(me: &mut Person, client: &Client) {
    let silenced = is_muted(me) || is_banned(me);
    let shouts = (0..FLOOD).map(|_| chat(me, client, cast::line()));
    let answers = join_all(shouts).await;
    took_chats(me, &answers, silenced);
}

/// The same words, too many words, no words.
async fn shout(me: &mut Person, client: &Client) {
    let silenced = is_muted(me) || is_banned(me);
    let long = "a".repeat(201);
    for text in ["buy my coins", "buy my coins", "buy my coins", "buy my coins"] {
        let answer = chat(me, client, text).await;
        took_chats(me, &[answer], silenced);
    }
    for text in ["", "\u{7}\u{0}", &long] {
        let answer = chat(me, client, text).await;
        count(me, &answer);
        must_refuse(me, "a text that is none", &answer);
    }
}

async fn chat(me: &Person, client: &Client, text: &str) -> Result<Value, RpcError> {
    client
        .rpc(
            "chat.send",
            json!({ "command_id": command_id(), "room": me.room, "text": text }),
        )
        .await
}

fn took_chats(me: &Person, answers: &[Result<Value, RpcError>], silenced: bool) {
    for answer in answers {
        count(me, answer);
        let Ok(answer) = answer else { continue };
        me.stage.tally.chats.fetch_add(1, Ordering::Relaxed);
        me.stage.book(&me.room).acknowledged(number(answer, "position"));
        if silenced {
            let words = format!("{} was heard although muted or banned", me.name);
            me.stage.tally.violations.add(words);
        }
    }
}

/// Gifts that are none, and rooms that are not one's own.
async fn forbidden(me: &Person, client: &Client) {
    let gift = |gift: &str, count: i64| json!({ "command_id": command_id(), "room": me.room, "gift": gift, "count": count });
    let to_self = json!({ "command_id": command_id(), "room": me.name, "gift": "heart", "count": 1 });
    for data in [
        gift("moon", 1),
        gift("heart", 0),
        gift("heart", -5),
        gift("castle", 1_000_000),
        to_self,
    ] {
        let answer = client.rpc("gift.send", data).await;
        count(me, &answer);
        must_refuse(me, "a gift that is none", &answer);
    }
    for channel in [
        format!("user:{}", me.room),
        "no-such-channel".to_owned(),
        String::from("room:"),
    ] {
        let answer = client.subscribe(&channel).await;
        count(me, &answer);
        must_refuse(me, "a channel that is not open", &answer);
    }
}

/// Orders of one who is not in charge.
async fn usurp(me: &Person, client: &Client) {
    let orders = [
        ("room.ban", json!({ "user": me.room })),
        ("room.mute", json!({ "user": cast::viewer(0), "seconds": 60 })),
        ("room.moderator_add", json!({ "user": me.name })),
        ("room.slow_mode", json!({ "seconds": 3_600 })),
        ("room.pin", json!({ "text": "buy my coins" })),
    ];
    for (method, mut data) in orders {
        data["command_id"] = command_id().into();
        data["room"] = me.room.clone().into();
        let answer = client.rpc(method, data).await;
        count(me, &answer);
        must_refuse(me, method, &answer);
    }
}

/// One gift command, sent several times at once: paid once, and every answer is the same.
async fn same_gift_again_and_again(me: &mut Person, client: &Client) {
    let Ok(gifts) = me.stage.gifts(client).await else {
        return;
    };
    let Some(gift) = gifts.first().cloned() else {
        return;
    };
    if !me.afford(gift.coins).await {
        return;
    }
    let data = json!({ "command_id": command_id(), "room": me.room, "gift": gift.id, "count": 1 });
    let tries = (0..TRIES_AT_ONCE).map(|_| client.rpc("gift.send", data.clone()));
    let answers: Vec<_> = join_all(tries).await.into_iter().flatten().collect();
    // Once more until it is answered: so it is known whether it was paid.
    let Ok(last) = me.command("gift.send", data).await else {
        return;
    };
    me.gave(&gift, 1, &last);
    if answers
        .iter()
        .any(|answer| number(answer, "position") != number(&last, "position"))
    {
        let words = format!(
            "{} got different answers to one gift: {answers:?} and {last}",
            me.name
        );
        me.stage.tally.violations.add(words);
    }
}

/// One command id for two gifts: the second must be refused, and costs nothing.
async fn another_body(me: &mut Person, client: &Client) {
    let Ok(gifts) = me.stage.gifts(client).await else {
        return;
    };
    let Some(gift) = gifts.first().cloned() else {
        return;
    };
    if !me.afford(gift.coins).await {
        return;
    }
    let data = |count: u32| json!({ "command_id": "", "room": me.room, "gift": gift.id, "count": count });
    let (mut first, mut second) = (data(1), data(2));
    let id = command_id();
    first["command_id"] = id.clone().into();
    second["command_id"] = id.into();
    if let Ok(answer) = me.command("gift.send", first).await {
        me.gave(&gift, 1, &answer);
        let answer = client.rpc("gift.send", second).await;
        count(me, &answer);
        must_refuse(me, "another gift under a used command_id", &answer);
    }
}

/// Who was banned must be out, and stay out.
async fn check_sentence(me: &mut Person) {
    if is_banned(me) && me.client().await.is_some() && me.watcher.is_inside() {
        let words = format!("{} is in {} although banned", me.name, me.room);
        me.stage.tally.violations.add(words);
    }
}

fn count<T>(me: &Person, answer: &Result<T, RpcError>) {
    if let Some(code) = code(answer) {
        me.stage.tally.refused_with(code);
    }
}

fn must_refuse<T>(me: &Person, what: &str, answer: &Result<T, RpcError>) {
    if answer.is_ok() {
        me.stage
            .tally
            .violations
            .add(format!("{} got through with {what}", me.name));
    }
}
