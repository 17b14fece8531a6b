//! What no good client sends, against the real server: each gets its number, and nobody else notices.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::client::{COINS, House, Socket};

/// Enough of Protobuf for the frames below: what an SDK would never send must be written by hand.
mod protobuf {
    pub(super) const ID: u8 = 1;
    pub(super) const CONNECT: u8 = 4;
    pub(super) const RPC: u8 = 13;

    pub(super) fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    pub(super) fn number(tag: u8, value: u64) -> Vec<u8> {
        [vec![tag << 3], varint(value)].concat()
    }

    pub(super) fn field(tag: u8, value: &[u8]) -> Vec<u8> {
        [vec![tag << 3 | 2], varint(value.len() as u64), value.to_vec()].concat()
    }

    /// A command with its length before it, as it stands in a message.
    pub(super) fn command(id: u64, tag: u8, request: &[u8]) -> Vec<u8> {
        let command = [number(ID, id), field(tag, request)].concat();
        [varint(command.len() as u64), command].concat()
    }

    fn read_varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a number");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }

    /// Number and text fields of a message, by tag.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let key = read_varint(&mut bytes);
            let value = read_varint(&mut bytes);
            let mut text = Vec::new();
            if key & 7 == 2 {
                let (inner, rest) = bytes.split_at(value as usize);
                (text, bytes) = (inner.to_vec(), rest);
            }
            found.push((key >> 3, value, text));
        }
        found
    }

    /// Id and error number of the replies in a message.
    pub(super) fn replies(mut bytes: &[u8]) -> Vec<(u64, Option<u64>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let length = read_varint(&mut bytes) as usize;
            let (reply, rest) = bytes.split_at(length);
            bytes = rest;
            let reply = fields(reply);
            let Some((_, id, _)) = reply.iter().find(|f| f.0 == u64::from(ID)) else {
                continue;
            };
            let error = reply.iter().find(|f| f.0 == 2);
            let code = error.and_then(|(_, _, error)| fields(error).iter().find(|f| f.0 == 1).map(|f| f.1));
            found.push((*id, code));
        }
        found
    }
}

async fn protobuf_socket(house: &House) -> Socket {
    Socket::open_as(&house.server.address, Some("centrifuge-protobuf")).await
}

/// Sends one command over Protobuf and returns the error number of its reply, if it has one.
async fn ask_protobuf(socket: &mut Socket, id: u64, tag: u8, request: &[u8]) -> Option<u64> {
    let message = Message::binary(protobuf::command(id, tag, request));
    socket.send(message).await.expect("sent");
    loop {
        let Message::Binary(bytes) = socket.next_message().await else {
            continue;
        };
        if let Some((_, error)) = protobuf::replies(&bytes).into_iter().find(|reply| reply.0 == id) {
            return error;
        }
    }
}

#[tokio::test]
async fn malformed_json_closes_with_3501_before_and_after_connecting() {
    let house = House::open();
    for text in [
        "",
        "{",
        "nope",
        "[]",
        "\u{0}",
        "{\"id\":1,\"connect\":[]}",
        "{\"id\":2,\"rpc\":",
    ] {
        let mut stranger = Socket::open(&house.server.address).await;
        stranger.send_text(text).await;
        assert_eq!(stranger.close_code().await, 3501, "{text:?}");
        let mut ann = house.user("ann").await;
        ann.send_text(text).await;
        assert_eq!(ann.close_code().await, 3501, "{text:?}");
    }
    house.assert_unharmed().await;
}

#[tokio::test]
async fn malformed_protobuf_closes_with_3501() {
    let house = House::open();
    for bytes in [
        vec![],
        vec![0xff; 20],
        vec![200, 1, 8],
        vec![3, 0x22, 5, 1],
        vec![2, 0x0a, 0xff],
        b"{\"id\":1,\"connect\":{}}".to_vec(),
    ] {
        let mut stranger = protobuf_socket(&house).await;
        stranger.send(Message::binary(bytes.clone())).await.expect("sent");
        assert_eq!(stranger.close_code().await, 3501, "{bytes:?}");
    }
    house.assert_unharmed().await;
}

