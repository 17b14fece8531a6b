//! The hub's promises, with peers but without sockets.

use std::sync::Mutex;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::peer::Notice;
use crate::protocol::Format;

const CHANNEL: &str = "room";

struct Bench {
    hub: Arc<Hub>,
    config: Config,
    next: u32,
}

impl Bench {
    fn new() -> Self {
        Self {
            hub: Hub::with_clock(Clock::moved()),
            config: Config::default(),
            next: 0,
        }
    }

    /// An outbox so small that a publication or two of `fill` bytes overflow it.
    fn narrow() -> Self {
        let config = Config {
            outbox_bytes_max: 400,
            subscribe_buffer_bytes_max: 400,
            ..Config::default()
        };
        Self {
            hub: Hub::with_clock(Clock::moved()),
            config,
            next: 0,
        }
    }

    fn peer(&mut self, user: &str, format: Format) -> Arc<Peer> {
        self.next += 1;
        let peer = Peer::new(format!("client-{}", self.next).into(), format, &self.config);
        self.hub.enter(&peer);
        self.hub.identify(&peer, &user.into());
        peer
    }

    fn info(&self, peer: &Peer, user: &str) -> ClientInfo {
        ClientInfo {
            user: user.into(),
            client: peer.client.clone(),
            ..ClientInfo::default()
        }
    }

    /// A peer with an open, recoverable, client-side subscription.
    fn member(&mut self, user: &str) -> Arc<Peer> {
        let peer = self.peer(user, Format::Json);
        self.open(&peer, user, false, true);
        peer
    }

    fn open(&self, peer: &Arc<Peer>, user: &str, server_side: bool, recoverable: bool) {
        self.hub.attach(peer, CHANNEL, server_side, false);
        if recoverable {
            peer.set_recoverable(CHANNEL);
        }
        self.hub.join(peer, CHANNEL, self.info(peer, user), false);
        assert_eq!(self.hub.go_live(peer, CHANNEL, 0), Ok(()));
    }

    fn publish(&self, class: Class, offset: u64, bytes: usize) -> usize {
        let data = format!("\"{}\"", "x".repeat(bytes.saturating_sub(2)));
        let publication = Publication {
            data: data.into(),
            offset: (offset > 0).then_some(offset),
            ..Publication::default()
        };
        let subscribers = self.hub.publish(CHANNEL, class, &publication);
        self.hub.settle();
        subscribers.expect("within limits")
    }
}

fn drained(peer: &Peer) -> Bytes {
    peer.next_frame(usize::MAX).unwrap_or_default()
}

fn pushes(peer: &Peer) -> Vec<Value> {
    let frame = drained(peer);
    let lines = frame.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice::<Value>(line).expect("JSON")["push"].clone())
        .collect()
}

fn orders(peer: &Peer) -> (Option<u16>, Vec<u32>) {
    let mut notices = Vec::new();
    let close = peer.take_orders(&mut notices).map(|why| why.code);
    (
        close,
        notices
            .into_iter()
            .map(|Notice::Unsubscribed { why, .. }| why.code)
            .collect(),
    )
}

#[test]
fn a_publication_reaches_every_open_subscription_once_and_nobody_else() {
    let mut bench = Bench::new();
    let (first, second) = (bench.member("a"), bench.member("b"));
    let stranger = bench.peer("c", Format::Json);
    assert_eq!(bench.publish(Class::Durable, 7, 4), 2);
    for peer in [&first, &second] {
        assert_eq!(
            pushes(peer),
            [json!({"channel": CHANNEL, "pub": {"data": "xx", "offset": 7}})]
        );
    }
    assert!(pushes(&stranger).is_empty());
}

#[test]
fn each_format_gets_its_own_encoding() {
    let mut bench = Bench::new();
    let json = bench.member("a");
    let protobuf = bench.peer("b", Format::Protobuf);
    bench.open(&protobuf, "b", false, true);
    bench.publish(Class::Ephemeral, 0, 4);
    assert_eq!(
        &drained(&json)[..],
        b"{\"push\":{\"channel\":\"room\",\"pub\":{\"data\":\"xx\"}}}"
    );
    assert_eq!(
        &drained(&protobuf)[..],
        b"\x10\x22\x0e\x12\x04room\x22\x06\x22\x04\"xx\""
    );
}

