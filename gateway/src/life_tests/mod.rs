//! Whole connections without sockets, in any order of events: publications, slow readers, full outboxes, lost places,
//! broken connections, late answers. Whatever happens, each client has every durable publication exactly once and in
//! order. Time and the backend's answers are the test's; the rest is what serves real sockets.

mod client;
mod slow;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use self::client::Client;
use self::stream::Stream;
use crate::config::Config;
use crate::error::Unsubscribe;
use crate::fanout::Clock;
use crate::gateway::Gateway;
use crate::hub::Hub;
use crate::limits::CHANNEL_PENDING_BYTES_MAX;
use crate::publication::{Class, Publication, Urgency};

const CHANNEL: &str = "room";
const CLIENTS: usize = 3;
const NEVER: Duration = Duration::from_secs(1_000_000);
/// Payload of each publication of a burst.
const BURST_BYTES: usize = 4_000;

/// So small that a handful of publications fills it.
fn config() -> Config {
    Config {
        outbox_bytes_max: 2_000,
        subscribe_buffer_bytes_max: 1_000,
        // These clients answer no pings.
        ping_interval: NEVER,
        stale_after: NEVER,
        commands_per_second_max: 1_000_000,
        commands_burst: 1_000_000,
        ..Config::default()
    }
}

#[derive(Clone, Debug)]
enum Event {
    Publish {
        class: Class,
        urgency: Urgency,
        bytes: usize,
    },
    /// More at once than a channel may have waiting.
    Burst,
    Pass {
        ms: u64,
    },
    /// The backend answers so many of the calls that wait.
    Answer {
        calls: usize,
    },
    /// A client's socket takes so many bytes; the client reads them and acts.
    Read {
        client: usize,
        bytes: usize,
    },
    Subscribe {
        client: usize,
    },
    Unsubscribe {
        client: usize,
    },
    /// A connection breaks; the client comes back.
    Break {
        client: usize,
    },
    /// The server takes a user's places away.
    Expel {
        client: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let class = prop_oneof![
        5 => Just(Class::Durable),
        1 => Just(Class::State),
        2 => Just(Class::Ephemeral)
    ];
    let urgency = prop_oneof![Just(Urgency::Tick), Just(Urgency::Soon), Just(Urgency::Now)];
    let client = 0..CLIENTS;
    prop_oneof![
        160 => (class, urgency, 0..600usize)
            .prop_map(|(class, urgency, bytes)| Event::Publish { class, urgency, bytes }),
        1 => Just(Event::Burst),
        60 => (1..120u64).prop_map(|ms| Event::Pass { ms }),
        60 => (1..4usize).prop_map(|calls| Event::Answer { calls }),
        100 => (client.clone(), 1..3_000usize).prop_map(|(client, bytes)| Event::Read { client, bytes }),
        30 => client.clone().prop_map(|client| Event::Subscribe { client }),
        10 => client.clone().prop_map(|client| Event::Unsubscribe { client }),
        10 => client.clone().prop_map(|client| Event::Break { client }),
        10 => client.prop_map(|client| Event::Expel { client }),
    ]
}

struct World {
    hub: Arc<Hub>,
    stream: Arc<Stream>,
    clients: Vec<Client>,
}

impl World {
    fn new() -> Self {
        let hub = Hub::with_clock(Clock::moved());
        let stream = Arc::new(Stream::default());
        let gateway = Gateway::new(config(), hub.clone(), stream.clone());
        let clients = (0..CLIENTS).map(|number| Client::new(number, &gateway)).collect();
        Self { hub, stream, clients }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Publish {
                class,
                urgency,
                bytes,
            } => self.publish(class, urgency, bytes),
            Event::Burst => (0..CHANNEL_PENDING_BYTES_MAX / BURST_BYTES + 2).for_each(|_| {
                self.publish(Class::Durable, Urgency::Tick, BURST_BYTES);
            }),
            Event::Pass { ms } => self.hub.pass(ms),
            Event::Answer { calls } => self.stream.answer(calls),
            Event::Read { client, bytes } => self.clients[client].read(bytes, &self.stream),
            Event::Subscribe { client } => self.clients[client].subscribe(),
            Event::Unsubscribe { client } => self.clients[client].unsubscribe(),
            Event::Break { client } => self.clients[client].reconnect(),
            Event::Expel { client } => {
                let user = self.clients[client].user();
                self.hub
                    .unsubscribe_user(&user, CHANNEL, &Unsubscribe::INSUFFICIENT_STATE);
            }
        }
        self.hub.turn();
    }

