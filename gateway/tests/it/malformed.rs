//! What no SDK sends: each gets its number, and the server goes on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway::{Config, Hub};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::memory::{Memory, Profile};
use crate::support::{Raw, Server};

fn server(profile: Profile) -> Server {
    let hub = Hub::new();
    Server::start(Config::default(), hub.clone(), Memory::new(hub, profile, false))
}

/// The server is unharmed: a new client gets through.
async fn assert_alive(server: &Server) {
    let (_, reply) = Raw::connected(server, "").await;
    assert!(reply["connect"]["client"].is_string(), "{reply}");
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

fn token(algorithm: jsonwebtoken::Algorithm, secret: &str, claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), claims, &key).expect("HMAC signs")
}

#[tokio::test]
async fn malformed_json_closes_with_3501() {
    let server = server(Profile::Js);
    for text in [
        "",
        "\n",
        "{",
        "nope",
        "[]",
        "\u{0}",
        "{\"id\":1,\"connect\":{}",
        "{\"id\":1,\"connect\":[]}",
    ] {
        let mut raw = Raw::open(&server).await;
        raw.send(text).await;
        assert_eq!(raw.close_code().await, 3501, "{text:?}");
    }
    let mut deep = Raw::open(&server).await;
    deep.send(&format!(
        "{{\"id\":1,\"connect\":{{\"data\":{}",
        "[".repeat(60_000)
    ))
    .await;
    assert_eq!(deep.close_code().await, 3501);
    assert_alive(&server).await;
}

#[tokio::test]
async fn malformed_protobuf_closes_with_3501() {
    let server = server(Profile::Js);
    for bytes in [
        vec![],
        vec![0xff; 20],
        vec![200, 1, 8],
        vec![3, 0x22, 5, 1],
        vec![2, 0x0a, 0xff],
    ] {
        let headers = [("sec-websocket-protocol", "centrifuge-protobuf")];
        let (mut raw, _) = Raw::open_with(&server, &headers).await.expect("upgraded");
        raw.send_message(Message::binary(bytes.clone())).await;
        assert_eq!(raw.close_code().await, 3501, "{bytes:?}");
    }
    assert_alive(&server).await;
}

