//! Actors in their arbiters: mailboxes, panics, idleness, and the way in and out.

use std::sync::mpsc;
use std::time::Duration;

use actix::{Arbiter, System};
use domain::event::{ChatSent, Role};
use domain::{Aggregate, Context, Decision, Event, Rejection, StreamKind};
use serde::{Deserialize, Serialize};

use super::*;
use crate::registry::Registry;
use crate::{Actors, Config, Failure};

/// A room that can be made to block and to fall over.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fragile {
    said: u64,
}

#[derive(Clone)]
enum Poke {
    Say(&'static str),
    Block(Arc<Mutex<mpsc::Receiver<()>>>),
}

/// The text at which deciding panics.
const PANIC_IN_DECIDE: &str = "decide!";
/// The text at which folding panics, though not when it is replayed (records carry the journal's time).
const PANIC_IN_EVOLVE: &str = "evolve!";

impl Aggregate for Fragile {
    const KIND: StreamKind = StreamKind::Room;
    const SNAPSHOT_SCHEMA: u16 = 1;
    type Command = Poke;
    type Answer = ();

    fn new(_: &UserId) -> Self {
        Self { said: 0 }
    }

    fn decide(&self, command: &Poke, _: &Context<'_>) -> Result<Decision<()>, Rejection> {
        match command {
            Poke::Say(PANIC_IN_DECIDE) => panic!("as asked"),
            Poke::Say(text) => Ok(Decision::happens(ChatSent {
                user: id("ann"),
                text: (*text).into(),
                role: Role::Viewer,
            })),
            Poke::Block(until) => {
                _ = until.lock().recv();
                Ok(Decision::Already(()))
            }
        }
    }

    fn evolve(&mut self, event: &Event, recorded_at_ms: i64) {
        let Event::ChatSent(chat) = event else { return };
        assert!(
            chat.text != PANIC_IN_EVOLVE || recorded_at_ms > 1_000_000,
            "as asked"
        );
        self.said += 1;
    }

    fn answer(_: &Event) -> Result<(), Rejection> {
        Ok(())
    }