#[tokio::test]
async fn over_protobuf_too_unknown_methods_and_unreadable_data_get_their_numbers() {
    let house = House::open();
    let token = house.dev().token("ann").await.expect("a token");
    let mut ann = protobuf_socket(&house).await;
    let connect = protobuf::field(1, token.as_bytes());
    assert_eq!(ask_protobuf(&mut ann, 1, protobuf::CONNECT, &connect).await, None);
    let rpc = |method: &str, data: &[u8]| {
        [protobuf::field(1, data), protobuf::field(2, method.as_bytes())].concat()
    };
    for (method, data, error) in [
        ("wallet.get", &b"{}"[..], None),
        ("wallet.get", b"", None),
        ("no.such.method", b"{}", Some(104)),
        ("", b"{}", Some(104)),
        ("gift.send", b"", Some(404)),
        ("gift.send", b"\xff\xfe\x00", Some(404)),
        (
            "gift.send",
            b"{\"command_id\":\"a\",\"room\":\"\xff\"}",
            Some(404),
        ),
        ("gift.send", b"[[[[[[", Some(404)),
        (
            "chat.send",
            br#"{"command_id":"a","room":"star","text":7}"#,
            Some(404),
        ),
    ] {
        let answer = ask_protobuf(&mut ann, 2, protobuf::RPC, &rpc(method, data)).await;
        assert_eq!(answer, error, "{method} {data:?}");
    }
    house.assert_unharmed().await;
}

#[tokio::test]
async fn unknown_methods_are_104() {
    let house = House::open();
    let mut ann = house.user("ann").await;
    for method in ["gift.sendx", "GIFT.SEND", "gift", "", "\u{0}", &"x".repeat(5_000)] {
        assert_eq!(ann.refusal(method, json!({})).await, 104, "{method:?}");
    }
    house.assert_unharmed().await;
}

#[tokio::test]
async fn a_missing_field_or_a_wrong_type_is_404_and_names_what_is_wrong() {
    let house = House::open();
    let mut ann = house.user("ann").await;
    let gift = |field: &str, value: Value| {
        let mut gift = json!({ "command_id": "c", "room": "star", "gift": "rose", "count": 1 });
        gift[field] = value;
        gift
    };
    for (method, data, word) in [
        ("gift.send", json!({}), "command_id"),
        ("gift.send", json!({ "command_id": "c", "gift": "rose" }), "room"),
        ("gift.send", json!([1, 2]), "expected"),
        ("gift.send", json!("text"), "expected"),
        ("gift.send", json!(null), "command_id"),
        ("gift.send", gift("count", json!(-1)), "-1"),
        ("gift.send", gift("count", json!(1.5)), "1.5"),
        ("gift.send", gift("count", json!(1u64 << 40)), "1099511627776"),
        ("gift.send", gift("count", json!("1")), "string"),
        ("gift.send", gift("room", json!(7)), "7"),
        ("gift.send", gift("room", json!(["star"])), "sequence"),
        ("gift.send", gift("command_id", json!(7)), "7"),
        ("gift.send", gift("combo", json!({ "id": "x" })), "total"),
        ("gift.send", gift("combo", json!("x")), "Combo"),
        ("gift.combo_end", json!({ "command_id": "c" }), "combo"),
        ("chat.send", json!({ "command_id": "c", "room": "star" }), "text"),
        (
            "chat.send",
            json!({ "command_id": "c", "room": "star", "text": {} }),
            "map",
        ),
        ("live.start", json!({ "command_id": "c", "title": 1 }), "1"),
        ("live.stop", json!({}), "command_id"),
        ("follow.add", json!({ "command_id": "c" }), "streamer"),
        ("follower.list", json!({}), "streamer"),
        ("room.info", json!({}), "room"),
        ("room.list", json!({ "sort": "loudest" }), "loudest"),
        ("wallet.get", json!({ "min_position": "9" }), "string"),
        ("wallet.get", json!({ "min_position": -9 }), "-9"),
        ("board.get", json!({}), "board"),
        ("board.get", json!({ "board": "loudest" }), "board"),
        (
            "board.get",
            json!({ "board": "coins", "period": "yesterday" }),
            "period",
        ),
        (
            "board.get",
            json!({ "board": "coins", "period": "2026-02-30" }),
            "period",
        ),
    ] {
        let refused = ann.rpc(method, data.clone()).await.expect_err(method);
        assert_eq!(refused.code, 404, "{method} {data}: {refused:?}");
        assert!(refused.message.contains(word), "{method} {data}: {refused:?}");
    }
    house.assert_unharmed().await;
}