    fn publish(&self, class: Class, urgency: Urgency, bytes: usize) {
        let publication = match class {
            Class::Durable => self.stream.append(bytes),
            Class::State => Publication::new("{\"viewers\":1}").telling_losses(),
            Class::Ephemeral => Publication::new(format!("\"{}\"", "e".repeat(bytes))),
        };
        let sent = self.hub.publish(CHANNEL, class, &publication.urgent(urgency));
        sent.expect("within limits");
    }

    /// Every client reads until nothing more comes.
    fn calm(&mut self) {
        const ROUNDS_MAX: usize = 10_000;
        let mut seen = None;
        for _ in 0..ROUNDS_MAX {
            self.stream.answer(100);
            self.hub.settle();
            self.clients.iter_mut().for_each(Client::subscribe);
            for client in &mut self.clients {
                client.read(10_000_000, &self.stream);
            }
            let now: Vec<usize> = self.clients.iter().map(Client::progress).collect();
            if seen.as_ref() == Some(&now) {
                return;
            }
            seen = Some(now);
        }
        panic!("no end after {ROUNDS_MAX} rounds");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn durable_publications_come_exactly_once_in_order_or_are_recovered_whatever_the_reader_does(
        events in vec(event(), 1..150)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime for timers");
        let _time = runtime.enter();
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        world.calm();
        for client in &world.clients {
            client.has_everything(&world.stream);
        }
        prop_assert_eq!(world.hub.presence_stats(CHANNEL).num_clients as usize, CLIENTS);
        drop(world.clients);
        prop_assert_eq!((world.hub.connections(), world.hub.channels()), (0, 0));
    }
}

/// Shows that the property above is no empty one: slow readers lose and recover, and are told what is gone for good.
#[test]
fn a_reader_of_a_byte_at_a_time_gets_everything_durable_and_hears_of_the_rest() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime for timers");
    let _time = runtime.enter();
    let mut world = World::new();
    (0..CLIENTS).for_each(|client| world.happen(Event::Subscribe { client }));
    for turn in 0..20_000 {
        if turn % 40 == 0 {
            world.publish(Class::Durable, Urgency::Tick, 100);
            world.publish(Class::Ephemeral, Urgency::Tick, 200);
        }
        if turn % 400 == 0 {
            world.publish(Class::State, Urgency::Tick, 0);
        }
        world.happen(Event::Answer { calls: 1 });
        world.happen(Event::Read { client: 0, bytes: 1 });
        world.happen(Event::Read {
            client: 1,
            bytes: 100_000,
        });
        world.happen(Event::Pass { ms: 1 });
        // The third never reads.
    }
    let stats = world.hub.stats();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert!(
        count(&stats.lost_durable_subscriptions) >= 2,
        "both slow ones lost their places"
    );
    assert!(count(&stats.lost_ephemeral) > 100, "{stats:?}");
    assert_eq!(world.clients[1].skipped(), 0, "who reads in time loses nothing");
    world.calm();
    world.publish(Class::State, Urgency::Tick, 0);
    world.calm();
    for client in &world.clients {
        client.has_everything(&world.stream);
    }
    assert!(world.clients[0].skipped() > 100, "{}", world.clients[0].skipped());
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
