//! The door over real sockets: shares by address, proxies, storms, and what a connection may ask.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use gateway::{Config, Hub};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::memory::{Memory, Profile};
use crate::support::{Raw, Server};

fn server(config: Config) -> Server {
    let hub = Hub::new();
    Server::start(config, hub.clone(), Memory::new(hub, Profile::Js, false))
}

/// Asks for an upgrade from an address of the loopback network; the answer's head, and the connection to keep.
async fn knock(server: &Server, from: &str, headers: &str) -> (String, TcpStream) {
    let socket = TcpSocket::new_v4().expect("a socket");
    let from: IpAddr = from.parse().expect("an address");
    socket.bind(SocketAddr::new(from, 0)).expect("a loopback address");
    let mut stream = socket.connect(server.address).await.expect("connected");
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
        gateway::ws::PATH
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.expect("an answer");
        head.push(byte);
    }
    (String::from_utf8_lossy(&head).to_ascii_lowercase(), stream)
}

fn status(head: &str) -> u16 {
    head[9..12].parse().expect("a status")
}

#[tokio::test]
async fn one_address_has_its_share_and_the_next_one_has_its_own() {
    let server = server(Config {
        trusted_proxies: Vec::new(),
        connections_per_address_max: 3,
        ..Config::default()
    });
    let mut inside = Vec::new();
    for _ in 0..3 {
        let (head, stream) = knock(&server, "127.0.0.2", "").await;
        assert_eq!(status(&head), 101, "{head}");
        inside.push(stream);
    }
    let (head, _) = knock(&server, "127.0.0.2", "").await;
    assert_eq!(status(&head), 429, "{head}");
    assert!(head.contains("\r\nretry-after: "), "{head}");
    assert_eq!(status(&knock(&server, "127.0.0.3", "").await.0), 101);
    assert_eq!(server.hub.stats().turned_address.load(Relaxed), 1);

    drop(inside.pop());
    let deadline = Instant::now() + Duration::from_secs(10);
    while status(&knock(&server, "127.0.0.2", "").await.0) != 101 {
        assert!(Instant::now() < deadline, "who leaves makes no room");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_it_is_the_client_that_counts_and_elsewhere_its_word_is_nothing() {
    let share = |trusted: &[&str]| Config {
        trusted_proxies: trusted
            .iter()
            .map(|net| net.parse().expect("a network"))
            .collect(),
        connections_per_address_max: 1,
        ..Config::default()
    };
    let behind = server(share(&["127.0.0.9/32"]));
    let mut inside = Vec::new();
    for (client, expected) in [
        ("203.0.113.1", 101),
        ("203.0.113.2", 101),
        ("203.0.113.1", 429),
        ("198.51.100.1, 203.0.113.2", 429),
    ] {
        let (head, stream) = knock(&behind, "127.0.0.9", &format!("x-forwarded-for: {client}\r\n")).await;
        assert_eq!(status(&head), expected, "{client}: {head}");
        inside.push(stream);
    }
    for (client, expected) in [("203.0.113.3", 101), ("203.0.113.4", 429)] {
        let (head, stream) = knock(&behind, "127.0.0.8", &format!("x-forwarded-for: {client}\r\n")).await;
        assert_eq!(status(&head), expected, "a liar as {client}: {head}");
        inside.push(stream);
    }
}

#[tokio::test]
async fn an_address_that_says_nothing_cannot_hold_more_than_its_share() {
    let server = server(Config {
        trusted_proxies: Vec::new(),
        connections_per_address_max: 4,
        handshake_within: Duration::from_secs(30),
        ..Config::default()
    });
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(server.address).await.expect("connected");
        // The beginning of a request.
        stream.write_all(b"GET / HT").await.expect("sent");
        silent.push(stream);
    }
    let mut held = silent.len();
    for stream in &mut silent {
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read_u8()).await;
        assert!(!matches!(read, Ok(Ok(_))), "the server said something");
        held -= usize::from(read.is_ok());
        if held == 4 {
            break;
        }
    }
    assert_eq!(held, 4);
    assert_eq!(status(&knock(&server, "127.0.0.7", "").await.0), 101);
}

#[tokio::test]
async fn a_storm_is_let_in_at_the_rate_and_the_rest_told_when_to_come_back() {
    let server = server(Config {
        handshakes_per_second_max: 5,
        ..Config::default()
    });
    let mut statuses = Vec::new();
    let mut inside = Vec::new();
    for _ in 0..60 {
        let (head, stream) = knock(&server, "127.0.0.1", "").await;
        statuses.push(status(&head));
        if status(&head) == 503 {
            let after = head.split("\r\nretry-after: ").nth(1).expect("retry-after");
            let seconds: u32 = after.lines().next().unwrap_or_default().parse().expect("seconds");
            assert!((1..=5).contains(&seconds), "{head}");
        } else {
            inside.push(stream);
        }
    }
    let let_in = statuses.iter().filter(|status| **status == 101).count();
    assert!((10..60).contains(&let_in), "{let_in} of 60");
    assert_eq!(
        server.hub.stats().turned_storm.load(Relaxed),
        60 - let_in as u64,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn who_asks_too_much_is_refused_with_111_and_who_goes_on_is_closed_with_3013() {
    let server = server(Config {
        commands_per_second_max: 1,
        commands_burst: 20,
        ..Config::default()
    });
    let (mut raw, _) = Raw::connected(&server, "").await;
    let ask = |n: u32| json!({"id": n, "presence_stats": {"channel": "c"}});
    let mut codes = Vec::new();
    for n in 2..40 {
        codes.push(raw.ask(ask(n)).await["error"]["code"].as_u64());
    }
    let refused = codes.iter().filter(|code| **code == Some(111)).count();
    assert!((15..=19).contains(&refused), "{codes:?}");
    let flood: Vec<String> = (100..1_000).map(|n| ask(n).to_string()).collect();
    raw.send(&flood.join("\n")).await;
    assert_eq!(raw.close_code().await, 3013);
    let stats = server.hub.stats();
    assert!(stats.commands_throttled.load(Relaxed) >= refused as u64);
    assert_eq!(stats.closed_flooding.load(Relaxed), 1);
}

#[tokio::test]
async fn a_compressed_frame_is_a_violation_and_not_a_bomb() {
    let server = server(Config::default());
    let (head, mut stream) = knock(
        &server,
        "127.0.0.1",
        "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n",
    )
    .await;
    assert_eq!(status(&head), 101);
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    // A text frame whose first reserved bit says that it is compressed; masked with zeros.
    stream
        .write_all(&[0xc1, 0x83, 0, 0, 0, 0, 0x4b, 0x04, 0x00])
        .await
        .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("ended");
    assert_eq!(answer[0], 0x88, "a close frame: {answer:?}");
    let code = u16::from_be_bytes([answer[2], answer[3]]);
    assert!([1002, 3501].contains(&code), "{code}");
}