#[test]
fn what_is_published_while_a_subscription_opens_comes_behind_its_reply() {
    let mut bench = Bench::new();
    let peer = bench.peer("a", Format::Json);
    bench.hub.attach(&peer, CHANNEL, false, false);
    assert_eq!(bench.publish(Class::Durable, 1, 4), 1);
    assert_eq!(bench.publish(Class::Durable, 2, 4), 1);
    assert!(drained(&peer).is_empty());
    peer.send(Bytes::from_static(b"{\"id\":1}"), &mut Losses::default());
    assert_eq!(bench.hub.go_live(&peer, CHANNEL, 1), Ok(()));
    bench.publish(Class::Durable, 3, 4);
    let frame = drained(&peer);
    let text = std::str::from_utf8(&frame).expect("utf-8");
    let offsets: Vec<_> = text
        .lines()
        .skip(1)
        .map(|line| line.contains("\"offset\":2"))
        .collect();
    assert!(text.starts_with("{\"id\":1}\n"));
    assert_eq!(
        offsets,
        [true, false],
        "1 was in the reply, 2 was held back, 3 is live: {text}"
    );
}

#[test]
fn a_full_outbox_gives_up_a_recoverable_channel_with_2500_and_keeps_the_connection() {
    let mut bench = Bench::narrow();
    let (slow, fast) = (bench.member("slow"), bench.member("fast"));
    bench.publish(Class::Durable, 1, 150);
    drained(&fast);
    bench.publish(Class::Durable, 2, 200);
    assert_eq!(orders(&slow), (None, vec![2500]));
    assert_eq!(
        pushes(&slow).last(),
        Some(&json!({"channel": CHANNEL, "unsubscribe": {
        "code": 2500, "reason": "insufficient state"}}))
    );
    assert_eq!(pushes(&fast).len(), 1);
    assert_eq!(
        bench.hub.presence_stats(CHANNEL),
        PresenceStats {
            num_clients: 1,
            num_users: 1
        }
    );
    assert_eq!(bench.hub.stats().lost_durable_subscriptions.load(Relaxed), 1);
    assert_eq!(bench.publish(Class::Durable, 3, 10), 1, "the slow one is out");
}

#[test]
fn a_full_outbox_closes_with_3010_on_the_servers_side_and_3008_where_nothing_can_be_recovered() {
    for (server_side, recoverable, code) in [(true, true, 3010), (false, false, 3008)] {
        let mut bench = Bench::narrow();
        let peer = bench.peer("a", Format::Json);
        bench.open(&peer, "a", server_side, recoverable);
        bench.publish(Class::Durable, 1, 200);
        bench.publish(Class::Durable, 2, 200);
        assert_eq!(orders(&peer), (Some(code), vec![]));
    }
}

#[test]
fn losses_are_counted_by_class() {
    let mut bench = Bench::narrow();
    let peer = bench.member("a");
    bench.publish(Class::State, 0, 10);
    bench.publish(Class::State, 0, 10);
    bench.publish(Class::Ephemeral, 0, 300);
    bench.publish(Class::Ephemeral, 0, 300);
    let stats = bench.hub.stats();
    assert_eq!(stats.conflated_state.load(Relaxed), 1);
    assert_eq!(stats.lost_ephemeral.load(Relaxed), 1);
    assert_eq!(pushes(&peer).len(), 2);
}

#[test]
fn users_are_counted_apart_from_connections() {
    let mut bench = Bench::new();
    let peers = [bench.member("a"), bench.member("a"), bench.member("b")];
    assert_eq!(
        bench.hub.presence_stats(CHANNEL),
        PresenceStats {
            num_clients: 3,
            num_users: 2
        }
    );
    assert_eq!(bench.hub.presence(CHANNEL).len(), 3);
    assert!(bench.hub.detach(&peers[0], CHANNEL, None));
    assert_eq!(
        bench.hub.presence_stats(CHANNEL),
        PresenceStats {
            num_clients: 2,
            num_users: 2
        }
    );
}

#[test]
fn those_who_are_still_opening_are_not_present() {
    let mut bench = Bench::new();
    let peer = bench.peer("a", Format::Json);
    bench.hub.attach(&peer, CHANNEL, false, false);
    assert_eq!(bench.hub.presence_stats(CHANNEL), PresenceStats::default());
}

