//! The way in: what upgrades, what is told why not.

use gateway::{Config, Hub};

use crate::memory::{Memory, Profile};
use crate::support::{Raw, Server};

fn server(config: Config) -> Server {
    let hub = Hub::new();
    Server::start(config, hub.clone(), Memory::new(hub, Profile::Js, false))
}

/// One HTTP/1.1 exchange: the answer as text, as far as its head and what came with it.
async fn http(server: &Server, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(
            stream.read_buf(&mut answer).await.expect("answered"),
            0,
            "the server hung up"
        );
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_sub_protocol_chooses_the_format_and_is_echoed() {
    let server = server(Config::default());
    for (offered, chosen, binary) in [
        ("centrifuge-protobuf", Some("centrifuge-protobuf"), true),
        ("centrifuge-json", Some("centrifuge-json"), false),
    ] {
        let (mut raw, protocol) = Raw::open_with(&server, &[("sec-websocket-protocol", offered)])
            .await
            .expect("upgraded");
        assert_eq!(protocol.as_deref(), chosen);
        let connect = if binary {
            vec![4, 0x08, 1, 0x22, 0]
        } else {
            b"{\"id\":1,\"connect\":{}}".to_vec()
        };
        raw.send_message(tokio_tungstenite::tungstenite::Message::binary(connect))
            .await;
        assert_eq!(raw.next_message().await.is_binary(), binary, "{offered}");
    }
}

#[tokio::test]
async fn an_empty_sub_protocol_header_counts_as_none() {
    let server = server(Config::default());
    let answer = http(
        &server,
        "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Protocol: \r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(
        !answer.to_ascii_lowercase().contains("sec-websocket-protocol"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_plain_get_is_told_what_lives_here() {
    let server = server(Config::default());
    let answer = http(
        &server,
        "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("WebSocket"), "{answer}");
}

#[tokio::test]
async fn only_listed_origins_come_in_and_the_own_host_and_those_who_send_none() {
    let allowed_origins = Some(vec!["https://live.example".to_owned()]);
    let server = server(Config {
        allowed_origins,
        ..Config::default()
    });
    assert!(
        Raw::open_with(&server, &[("origin", "https://live.example")])
            .await
            .is_ok()
    );
    assert!(Raw::open_with(&server, &[]).await.is_ok());
    let own = format!("http://{}", server.address);
    assert!(Raw::open_with(&server, &[("origin", &own)]).await.is_ok());
    assert_eq!(
        Raw::open_with(&server, &[("origin", "https://evil.example")])
            .await
            .err(),
        Some(403)
    );
    assert_eq!(
        Raw::open_with(&server, &[("origin", "null")]).await.err(),
        Some(403)
    );
}

#[tokio::test]
async fn a_server_that_goes_down_closes_with_3001_and_turns_comers_away() {
    let server = server(Config::default());
    let (mut raw, _) = Raw::connected(&server, "").await;
    server.hub.shutdown(std::time::Duration::ZERO).await;
    let closed = raw.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (3001, "shutdown"));
    assert_eq!(Raw::open_with(&server, &[]).await.err(), Some(503));
}

#[tokio::test]
async fn a_websocket_ping_is_answered_with_its_payload() {
    use tokio_tungstenite::tungstenite::Message;
    let server = server(Config::default());
    let mut raw = Raw::open(&server).await;
    raw.send_message(Message::Ping("are you there".into())).await;
    assert_eq!(raw.next_message().await, Message::Pong("are you there".into()));
}

#[tokio::test]
async fn one_socket_too_many_is_told_to_come_back_later() {
    let server = server(Config {
        connections_max: 1,
        ..Config::default()
    });
    let (_in, _) = Raw::connected(&server, "").await;
    let upgrade = format!(
        "GET {} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gateway::ws::PATH
    );
    let answer = http(&server, &upgrade).await.to_ascii_lowercase();
    assert!(
        answer.starts_with("http/1.1 503") && answer.contains("retry-after: 5"),
        "{answer}"
    );
}