#[tokio::test]
async fn a_binary_message_in_a_json_session_is_read_as_json_or_refused() {
    let server = server(Profile::Js);
    let mut raw = Raw::open(&server).await;
    raw.send_message(Message::binary(&b"{\"id\":1,\"connect\":{}}"[..]))
        .await;
    assert!(raw.next().await["connect"].is_object());
    raw.send_message(Message::binary(&b"\x04\x08\x02\x32\x00"[..]))
        .await;
    assert_eq!(raw.close_code().await, 3501);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused() {
    let server = server(Profile::Js);
    let mut raw = Raw::open(&server).await;
    let bytes = b"{\"id\":1,\"connect\":{\"name\":\"\xff\xfe\"}}".to_vec();
    raw.send_message(Message::Frame(Frame::message(
        bytes,
        OpCode::Data(Data::Text),
        true,
    )))
    .await;
    assert_eq!(raw.close_code().await, 3501);
}

#[tokio::test]
async fn misuse_of_the_protocol_closes_with_3501() {
    let server = server(Profile::Js);
    for command in [
        json!({"id": 2, "connect": {}}),
        json!({"id": 2, "dance": {}}),
        json!({"id": 2}),
        json!({"id": 0, "rpc": {"method": "m"}}),
        json!({"id": "2", "rpc": {"method": "m"}}),
        json!({"id": 2, "subscribe": {}}),
        json!({"id": 2, "subscribe": {"channel": ""}}),
        json!({"id": 2, "subscribe": {"channel": 7}}),
        json!({"id": 2, "history": {"channel": "c", "limit": "all"}}),
        json!({}),
    ] {
        let (mut raw, _) = Raw::connected(&server, "").await;
        raw.send(&command.to_string()).await;
        assert_eq!(raw.close_code().await, 3501, "{command}");
    }
    let mut early = Raw::open(&server).await;
    early.send(r#"{"id":1,"rpc":{"method":"m"}}"#).await;
    assert_eq!(early.close_code().await, 3501);
    assert_alive(&server).await;
}

#[tokio::test]
async fn a_message_over_the_limit_closes_with_1009_whole_or_in_pieces() {
    let server = server(Profile::Js);
    let (mut raw, _) = Raw::connected(&server, "").await;
    let fits = json!({"id": 2, "rpc": {"method": "m", "data": "x".repeat(65_000)}});
    assert_eq!(raw.ask(fits).await["error"]["code"], 108);
    let over = json!({"id": 3, "rpc": {"method": "m", "data": "x".repeat(65_536)}});
    // The server may close before everything is sent.
    let _ = raw.try_send_message(Message::text(over.to_string())).await;
    assert_eq!(raw.close_code().await, 1009);

    let (mut raw, _) = Raw::connected(&server, "").await;
    let piece = vec![b' '; 40_000];
    let first = Frame::message(piece.clone(), OpCode::Data(Data::Text), false);
    raw.send_message(Message::Frame(first)).await;
    let _ = raw
        .try_send_message(Message::Frame(Frame::message(
            piece,
            OpCode::Data(Data::Continue),
            false,
        )))
        .await;
    assert_eq!(raw.close_code().await, 1009);
    assert_alive(&server).await;
}

#[tokio::test]
async fn a_message_in_pieces_is_put_together() {
    let server = server(Profile::Js);
    let mut raw = Raw::open(&server).await;
    for (piece, opcode, last) in [
        ("{\"id\":1,", Data::Text, false),
        ("\"conn", Data::Continue, false),
        ("ect\":{}}", Data::Continue, true),
    ] {
        let frame = Frame::message(piece.as_bytes().to_vec(), OpCode::Data(opcode), last);
        raw.send_message(Message::Frame(frame)).await;
    }
    assert!(raw.next().await["connect"].is_object());
}

#[tokio::test]
async fn one_channel_too_many_is_answered_with_106() {
    let server = server(Profile::Js);
    let (mut raw, _) = Raw::connected(&server, "").await;
    for n in 0..128u32 {
        let reply = raw
            .ask(json!({"id": n + 2, "subscribe": {"channel": format!("c{n}")}}))
            .await;
        assert!(reply["subscribe"].is_object(), "{reply}");
    }
    let reply = raw
        .ask(json!({"id": 200, "subscribe": {"channel": "one-more"}}))
        .await;
    assert_eq!(reply["error"]["code"], 106);
}

#[tokio::test]
async fn tokens_expired_forged_or_of_another_algorithm_are_refused_by_number() {
    use jsonwebtoken::Algorithm::{HS256, HS384};
    let server = server(Profile::Py);
    let good = json!({"sub": "42", "exp": unix_now() + 60});
    let expired = json!({"sub": "42", "exp": unix_now() - 1});
    let early = json!({"sub": "42", "exp": unix_now() + 60, "nbf": unix_now() + 60});
    for (what, token, code) in [
        ("none", String::new(), 3501),
        ("garbage", "x.y.z".to_owned(), 3500),
        ("forged", token(HS256, "guess", &good), 3500),
        ("forged and expired", token(HS256, "guess", &expired), 3500),
        ("another algorithm", token(HS384, "secret", &good), 3500),
        ("not yet valid", token(HS256, "secret", &early), 3500),
        (
            "unsigned",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.".to_owned(),
            3500,
        ),
        (
            "without a subject",
            token(HS256, "secret", &json!({"exp": unix_now() + 60})),
            3500,
        ),
    ] {
        let mut raw = Raw::open(&server).await;
        raw.send(&json!({"id": 1, "connect": {"token": token}}).to_string())
            .await;
        assert_eq!(raw.close_code().await, code, "{what}");
    }
    let (_, reply) = Raw::connected(&server, &token(HS256, "secret", &expired)).await;
    assert_eq!(reply["error"]["code"], 109, "{reply}");
    let (_, reply) = Raw::connected(&server, &token(HS256, "secret", &good)).await;
    assert!(
        reply["connect"]["ttl"]
            .as_u64()
            .is_some_and(|ttl| ttl > 0 && ttl <= 60),
        "{reply}"
    );
}

#[tokio::test]
async fn subscription_tokens_are_bound_to_channel_and_user() {
    use jsonwebtoken::Algorithm::HS256;
    let server = server(Profile::Py);
    let user = token(HS256, "secret", &json!({"sub": "42"}));
    let sub = |claims: Value, secret: &str| token(HS256, secret, &claims);
    for (what, token, error, code) in [
        (
            "good",
            sub(json!({"sub": "42", "channel": "c"}), "secret"),
            None,
            None,
        ),
        (
            "forged",
            sub(json!({"sub": "42", "channel": "c"}), "guess"),
            Some(103),
            None,
        ),
        (
            "expired",
            sub(json!({"sub": "42", "channel": "c", "exp": 1}), "secret"),
            Some(109),
            None,
        ),
        (
            "of another channel",
            sub(json!({"sub": "42", "channel": "d"}), "secret"),
            None,
            Some(3500),
        ),
        (
            "of another user",
            sub(json!({"sub": "43", "channel": "c"}), "secret"),
            None,
            Some(3500),
        ),
    ] {
        let (mut raw, _) = Raw::connected(&server, &user).await;
        let command = json!({"id": 2, "subscribe": {"channel": "c", "token": token}});
        match code {
            Some(code) => {
                raw.send(&command.to_string()).await;
                assert_eq!(raw.close_code().await, code, "{what}");
            }
            None => assert_eq!(raw.ask(command).await["error"]["code"].as_u64(), error, "{what}"),
        }
    }
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed_as_stale() {
    let hub = Hub::new();
    let config = Config {
        stale_after: Duration::from_millis(100),
        ..Config::default()
    };
    let server = Server::start(config, hub.clone(), Memory::new(hub, Profile::Js, false));
    assert_eq!(Raw::open(&server).await.close_code().await, 3502);
    assert_eq!(
        server
            .hub
            .stats()
            .closed_silent
            .load(std::sync::atomic::Ordering::Relaxed),
        1
    );
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed_with_3012_and_one_that_does_stays() {
    let hub = Hub::new();
    let config = Config {
        ping_interval: Duration::from_millis(400),
        pong_wait: Duration::from_millis(200),
        ..Config::default()
    };
    let server = Server::start(config, hub.clone(), Memory::new(hub, Profile::Js, false));
    let (mut silent, _) = Raw::connected(&server, "").await;
    let (mut polite, _) = Raw::connected(&server, "").await;
    for _ in 0..3 {
        assert_eq!(polite.next().await, json!({}));
        polite.send("{}").await;
    }
    assert_eq!(silent.close_code().await, 3012);
    assert_eq!(
        polite
            .ask(json!({"id": 9, "unsubscribe": {"channel": "c"}}))
            .await["unsubscribe"],
        json!({})
    );
}