#[test]
fn join_and_leave_are_told_only_where_asked_for() {
    let mut bench = Bench::new();
    let watcher = bench.member("w");
    let quiet = bench.member("q");
    bench.hub.leave(&quiet, Some(&"q".into()));
    assert!(pushes(&watcher).is_empty());
    let loud = bench.peer("l", Format::Json);
    bench.hub.attach(&loud, CHANNEL, false, false);
    bench.hub.join(&loud, CHANNEL, bench.info(&loud, "l"), true);
    bench.hub.settle();
    bench.hub.leave(&loud, Some(&"l".into()));
    bench.hub.settle();
    let info = json!({"info": {"user": "l", "client": &*loud.client}});
    assert_eq!(
        pushes(&watcher),
        [
            json!({"channel": CHANNEL, "join": info}),
            json!({"channel": CHANNEL, "leave": info})
        ]
    );
}

#[test]
fn nothing_is_left_of_a_connection_that_went() {
    let mut bench = Bench::new();
    let peer = bench.member("a");
    assert_eq!((bench.hub.connections(), bench.hub.channels()), (1, 1));
    bench.hub.leave(&peer, Some(&"a".into()));
    assert_eq!((bench.hub.connections(), bench.hub.channels()), (0, 0));
    assert_eq!(bench.hub.disconnect_user("a", &Disconnect::FORCE_DISCONNECT), 0);
    assert_eq!(bench.hub.stats().subscriptions.load(Relaxed), 0);
    assert_eq!(bench.hub.stats().connections.load(Relaxed), 0);
    assert_eq!(Arc::strong_count(&peer), 1, "no one else holds it");
}

#[test]
fn a_freed_place_is_never_mistaken_for_its_former_owner() {
    let mut bench = Bench::narrow();
    let slow = bench.member("slow");
    let _other = bench.member("other");
    bench.publish(Class::Durable, 1, 150);
    drained(&_other);
    bench.publish(Class::Durable, 2, 200);
    let heir = bench.member("heir");
    bench.hub.leave(&slow, Some(&"slow".into()));
    assert_eq!(bench.hub.presence_stats(CHANNEL).num_clients, 2);
    drained(&heir);
    bench.publish(Class::Durable, 3, 10);
    assert_eq!(pushes(&heir).len(), 1);
}

#[test]
fn a_user_is_unsubscribed_and_disconnected_everywhere() {
    let mut bench = Bench::new();
    let (first, second, other) = (bench.member("a"), bench.member("a"), bench.member("b"));
    assert_eq!(bench.hub.unsubscribe_user("a", CHANNEL, &Unsubscribe::SERVER), 2);
    for peer in [&first, &second] {
        assert_eq!(orders(peer), (None, vec![2000]));
    }
    assert_eq!(bench.hub.presence_stats(CHANNEL).num_clients, 1);
    assert_eq!(
        bench.hub.disconnect_user("a", &Disconnect::new(4001, "banned")),
        2
    );
    assert_eq!(orders(&first).0, Some(4001));
    assert!(
        bench
            .hub
            .disconnect_client(&other.client, &Disconnect::FORCE_RECONNECT)
    );
    assert_eq!(orders(&other).0, Some(3011));
    assert!(
        !bench
            .hub
            .disconnect_client("nobody", &Disconnect::FORCE_RECONNECT)
    );
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let hub = Hub::new();
    let too_large = Publication::new(vec![b'1'; limits::PUBLICATION_BYTES_MAX + 1]);
    assert!(matches!(
        hub.publish("c", Class::Durable, &too_large),
        Err(PublishError::TooLarge { .. })
    ));
    for offset in [0, limits::OFFSET_MAX + 1] {
        let publication = Publication::new("1").at(offset);
        assert_eq!(
            hub.publish("c", Class::Durable, &publication),
            Err(PublishError::Offset { offset })
        );
    }
    assert_eq!(
        hub.publish("c", Class::Durable, &Publication::new("1").at(1)),
        Ok(0)
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_everyone_spread_over_time_and_lets_no_one_in() {
    let mut bench = Bench::new();
    let peers: Vec<_> = (0..100).map(|_| bench.member("a")).collect();
    let started = tokio::time::Instant::now();
    bench.hub.shutdown(Duration::from_secs(1)).await;
    assert_eq!(started.elapsed(), Duration::from_secs(1));
    assert!(peers.iter().all(|peer| orders(peer).0 == Some(3001)));
    assert_eq!(orders(&bench.peer("late", Format::Json)).0, Some(3001));
}

#[test]
fn many_publishers_and_comers_leave_every_member_with_one_ordered_stream() {
    let mut bench = Bench::new();
    bench.hub = Hub::new();
    let watcher = bench.member("w");
    let next = Mutex::new(0u64);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let mut next = lock(&next);
                    *next += 1;
                    let publication = Publication::new("1").at(*next);
                    bench
                        .hub
                        .publish(CHANNEL, Class::Durable, &publication)
                        .expect("within limits");
                }
            });
        }
        for comer in 0..2 {
            let hub = bench.hub.clone();
            scope.spawn(move || {
                for turn in 0..500 {
                    let id = format!("comer-{comer}-{turn}");
                    let peer = Peer::new(id.into(), Format::Json, &Config::default());
                    hub.enter(&peer);
                    hub.attach(&peer, CHANNEL, false, false);
                    assert_eq!(hub.go_live(&peer, CHANNEL, 0), Ok(()));
                    hub.leave(&peer, None);
                }
            });
        }
    });
    let mut offsets = Vec::new();
    while offsets.len() < 2_000 {
        let pushes = pushes(&watcher);
        offsets.extend(pushes.iter().map(|push| push["pub"]["offset"].as_u64()));
        std::thread::yield_now();
    }
    assert_eq!(offsets, (1..=2_000).map(Some).collect::<Vec<_>>());
    assert_eq!(bench.hub.connections(), 1);
}

