//! The fallbacks at their edges: what the SDKs' own tests do not reach.

use std::time::Duration;

use gateway::{Config, Disconnect, emulation};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::Stage;
use crate::support::Server;

const CONNECT: &str = r#"{"id":1,"connect":{"token":"ann"}}"#;

fn server(config: Config) -> Server {
    let stage = Stage::new(0);
    Server::start(config, stage.hub.clone(), stage)
}

/// A connection that has sent a request, and what it has read of the answer.
struct Exchange {
    stream: TcpStream,
    read: String,
}

impl Exchange {
    async fn begin(server: &Server, head: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.expect("connected");
        let request = format!(
            "{head}\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let read = String::new();
        Self { stream, read }
    }

    async fn post(server: &Server, path: &str, headers: &str, body: &str) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json{headers}");
        Self::begin(server, &head, body).await
    }

    /// Reads on until this has been said.
    async fn until(&mut self, said: &str) -> &str {
        let reading = async {
            while !self.read.contains(said) {
                let mut bytes = [0; 4_096];
                let count = self.stream.read(&mut bytes).await.expect("readable");
                assert_ne!(count, 0, "ended without {said:?}: {}", self.read);
                self.read.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading)
            .await
            .expect("in time");
        &self.read
    }

    async fn status(&mut self) -> u16 {
        let head = self.until("\r\n\r\n").await;
        head[9..12].parse().expect("a status")
    }
}

/// An open stream: the names to send its frames by.
async fn open(server: &Server) -> (Exchange, String, String) {
    let mut stream = Exchange::post(server, emulation::HTTP_STREAM_PATH, "", CONNECT).await;
    let said = stream.until("\"node\"").await.to_owned();
    let reply = said.lines().find(|line| line.starts_with("{\"id\":1"));
    let reply: Value = serde_json::from_str(reply.expect("a reply")).expect("JSON");
    let name = |key: &str| reply["connect"][key].as_str().expect(key).to_owned();
    let (session, node) = (name("session"), name("node"));
    assert_ne!(
        session,
        name("client"),
        "the session is a secret, the client is not"
    );
    (stream, session, node)
}

async fn send(server: &Server, session: &str, node: &str, data: &str) -> u16 {
    let body = json!({"session": session, "node": node, "data": data}).to_string();
    let mut exchange = Exchange::post(server, emulation::EMULATION_PATH, "", &body).await;
    exchange.status().await
}

#[tokio::test]
async fn a_frame_reaches_its_stream_and_no_other() {
    let server = server(Config::default());
    let (mut stream, session, node) = open(&server).await;
    let echo = r#"{"id":2,"rpc":{"method":"echo","data":"hi"}}"#;
    assert_eq!(send(&server, &session, &node, echo).await, 204);
    stream.until(r#"{"id":2,"rpc":{"data":"hi"}}"#).await;
    assert_eq!(send(&server, &session, "another run", echo).await, 404);
    assert_eq!(send(&server, "of nobody", &node, echo).await, 204);
    drop(stream);
    assert_eq!(send(&server, &session, &node, echo).await, 204);
}

#[tokio::test]
async fn a_stream_ends_with_its_reason() {
    let server = server(Config::default());
    let (mut stream, session, node) = open(&server).await;
    assert_eq!(
        send(&server, &session, &node, r#"{"id":2,"rpc":{"method":"leave"}}"#).await,
        204
    );
    stream
        .until(r#"{"push":{"disconnect":{"code":4001,"reason":"as you wish"}}}"#)
        .await;
    let (mut stream, ..) = open(&server).await;
    server.hub.shutdown(Duration::ZERO).await;
    stream
        .until(&format!("\"code\":{}", Disconnect::SHUTDOWN.code))
        .await;
    let mut late = Exchange::post(&server, emulation::HTTP_STREAM_PATH, "", CONNECT).await;
    assert_eq!(late.status().await, 503);
}

#[tokio::test]
async fn streams_pass_the_same_door_as_sockets() {
    let server = server(Config {
        connections_max: 1,
        ..Config::default()
    });
    let (_stream, ..) = open(&server).await;
    let mut second = Exchange::post(&server, emulation::HTTP_STREAM_PATH, "", CONNECT).await;
    assert_eq!(second.status().await, 503);
    assert!(second.read.contains("retry-after: "), "{}", second.read);
    let events = format!("GET {}?cf_connect=%7B%7D HTTP/1.1", emulation::SSE_PATH);
    assert_eq!(Exchange::begin(&server, &events, "").await.status().await, 503);
}

#[tokio::test]
async fn a_page_may_read_the_answers_if_its_origin_is_listed() {
    let server = server(Config {
        allowed_origins: Some(vec!["https://live.example".to_owned()]),
        ..Config::default()
    });
    let listed = "\r\norigin: https://live.example";
    let mut stream = Exchange::post(&server, emulation::HTTP_STREAM_PATH, listed, CONNECT).await;
    assert_eq!(stream.status().await, 200);
    assert!(
        stream
            .read
            .contains("access-control-allow-origin: https://live.example\r\n"),
        "{}",
        stream.read
    );
    for path in [emulation::HTTP_STREAM_PATH, emulation::EMULATION_PATH] {
        let preflight = |origin| format!("OPTIONS {path} HTTP/1.1\r\norigin: {origin}");
        let mut welcome = Exchange::begin(&server, &preflight("https://live.example"), "").await;
        assert_eq!(welcome.status().await, 204);
        assert!(
            welcome
                .read
                .contains("access-control-allow-headers: content-type")
        );
        let mut stranger = Exchange::begin(&server, &preflight("https://evil.example"), "").await;
        assert_eq!(stranger.status().await, 403);
        let evil = "\r\norigin: https://evil.example";
        let mut stranger = Exchange::post(&server, path, evil, "{}").await;
        assert_eq!(stranger.status().await, 403);
        assert!(!stranger.read.contains("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_or_comes_too_slowly_is_refused() {
    let server = server(Config {
        message_bytes_max: 1_000,
        handshake_within: Duration::from_millis(1_500),
        ..Config::default()
    });
    let long = "x".repeat(5_000);
    for path in [emulation::HTTP_STREAM_PATH, emulation::EMULATION_PATH] {
        let mut exchange = Exchange::post(&server, path, "", &long).await;
        assert_eq!(exchange.status().await, 413, "{path}");
        let mut slow = TcpStream::connect(server.address).await.expect("connected");
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{{");
        slow.write_all(head.as_bytes()).await.expect("sent");
        let mut slow = Exchange {
            stream: slow,
            read: String::new(),
        };
        assert_eq!(slow.status().await, 408, "{path}");
    }
    let (_stream, session, node) = open(&server).await;
    let escaped = format!("\"{}\"", "\\\"".repeat(1_001));
    assert_eq!(send(&server, &session, &node, &escaped).await, 413);
    assert_eq!(send(&server, &session, &node, "nonsense").await, 204);
    let mut broken = Exchange::post(&server, emulation::EMULATION_PATH, "", "nonsense").await;
    assert_eq!(broken.status().await, 400);
}

#[tokio::test]
async fn frames_that_are_not_taken_are_bounded_and_refused() {
    let server = server(Config {
        commands_in_flight_max: 1,
        ..Config::default()
    });
    let (_stream, session, node) = open(&server).await;
    let pad = "x".repeat(20_000);
    let wait = format!(r#"{{"id":2,"rpc":{{"method":"wait","data":"{pad}"}}}}"#);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(send(&server, &session, &node, &wait).await);
    }
    assert_eq!(statuses[0], 204);
    assert_eq!(statuses[19], 503, "{statuses:?}");
    let taken = statuses.iter().filter(|status| **status == 204).count();
    assert!(
        (12..=15).contains(&taken),
        "262,144 bytes hold 13 of them: {taken}"
    );
}