    fn refused(_: &Poke, _: Rejection) -> Option<Event> {
        None
    }
}

impl Kind for Fragile {
    const MAILBOX_COMMANDS_MAX: usize = 8;
}

fn fragile(world: &World, idle_after_ms: i64) -> Arc<Registry<Fragile>> {
    let arbiters = vec![Arbiter::new().handle(), Arbiter::new().handle()];
    Registry::new(Arc::new(world.house()), arbiters, idle_after_ms)
}

/// Says something and gives what will come of it.
fn say(
    registry: &Registry<Fragile>,
    key: &str,
    command_id: &str,
    poke: Poke,
) -> impl Future<Output = Outcome<()>> + use<> {
    let (reply, outcome) = Reply::channel();
    registry.send(
        &id(key),
        Work::Command(Job {
            request: request("ann", command_id, 7),
            command: poke,
            reply,
        }),
    );
    outcome
}

#[test]
fn a_panic_costs_one_command_and_the_actor_goes_on_from_the_journal() {
    System::new().block_on(async {
        let world = World::new();
        let registry = fragile(&world, 1_000_000);
        assert!(say(&registry, "kim", "1", Poke::Say("hi")).await.is_ok());
        // What was queued before the fold panicked took place.
        let queued = say(&registry, "kim", "2", Poke::Say(PANIC_IN_EVOLVE)).await;
        assert!(queued.is_ok(), "{queued:?}");
        let lost = say(&registry, "kim", "3", Poke::Say(PANIC_IN_DECIDE)).await;
        assert!(matches!(lost, Err(Failure::Lost)), "{lost:?}");
        assert!(say(&registry, "kim", "4", Poke::Say("hi")).await.is_ok());
        assert!(say(&registry, "lee", "5", Poke::Say("hi")).await.is_ok());
        let (reply, state) = Reply::channel();
        registry.send(&id("kim"), Work::Ask(reply));
        assert_eq!(state.await.expect("told").answer.said, 3);
        assert_eq!(registry.house().stats().panics.get(), 2);
        assert_eq!(registry.len(), 2);
    });
}

#[test]
fn a_full_mailbox_says_busy_and_what_is_in_it_is_done() {
    System::new().block_on(async {
        let world = World::new();
        let registry = fragile(&world, 1_000_000);
        let (release, until) = mpsc::channel();
        let blocked = say(&registry, "kim", "b", Poke::Block(Arc::new(Mutex::new(until))));
        let outcomes: Vec<_> = (0..40)
            .map(|n| say(&registry, "kim", &format!("c{n}"), Poke::Say("hi")))
            .collect();
        release.send(()).expect("it waits");
        assert!(blocked.await.is_ok());
        let (mut said, mut busy) = (0, 0);
        for outcome in outcomes {
            match outcome.await {
                Ok(_) => said += 1,
                Err(Failure::Rejected(Rejection::Busy)) => busy += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(said + busy, 40);
        assert!(
            (Fragile::MAILBOX_COMMANDS_MAX - 1..=Fragile::MAILBOX_COMMANDS_MAX + 2).contains(&said),
            "{said}"
        );
        assert_eq!(registry.house().stats().refused(Rejection::Busy), busy as u64);
        assert_eq!(world.journal.records(0).len(), said);
    });
}

#[test]
fn an_idle_actor_leaves_and_no_command_is_lost_to_it() {
    System::new().block_on(async {
        let world = World::new();
        // Idle at once: every tick makes an actor leave that has nothing in its mailbox.
        let registry = fragile(&world, 0);
        let (stop, stopped) = mpsc::channel::<()>();
        let sweeping = registry.clone();
        let sweeper = std::thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                sweeping.sweep(true);
                std::thread::yield_now();
            }
        });
        for n in 0..2_000 {
            let key = ["kim", "lee", "max"][n % 3];
            loop {
                match say(&registry, key, &format!("c{n}"), Poke::Say("hi")).await {
                    Ok(_) => break,
                    // Its mailbox may be full of ticks: busy is an answer too, and the same again is safe.
                    Err(Failure::Rejected(Rejection::Busy)) => tokio::task::yield_now().await,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        stop.send(()).expect("sweeping");
        sweeper.join().expect("swept");
        assert_eq!(world.journal.records(0).len(), 2_000);
        assert!(registry.house().stats().stopped_idle.get() > 10);
        assert_eq!(
            registry.house().stats().thrown_away.get(),
            0,
            "never two actors of one key"
        );
        registry.house().close();
        registry.empty().await;
        assert_eq!(registry.len(), 0);
    });
}

fn config() -> Config {
    Config {
        arbiters: 2,
        room_arbiters: 1,
        streamer_arbiters: 1,
        idle_after_ms: 1_000_000,
        settle: true,
    }
}

async fn command<T>(give: impl FnOnce(Reply<T>)) -> Outcome<T>
where
    T: Send + 'static,
{
    let (reply, outcome) = Reply::channel();
    give(reply);
    outcome.await
}

#[test]
fn a_gift_goes_all_the_way_from_the_viewer_to_the_streamers_tickets() {
    System::new().block_on(async {
        let world = World::new();
        let actors = Actors::start(world.house(), &config());
        let (ann, kim) = (id::<UserId>("ann"), id::<UserId>("kim"));
        command(|reply| actors.viewer(&ann, request("admin", "1", 7), grant(100), reply))
            .await
            .expect("granted");
        // A room that nobody has spoken of is asked for: it is not live, and that refusal stays.
        let early = command(|reply| actors.viewer(&ann, request("ann", "g0", 7), roses(1), reply)).await;
        assert!(matches!(early, Err(Failure::Rejected(Rejection::RoomNotLive))));
        command(|reply| actors.streamer(&kim, request("kim", "s", 7), start_live(), reply))
            .await
            .expect("live");
        let early = command(|reply| actors.viewer(&ann, request("ann", "g0", 7), roses(1), reply)).await;
        assert!(matches!(early, Err(Failure::Rejected(Rejection::RoomNotLive))));
        let sent = command(|reply| actors.viewer(&ann, request("ann", "g1", 7), roses(3), reply))
            .await
            .expect("sent");
        assert_eq!(
            sent.answer,
            viewer::Answer::Gift {
                coins: 70,
                combo_total: None
            }
        );
        assert_eq!(sent.position.sequence, 4);
        assert!(actors.stop(Duration::from_secs(20)).await);
        let after = command(|reply| actors.viewer(&ann, request("ann", "g2", 7), roses(3), reply)).await;
        assert!(matches!(after, Err(Failure::Broken(journal::Error::Closed))));
        // After a restart: the tickets, the cursor, and nothing twice.
        let actors = Actors::start(world.house(), &config());
        let state = command(|reply| actors.ask_streamer(&kim, reply))
            .await
            .expect("told")
            .answer;
        assert_eq!((state.tickets(), state.settled_upto(0)), (15, 4));
        assert!(actors.stop(Duration::from_secs(20)).await);
        let types: Vec<_> = world
            .journal
            .records(0)
            .iter()
            .map(|r| r.event_type.name())
            .collect();
        let credited = ["tickets_credited", "settlement_advanced"];
        assert_eq!(
            types[..4],
            ["coins_adjusted", "command_refused", "live_started", "gift_sent"]
        );
        assert_eq!(types[4..], credited);
    });
}

#[test]
fn a_stopped_house_has_no_actors_left_and_a_snapshot_of_each() {
    System::new().block_on(async {
        let world = World::new();
        let actors = Actors::start(world.house(), &config());
        for n in 0..50 {
            let user = id::<UserId>(&format!("u{n}"));
            command(|reply| actors.viewer(&user, request("admin", "1", 7), grant(5), reply))
                .await
                .expect("granted");
        }
        assert_eq!(actors.residents().viewers, 50);
        assert!(actors.stop(Duration::from_secs(20)).await);
        assert_eq!(actors.residents().viewers, 0);
        let mut again: Ann = world.actor("u7");
        assert!(again.ask("2", grant(1)).is_ok());
        assert_eq!(again.house.stats().replayed_records.get(), 0);
    });
}