#[tokio::test]
async fn every_refusal_of_a_gift_has_its_number_and_moves_no_coin() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    let gift = |id: &str, room: &str, gift: &str, count: u32| json!({ "command_id": id, "room": room, "gift": gift, "count": count });
    for (data, code) in [
        (gift("c1", "star", "unicorn", 1), 410),
        (gift("c2", "star", "rose", 0), 411),
        (gift("c3", "star", "rose", 10_000), 411),
        (gift("c4", "ann", "rose", 1), 412),
        (gift("c5", "nobody", "rose", 1), 413),
        (gift("c6", "star", "rose", 101), 414),
        (gift("", "star", "rose", 1), 402),
        (gift(&"x".repeat(65), "star", "rose", 1), 402),
        (gift("c\u{7}", "star", "rose", 1), 402),
        (gift("c7", "st\u{0}ar", "rose", 1), 403),
        (gift("c8", "", "rose", 1), 403),
        (gift("c9", &"x".repeat(65), "rose", 1), 403),
        (gift("c10", "star", "ro se", 1), 403),
    ] {
        assert_eq!(ann.refusal("gift.send", data.clone()).await, code, "{data}");
    }
    let first = ann
        .rpc("gift.send", gift("paid", "star", "rose", 1))
        .await
        .expect("accepted");
    assert_eq!(
        ann.refusal("gift.send", gift("paid", "star", "rose", 2)).await,
        401
    );
    assert_eq!(ann.refusal("live.start", json!({ "command_id": "" })).await, 402);
    let again = ann.rpc("gift.send", gift("paid", "star", "rose", 1)).await;
    assert_eq!(again.as_ref(), Ok(&first));
    let wallet = ann
        .rpc("wallet.get", json!({ "min_position": first["position"] }))
        .await;
    assert_eq!(wallet.expect("a wallet")["coins"], COINS - 10);
    house.assert_unharmed().await;
}

#[tokio::test]
async fn text_of_control_characters_is_empty_and_none_of_them_reaches_a_room() {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    ann.subscribe("room:star").await;
    let chat = |id: &str, text: &str| json!({ "command_id": id, "room": "star", "text": text });
    for (id, text, code) in [
        ("c1", "\u{0}\u{1}\u{7f}\r\n\t", 405),
        ("c2", "\u{202e}\u{200b}\u{2066}", 405),
        ("c3", "", 405),
    ] {
        assert_eq!(ann.refusal("chat.send", chat(id, text)).await, code, "{text:?}");
    }
    assert_eq!(ann.refusal("chat.send", chat("c4", &"é".repeat(201))).await, 406);
    let said = ann
        .rpc("chat.send", chat("c5", " \u{1b}[31mred\u{202e}\u{0} 👍🏽 "))
        .await
        .expect("accepted");
    let seen = ann
        .publications("room:star", |p| p["position"] == said["position"])
        .await;
    let publication = &seen.last().expect("the message")["data"];
    assert_eq!(publication["text"], "[31mred 👍🏽");
    let title = json!({ "command_id": "t", "title": "\u{0}a\u{8} title\n" });
    let mut moon = house.user("moon").await;
    let started = moon.rpc("live.start", title).await.expect("accepted");
    ann.rpc("wallet.get", json!({ "min_position": started["position"] }))
        .await
        .expect("caught up");
    let info = ann
        .rpc("room.info", json!({ "room": "moon" }))
        .await
        .expect("a room");
    assert_eq!(info["live"]["title"], "a title");
    house.assert_unharmed().await;
}

