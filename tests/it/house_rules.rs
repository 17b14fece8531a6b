//! Streamers and moderators in charge of their rooms, and the rules of chat, over the wire.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{House, PATIENCE, Refused, Socket, http};
use crate::operations::{serve, token};
use crate::support::Server;

const STAR: &str = "room:star";
/// Between two looks at whether a file was read again.
const MOMENT: Duration = Duration::from_millis(100);

/// A star who is live, with a socket each of these users in the room.
async fn show<const N: usize>(users: [&str; N]) -> (House, [Socket; N]) {
    let house = House::with_a_show().await;
    let mut sockets = Vec::new();
    for user in users {
        let mut socket = house.user(user).await;
        assert_eq!(socket.subscribe(STAR).await["recoverable"], true);
        sockets.push(socket);
    }
    let sockets = sockets.try_into().ok().expect("as many as users");
    (house, sockets)
}

/// Gives an order; `fields` are its own, beside the room.
async fn order(socket: &mut Socket, method: &str, fields: Value) -> Result<u64, Refused> {
    let mut data = json!({ "command_id": format!("{method} {fields}"), "room": "star" });
    let object = data.as_object_mut().expect("an object");
    object.extend(fields.as_object().expect("fields").clone());
    let answer = socket.rpc(method, data).await?;
    Ok(answer["position"].as_u64().expect("a position"))
}

async fn refused(socket: &mut Socket, method: &str, fields: Value) -> u64 {
    order(socket, method, fields).await.expect_err("refused").code
}

async fn say(socket: &mut Socket, text: &str) -> Result<u64, Refused> {
    order(socket, "chat.send", json!({ "text": text })).await
}

/// The next publication of this type.
async fn told(socket: &mut Socket, kind: &str) -> Value {
    let mut seen = socket.publications(STAR, |p| p["type"] == kind).await;
    let mut publication = seen.pop().expect("the one that fits")["data"].take();
    let object = publication.as_object_mut().expect("an object");
    assert!(object.remove("time").is_some_and(|time| time.is_u64()));
    publication
}

/// Waits until this socket was put out of the room; gives the code.
async fn put_out(socket: &mut Socket) -> u64 {
    let is_end = |value: &Value| value["push"]["channel"] == STAR && value["push"]["unsubscribe"].is_object();
    let earlier = std::mem::take(&mut socket.pushes);
    let mut end = earlier.into_iter().find(is_end);
    while end.is_none() {
        end = Some(socket.next().await).filter(is_end);
    }
    end.and_then(|end| end["push"]["unsubscribe"]["code"].as_u64())
        .expect("a code")
}

/// The number with which this socket is not let in.
async fn kept_out(socket: &mut Socket) -> u64 {
    let reply = socket
        .ask(json!({ "id": 900, "subscribe": { "channel": STAR } }))
        .await;
    reply["error"]["code"]
        .as_u64()
        .unwrap_or_else(|| panic!("{reply}"))
}

#[tokio::test]
async fn a_banned_users_sockets_leave_at_once_and_are_not_let_in_again() {
    let (house, [mut star, mut bob, mut bob_too, mut ann]) = show(["star", "bob", "bob", "ann"]).await;
    let position = order(&mut star, "room.ban", json!({ "user": "bob" }))
        .await
        .expect("banned");
    assert_eq!(put_out(&mut bob).await, 2101);
    assert_eq!(put_out(&mut bob_too).await, 2101);
    assert_eq!(
        told(&mut ann, "banned").await,
        json!({ "type": "banned", "position": position, "user": "bob", "by": "star" })
    );
    assert_eq!(kept_out(&mut bob).await, 460);
    assert_eq!(kept_out(&mut house.user("bob").await).await, 460);
    assert_eq!(say(&mut bob, "let me in").await.expect_err("refused").code, 460);
    // The same command again is told the same, and puts nobody out twice.
    let again = order(&mut star, "room.ban", json!({ "user": "bob" })).await;
    assert_eq!(again.expect("as before"), position);
    order(&mut star, "room.unban", json!({ "user": "bob" }))
        .await
        .expect("unbanned");
    assert_eq!(bob.subscribe(STAR).await["recoverable"], true);
    assert!(say(&mut bob, "thank you").await.is_ok());
    house.assert_unharmed().await;
}

#[tokio::test]
async fn a_kicked_user_leaves_and_has_to_wait() {
    let (_house, [mut star, mut bob]) = show(["star", "bob"]).await;
    order(&mut star, "room.kick", json!({ "user": "bob" }))
        .await
        .expect("kicked");
    assert_eq!(put_out(&mut bob).await, 2100);
    assert_eq!(kept_out(&mut bob).await, 461);
    assert_eq!(say(&mut bob, "why").await.expect_err("refused").code, 461);
}