#[test]
fn what_is_said_within_a_tick_is_one_shared_frame() {
    let mut bench = Bench::new();
    let peers = [bench.member("a"), bench.member("b")];
    bench.publish(Class::Durable, 1, 4);
    let before = bench.hub.stats().ticks.load(Relaxed);
    peers.iter().for_each(|peer| drop(drained(peer)));
    for offset in 2..=4 {
        let publication = Publication::new("1").at(offset);
        bench
            .hub
            .publish(CHANNEL, Class::Durable, &publication)
            .expect("within limits");
    }
    bench.hub.pass(limits::TICK_MS_MIN - 1);
    assert!(drained(&peers[0]).is_empty(), "the tick is not over");
    bench.hub.pass(1);
    let frames = [drained(&peers[0]), drained(&peers[1])];
    assert_eq!(frames[0].as_ptr(), frames[1].as_ptr(), "encoded once");
    assert_eq!(frames[0].split(|byte| *byte == b'\n').count(), 3);
    assert_eq!(bench.hub.stats().ticks.load(Relaxed), before + 1);
}

#[test]
fn a_tick_too_large_for_a_frame_becomes_several() {
    let mut bench = Bench::new();
    let peer = bench.member("a");
    let publication = |offset| Publication::new(vec![b'1'; 10_000]).at(offset);
    for offset in 1..=50 {
        bench
            .hub
            .publish(CHANNEL, Class::Durable, &publication(offset))
            .expect("within limits");
    }
    bench.hub.settle();
    let frames = std::iter::from_fn(|| peer.next_frame(limits::FRAME_BYTES_TARGET));
    let sizes: Vec<_> = frames.map(|frame| frame.len()).collect();
    assert!(
        sizes.len() == 17
            && sizes
                .iter()
                .all(|size| *size < limits::FRAME_BYTES_TARGET + 1_000),
        "{sizes:?}"
    );
}

#[test]
fn a_channel_that_says_too_much_at_once_makes_its_subscribers_recover() {
    let mut bench = Bench::new();
    let (peer, opening) = (bench.member("a"), bench.peer("o", Format::Json));
    bench.hub.attach(&opening, CHANNEL, false, false);
    opening.set_recoverable(CHANNEL);
    for offset in 1..=8 {
        let publication = Publication::new(vec![b'1'; limits::PUBLICATION_BYTES_MAX]).at(offset);
        bench
            .hub
            .publish(CHANNEL, Class::Durable, &publication)
            .expect("within limits");
    }
    bench.hub.settle();
    assert_eq!(orders(&peer), (None, vec![2500]));
    assert_eq!(pushes(&peer).len(), 1, "nothing but the unsubscribe");
    assert_eq!(
        bench.hub.go_live(&opening, CHANNEL, 0),
        Err(Gap),
        "the other reads the stream"
    );
    let stats = bench.hub.stats();
    assert_eq!(
        [&stats.lapsed_channels, &stats.lost_durable_subscriptions].map(|count| count.load(Relaxed)),
        [1, 1]
    );
}