#[tokio::test]
async fn an_oversized_message_closes_with_1009_whole_or_in_pieces() {
    let house = House::open();
    let mut ann = house.user("ann").await;
    let fits = json!({ "command_id": "c", "room": "star", "text": "x".repeat(60_000) });
    assert_eq!(ann.refusal("chat.send", fits).await, 406);
    let over = json!({ "id": 9, "rpc": { "method": "chat.send", "data": { "text": "x".repeat(70_000) } } });
    // The server may close before all of it is sent.
    let _ = ann.send(Message::text(over.to_string())).await;
    assert_eq!(ann.close_code().await, 1009);

    let mut bob = house.user("bob").await;
    for opcode in [Data::Text, Data::Continue] {
        let piece = Frame::message(vec![b' '; 40_000], OpCode::Data(opcode), false);
        let _ = bob.send(Message::Frame(piece)).await;
    }
    assert_eq!(bob.close_code().await, 1009);
    house.assert_unharmed().await;
}

#[tokio::test]
async fn data_nested_without_end_is_refused() {
    let house = House::open();
    let mut ann = house.user("ann").await;
    let deep = format!(
        r#"{{"id":2,"rpc":{{"method":"gift.send","data":{}{}}}}}"#,
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    ann.send_text(&deep).await;
    match ann.next_message().await {
        Message::Text(text) => assert!(text.contains("404"), "{text}"),
        Message::Close(frame) => assert_eq!(frame.map(|f| u16::from(f.code)), Some(3501)),
        other => panic!("{other:?}"),
    }
    house.assert_unharmed().await;
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    now.as_secs() as i64 + seconds
}

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), claims, &key).expect("HMAC signs")
}

#[tokio::test]
async fn a_token_that_is_expired_is_109_and_one_that_is_forged_closes_with_3500() {
    let house = House::open();
    let secret = std::fs::read_to_string(house.dir.path().join("demo-token-secret")).expect("the secret");
    let good = json!({ "sub": "ann", "exp": in_seconds(60) });
    let expired = json!({ "sub": "ann", "exp": in_seconds(-60) });
    let unsigned = signed(Algorithm::HS256, &secret, &good);
    let unsigned = format!(
        "eyJhbGciOiJub25lIn0.{}.",
        unsigned.split('.').nth(1).expect("claims")
    );
    for (what, token) in [
        ("garbage", "x.y.z".to_owned()),
        ("forged", signed(Algorithm::HS256, &"guess".repeat(10), &good)),
        (
            "forged and expired",
            signed(Algorithm::HS256, &"guess".repeat(10), &expired),
        ),
        ("of another algorithm", signed(Algorithm::HS384, &secret, &good)),
        ("unsigned", unsigned),
        (
            "without an end",
            signed(Algorithm::HS256, &secret, &json!({ "sub": "ann" })),
        ),
        (
            "of nobody",
            signed(Algorithm::HS256, &secret, &json!({ "exp": in_seconds(60) })),
        ),
        (
            "not valid yet",
            signed(
                Algorithm::HS256,
                &secret,
                &json!({ "sub": "ann", "exp": in_seconds(60), "nbf": in_seconds(40) }),
            ),
        ),
        (
            "of no user id",
            signed(
                Algorithm::HS256,
                &secret,
                &json!({ "sub": "a b", "exp": in_seconds(60) }),
            ),
        ),
    ] {
        let mut stranger = Socket::open(&house.server.address).await;
        stranger
            .send_text(&json!({ "id": 1, "connect": { "token": token } }).to_string())
            .await;
        assert_eq!(stranger.close_code().await, 3500, "{what}");
    }
    let mut ann = Socket::open(&house.server.address).await;
    let reply = ann.hello(&signed(Algorithm::HS256, &secret, &expired)).await;
    assert_eq!(reply["error"]["code"], 109, "{reply}");
    let mut ann = Socket::connect(&house.server.address, &signed(Algorithm::HS256, &secret, &good)).await;
    let refresh = json!({ "id": 2, "refresh": { "token": signed(Algorithm::HS256, &secret, &expired) } });
    assert_eq!(ann.ask(refresh).await["error"]["code"], 109);
    let others = signed(
        Algorithm::HS256,
        &secret,
        &json!({ "sub": "bob", "exp": in_seconds(60) }),
    );
    ann.send_text(&json!({ "id": 3, "refresh": { "token": others } }).to_string())
        .await;
    assert_eq!(ann.close_code().await, 3500);
    let mut nobody = Socket::open(&house.server.address).await;
    nobody.send_text(r#"{"id":1,"connect":{}}"#).await;
    assert_eq!(nobody.close_code().await, 3501);
    house.assert_unharmed().await;
}