#[tokio::test]
async fn who_may_not_come_in_reads_nothing_of_the_room_and_likes_nothing() {
    let (_house, [mut star, mut bob, mut eve]) = show(["star", "bob", "eve"]).await;
    say(&mut star, "between us").await.expect("said");
    for (method, user) in [("room.ban", "bob"), ("room.kick", "eve")] {
        order(&mut star, method, json!({ "user": user }))
            .await
            .expect("ordered");
    }
    for (socket, code) in [(&mut bob, 460), (&mut eve, 461)] {
        assert_eq!(refused(socket, "room.info", json!({})).await, code);
        assert_eq!(refused(socket, "like.send", json!({ "count": 1 })).await, code);
        let history = json!({ "channel": STAR, "limit": 10 });
        let reply = socket.ask(json!({ "id": 902, "history": history })).await;
        assert_eq!(reply["error"]["code"], code, "{reply}");
    }
}

#[tokio::test]
async fn a_refused_like_is_counted_among_the_refused_commands() {
    let (house, [mut bob]) = show(["bob"]).await;
    assert_eq!(refused(&mut bob, "like.send", json!({ "count": 0 })).await, 420);
    let nowhere = json!({ "command_id": "l", "room": "moon", "count": 1 });
    assert_eq!(
        bob.rpc("like.send", nowhere).await.expect_err("refused").code,
        413
    );
    let (_, metrics) = http("GET", &house.server.address, "/metrics").await;
    for reason in ["bad_like_count", "room_not_live"] {
        let line = format!("livehouse_commands_refused_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&line), "{reason}: {metrics}");
    }
}

#[tokio::test]
async fn a_moderator_who_is_muted_posts_no_notice_and_is_told_until_when() {
    let (_house, [mut star, mut mod_]) = show(["star", "mod"]).await;
    for (method, fields) in [
        ("room.moderator_add", json!({ "user": "mod" })),
        ("room.mute", json!({ "user": "mod", "seconds": 600 })),
    ] {
        order(&mut star, method, fields).await.expect("ordered");
    }
    let until = told(&mut mod_, "muted").await["until"].as_u64().expect("unix ms");
    let notice = json!({ "text": "listen" });
    let refusal = order(&mut mod_, "room.notice", notice)
        .await
        .expect_err("refused");
    assert_eq!(refusal.code, 462);
    assert!(
        refusal.message.contains(&until.to_string()),
        "{}",
        refusal.message
    );
    order(&mut mod_, "room.kick", json!({ "user": "bob" }))
        .await
        .expect("in charge still");
}

#[tokio::test]
async fn a_muted_user_is_told_until_when_and_may_write_when_that_is_taken_back() {
    let (_house, [mut star, mut bob]) = show(["star", "bob"]).await;
    order(&mut star, "room.mute", json!({ "user": "bob", "seconds": 600 }))
        .await
        .expect("muted");
    let until = told(&mut bob, "muted").await["until"].as_u64().expect("unix ms");
    let refusal = say(&mut bob, "b").await.expect_err("refused");
    assert_eq!(refusal.code, 462);
    assert!(
        refusal.message.contains(&until.to_string()),
        "{}",
        refusal.message
    );
    let you = house_data(&mut bob).await["you"].take();
    assert_eq!(
        (&you["role"], &you["muted_until"]),
        (&json!("viewer"), &json!(until))
    );
    order(&mut star, "room.unmute", json!({ "user": "bob" }))
        .await
        .expect("unmuted");
    assert!(say(&mut bob, "b").await.is_ok());
    assert_eq!(
        refused(&mut star, "room.mute", json!({ "user": "bob", "seconds": 0 })).await,
        452
    );
}

/// What a newcomer of this user's is shown.
async fn house_data(socket: &mut Socket) -> Value {
    socket
        .ask(json!({ "id": 901, "unsubscribe": { "channel": STAR } }))
        .await;
    socket.subscribe(STAR).await["data"].take()
}

#[tokio::test]
async fn a_moderator_is_in_charge_of_viewers_until_the_streamer_says_otherwise() {
    let (_house, [mut star, mut mod_, mut bob]) = show(["star", "mod", "bob"]).await;
    let slow = json!({ "seconds": 60 });
    assert_eq!(refused(&mut mod_, "room.slow_mode", slow.clone()).await, 450);
    order(&mut star, "room.moderator_add", json!({ "user": "mod" }))
        .await
        .expect("appointed");
    assert_eq!(told(&mut mod_, "moderator_added").await["user"], "mod");
    // A refused order left no trace: the same command is decided anew.
    order(&mut mod_, "room.slow_mode", slow).await.expect("slow mode");
    assert_eq!(told(&mut bob, "slow_mode").await["seconds"], 60);
    assert!(say(&mut bob, "one").await.is_ok());
    assert_eq!(say(&mut bob, "two").await.expect_err("refused").code, 465);
    for n in 0..2 {
        assert!(say(&mut mod_, &format!("{n}")).await.is_ok());
    }
    let seen = bob
        .publications(STAR, |p| p["user"] == "mod" && p["text"] == "1")
        .await;
    assert_eq!(seen.last().expect("it")["data"]["role"], "moderator");
    for (method, fields, code) in [
        ("room.kick", json!({ "user": "star" }), 451),
        ("room.ban", json!({ "user": "mod" }), 451),
        ("room.moderator_add", json!({ "user": "bob" }), 450),
        ("room.followers_only", json!({ "on": true }), 450),
        ("room.slow_mode", json!({ "seconds": 3_601 }), 453),
        ("room.notice", json!({ "text": " " }), 405),
    ] {
        assert_eq!(refused(&mut mod_, method, fields).await, code, "{method}");
    }
    order(&mut star, "room.moderator_remove", json!({ "user": "mod" }))
        .await
        .expect("dismissed");
    assert_eq!(
        refused(&mut mod_, "room.kick", json!({ "user": "bob" })).await,
        450
    );
}

#[tokio::test]
async fn a_notice_is_told_and_a_pinned_text_stays_until_it_is_taken_away() {
    let (_house, [mut star, mut bob]) = show(["star", "bob"]).await;
    order(&mut star, "room.notice", json!({ "text": "be kind" }))
        .await
        .expect("told");
    assert_eq!(told(&mut bob, "notice").await["text"], "be kind");
    order(&mut star, "room.pin", json!({ "text": "song at nine" }))
        .await
        .expect("pinned");
    assert_eq!(told(&mut bob, "pinned").await["text"], "song at nine");
    assert_eq!(house_data(&mut bob).await["pinned"], "song at nine");
    let position = order(&mut star, "room.pin", json!({ "text": "" }))
        .await
        .expect("unpinned");
    assert_eq!(
        told(&mut bob, "pinned").await,
        json!({ "type": "pinned", "position": position, "text": null, "by": "star" })
    );
    assert_eq!(house_data(&mut bob).await["pinned"], Value::Null);
}

#[tokio::test]
async fn where_only_followers_may_write_one_follows_first() {
    let (_house, [mut star, mut bob]) = show(["star", "bob"]).await;
    order(&mut star, "room.followers_only", json!({ "on": true }))
        .await
        .expect("followers only");
    assert_eq!(say(&mut bob, "b").await.expect_err("refused").code, 464);
    let follow = json!({ "command_id": "f", "streamer": "star" });
    bob.rpc("follow.add", follow).await.expect("follows");
    assert!(say(&mut bob, "b").await.is_ok());
}

#[tokio::test]
async fn who_writes_too_fast_or_the_same_again_is_told_so() {
    let (_house, [mut bob, mut ann]) = show(["bob", "ann"]).await;
    let many: String = (0..12)
        .map(|n| {
            let data = json!({ "command_id": format!("c{n}"), "room": "star", "text": format!("line {n}") });
            json!({ "id": 100 + n, "rpc": { "method": "chat.send", "data": data } }).to_string() + "\n"
        })
        .collect();
    bob.send_text(many.trim_end()).await;
    let (mut accepted, mut codes) = (0, Vec::new());
    while accepted + codes.len() < 12 {
        let value = bob.next().await;
        if value["id"].is_u64() {
            match value["error"]["code"].as_u64() {
                Some(code) => codes.push(code),
                None => accepted += 1,
            }
        }
    }
    // One more for every second that the server took.
    assert!((5..9).contains(&accepted), "{accepted} of 12 at once");
    assert!(codes.iter().all(|code| *code == 467), "{codes:?}");
    for n in 0..2 {
        let data = json!({ "command_id": format!("{n}"), "room": "star", "text": "again" });
        ann.rpc("chat.send", data).await.expect("said");
    }
    assert_eq!(say(&mut ann, "again").await.expect_err("refused").code, 466);
    assert!(say(&mut ann, "else").await.is_ok());
}

#[tokio::test]
async fn blocked_words_are_refused_and_the_list_is_read_again_when_it_changes() {
    let dir = tempfile::tempdir().expect("a directory");
    let list = dir.path().join("words.txt");
    std::fs::write(&list, "# not these\nbadword\n").expect("written");
    let mut command = serve(dir.path());
    let server = Server::spawn(command.env("LIVEHOUSE_BLOCKED_WORDS", &list));
    let mut bob = Socket::connect(&server.address, &token("bob")).await;
    assert_eq!(say(&mut bob, "ＢａｄWord!").await.expect_err("refused").code, 463);
    for hidden in ["bad\u{1}word", "bad\u{202E}wo\u{3164}rd", "badword\u{0}"] {
        assert_eq!(
            say(&mut bob, hidden).await.expect_err("refused").code,
            463,
            "{hidden:?}"
        );
    }
    assert!(say(&mut bob, "otherword").await.is_ok());
    std::fs::write(&list, "otherword, and more\notherword\n").expect("written");
    let began = std::time::Instant::now();
    // A refused chat leaves no trace: the same command is decided anew.
    while let Err(refusal) = say(&mut bob, "badword").await {
        assert_eq!(refusal.code, 463);
        assert!(began.elapsed() < PATIENCE, "the list is not read again");
        tokio::time::sleep(MOMENT).await;
    }
    assert_eq!(
        say(&mut bob, "an otherword").await.expect_err("refused").code,
        463
    );
}