#[test]
fn those_who_hear_a_channel_by_number_and_those_who_hear_it_by_name_hear_the_same() {
    let mut bench = Bench::new();
    let named = bench.member("a");
    let numbered = bench.peer("b", Format::Json);
    bench.hub.attach(&numbered, CHANNEL, false, true);
    assert_eq!(bench.hub.go_live(&numbered, CHANNEL, 0), Ok(()));
    bench.publish(Class::Durable, 1, 4);
    let publication = json!({"data": "xx", "offset": 1});
    assert_eq!(pushes(&named), [json!({"channel": CHANNEL, "pub": publication})]);
    assert_eq!(pushes(&numbered), [json!({"id": 1, "pub": publication})]);
    assert_eq!(bench.hub.unsubscribe_user("b", CHANNEL, &Unsubscribe::SERVER), 1);
    assert_eq!(pushes(&numbered)[0]["channel"], CHANNEL, "the last word names it");
}

#[test]
fn a_full_channel_costs_nobody_elsewhere_anything() {
    let mut bench = Bench::new();
    let quiet = bench.peer("q", Format::Json);
    bench.hub.attach(&quiet, "quiet", false, false);
    assert_eq!(bench.hub.go_live(&quiet, "quiet", 0), Ok(()));
    let _loud = bench.member("l");
    for _ in 0..200 {
        let publication = Publication::new(vec![b'1'; 100_000]);
        bench
            .hub
            .publish(CHANNEL, Class::Ephemeral, &publication)
            .expect("within limits");
    }
    assert_eq!(
        bench
            .hub
            .publish("quiet", Class::Durable, &Publication::new("1").at(1)),
        Ok(1)
    );
    bench.hub.turn();
    assert_eq!(pushes(&quiet).len(), 1);
    assert!(bench.hub.stats().lost_ephemeral.load(Relaxed) > 150);
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn who_is_put_out_of_a_channel_with_no_room_to_say_so_is_closed_though_its_socket_takes_nothing() {
    let mut bench = Bench::narrow();
    let peer = bench.member("a");
    peer.send(vec![b'1'; 100_000].into(), &mut Losses::default());
    let wakes = Arc::new(Wakes::default());
    assert!(peer.stall(&wakes.clone().into()));
    assert_eq!(bench.hub.unsubscribe_user("a", CHANNEL, &Unsubscribe::SERVER), 1);
    assert_eq!(wakes.0.load(Relaxed), 1);
    assert_eq!(orders(&peer), (Some(3008), vec![]));
}

/// A socket that breaks whoever writes to it.
#[derive(Debug)]
struct Broken;

impl crate::peer::Line for Broken {
    fn try_write(&self, _bytes: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        panic!("as the test wants it")
    }
}

#[test]
fn after_a_panic_of_the_fan_out_everybody_recovers_though_nothing_follows() {
    let mut bench = Bench::new();
    let (peer, other) = (bench.member("a"), bench.member("b"));
    peer.set_line(Some(Arc::new(Broken)));
    assert!(peer.sleep(std::task::Waker::noop()));
    bench.publish(Class::Durable, 1, 10);
    for peer in [peer, other] {
        assert_eq!(orders(&peer), (None, vec![2500]));
    }
}

#[test]
fn however_small_its_publications_a_channel_makes_no_frame_over_the_limit() {
    const PUBLICATIONS: u64 = 10_000;
    let mut bench = Bench::new();
    let peer = bench.member("a");
    for offset in 1..=PUBLICATIONS {
        let publication = Publication::new("1").at(offset);
        let sent = bench.hub.publish(CHANNEL, Class::Durable, &publication);
        sent.expect("within limits");
    }
    bench.hub.settle();
    let frames = std::iter::from_fn(|| peer.next_frame(limits::FRAME_BYTES_TARGET));
    let (mut largest, mut lines) = (0, 0);
    for frame in frames {
        largest = largest.max(frame.len());
        lines += frame.split(|byte| *byte == b'\n').count() as u64;
    }
    assert_eq!(lines, PUBLICATIONS);
    assert!(largest <= limits::FRAME_BYTES_TARGET * 2, "{largest}");
}
