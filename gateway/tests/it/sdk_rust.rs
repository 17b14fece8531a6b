//! The published Rust SDK, unmodified, in both formats.

use std::time::Duration;

use centrifuge::{Client, Error, HistoryOptions, Protocol};
use futures_util::StreamExt;
use gateway::{Config, Disconnect, Hub};

use crate::memory::{Memory, Profile};
use crate::support::Server;

const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

#[derive(Debug)]
enum Event {
    Subscribed(bool),
    Publication(u64),
}

fn server() -> Server {
    let hub = Hub::new();
    Server::start(
        Config::default(),
        hub.clone(),
        Memory::new(hub, Profile::Js, false),
    )
}

fn client(server: &Server, protocol: Protocol) -> Client {
    let builder = Client::builder(server.url()).protocol(protocol);
    builder
        .min_reconnect_delay(Duration::from_millis(10))
        .max_reconnect_delay(Duration::from_millis(50))
        .build()
        .expect("a client")
}

async fn both(test: impl AsyncFn(Client, Server)) {
    for protocol in [Protocol::Json, Protocol::Protobuf] {
        let server = server();
        let client = client(&server, protocol);
        client.connect().expect("starts");
        client.ready(PATIENCE).await.expect("connected");
        test(client, server).await;
    }
}

#[tokio::test]
async fn the_rust_sdk_subscribes_publishes_and_asks() {
    both(async |client, _server| {
        let sub = client.new_subscription("chat").build().expect("new");
        let mut publications = sub.publications();
        sub.subscribe();
        sub.ready(PATIENCE).await.expect("subscribed");
        sub.publish(r#"{"text":"hi"}"#).await.expect("published");
        let received = publications.next().await.expect("received");
        assert_eq!(
            (&received.publication.data[..], received.publication.offset),
            (&br#"{"text":"hi"}"#[..], 1)
        );
        let history = sub
            .history(HistoryOptions::new().limit(10))
            .await
            .expect("history");
        assert_eq!((history.publications.len(), history.offset), (1, 1));
        let stats = sub.presence_stats().await.expect("stats");
        assert_eq!((stats.num_clients, stats.num_users), (1, 1));
        assert_eq!(sub.presence().await.expect("presence").clients.len(), 1);
        match client.rpc("method", "{}").await {
            Err(Error::Server(error)) => assert_eq!(error.code, 108),
            other => panic!("{other:?}"),
        }
        client.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_rust_sdk_recovers_what_it_missed_while_it_was_away() {
    both(async |client, server| {
        let (events, mut received) = tokio::sync::mpsc::unbounded_channel();
        let subscribed = events.clone();
        let sub = client
            .new_subscription("recovery:1")
            .recoverable(true)
            .on_subscribed(move |_, event| _ = subscribed.send(Event::Subscribed(event.recovered)))
            .on_publication(move |_, event| _ = events.send(Event::Publication(event.publication.offset)))
            .build()
            .expect("new");
        sub.subscribe();
        sub.ready(PATIENCE).await.expect("subscribed");
        sub.publish("1").await.expect("published");
        for info in server.hub.presence("recovery:1") {
            assert!(
                server
                    .hub
                    .disconnect_client(&info.client, &Disconnect::FORCE_RECONNECT)
            );
        }
        // Published by another while the first one is away.
        let other = Client::builder(server.url()).build().expect("a client");
        other.connect().expect("starts");
        let others = other.new_subscription("recovery:1").build().expect("new");
        others.subscribe();
        others.ready(PATIENCE).await.expect("subscribed");
        for n in 2..=5 {
            others.publish(n.to_string()).await.expect("published");
        }
        let (mut offsets, mut recovered) = (Vec::new(), false);
        while offsets.last() != Some(&5) {
            match tokio::time::timeout(Duration::from_secs(10), received.recv()).await {
                Ok(Some(Event::Publication(offset))) => offsets.push(offset),
                Ok(Some(Event::Subscribed(again))) => recovered |= again,
                nothing => panic!("{nothing:?} after {offsets:?}"),
            }
        }
        assert_eq!(offsets, [1, 2, 3, 4, 5]);
        assert!(recovered);
        client.close().await;
        other.close().await;
    })
    .await;
}
