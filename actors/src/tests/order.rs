//! What one viewer gives is decided in the order in which it was given, also while a room is asked for its session.

use std::time::Duration;

use actix::System;
use domain::StreamId;
use domain::viewer::Answer;
use journal::{BoxFuture, Checkpoint, JournalId, Position, Record, RecordBatch, Result, Snapshot, Tail};
use tokio::sync::watch;

use super::*;
use crate::limits::VIEWER_MAILBOX_COMMANDS_MAX;
use crate::{Actors, Config, Failure};

/// A reader that cannot bring back one streamer before it is let.
struct Gated {
    journal: MemoryJournal,
    streamer: StreamId,
    open: watch::Receiver<bool>,
}

impl Reader for Gated {
    fn id(&self) -> JournalId {
        self.journal.id()
    }
    fn shards(&self) -> u16 {
        self.journal.shards()
    }
    fn head(&self) -> Checkpoint {
        self.journal.head()
    }
    fn read(&self, after: Position, bytes_max: usize) -> BoxFuture<'_, Result<Arc<RecordBatch>>> {
        self.journal.read(after, bytes_max)
    }
    fn tail(&self, after: &Checkpoint) -> Box<dyn Tail> {
        self.journal.tail(after)
    }
    fn read_stream(
        &self,
        stream: &StreamId,
        after_version: u64,
        not_before: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>>> {
        let records = self.journal.read_stream(stream, after_version, not_before, limit);
        let (gated, mut open) = (*stream == self.streamer, self.open.clone());
        Box::pin(async move {
            if gated {
                open.wait_for(|open| *open).await.expect("the gate is there");
            }
            records.await
        })
    }
    fn find_command(&self, stream: &StreamId, command_id: &str) -> BoxFuture<'_, Result<Option<Record>>> {
        self.journal.find_command(stream, command_id)
    }
    fn find_command_anywhere(&self, command_id: &str, limit: usize) -> BoxFuture<'_, Result<Vec<Record>>> {
        self.journal.find_command_anywhere(command_id, limit)
    }
    fn snapshot(&self, stream: &StreamId) -> BoxFuture<'_, Result<Option<Snapshot>>> {
        self.journal.snapshot(stream)
    }
}

fn gift(room: &str, combo: Option<u32>) -> viewer::Command {
    let combo = combo.map(|total| domain::event::ComboStep { id: id("c"), total });
    viewer::Command::SendGift(SendGift {
        room: id(room),
        session: None,
        gift: id("rose"),
        count: 1,
        combo,
    })
}

/// A house in which Ann has coins, Kim and Lee are live, and only Lee is known to be: as after a restart.
struct Scene {
    world: World,
    gate: watch::Sender<bool>,
    actors: Actors,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new();
        for streamer in ["kim", "lee"] {
            let mut streamer: Kim = world.actor(streamer);
            streamer.ask("s", start_live()).expect("live");
        }
        let mut ann: Ann = world.actor("ann");
        ann.ask("grant", grant(10_000)).expect("granted");
        let (gate, open) = watch::channel(false);
        let reader = Gated {
            journal: world.journal.clone(),
            streamer: StreamId::streamer(&id("kim")),
            open,
        };
        let config = Config {
            arbiters: 2,
            room_arbiters: 1,
            streamer_arbiters: 1,
            idle_after_ms: 1_000_000,
            settle: false,
        };
        let actors = Actors::start(world.house_over(Arc::new(reader)), &config);
        let scene = Self { world, gate, actors };
        scene.give("warm", gift("lee", None)).await.expect("sent");
        scene
    }

    fn give(
        &self,
        command_id: &str,
        command: viewer::Command,
    ) -> impl Future<Output = Outcome<Answer>> + use<> {
        let (reply, outcome) = Reply::channel();
        self.actors
            .viewer(&id("ann"), request("ann", command_id, 7), command, reply);
        outcome
    }

    fn open(&self) {
        self.gate.send(true).expect("the reader is there");
    }

    async fn end(self) {
        assert!(self.actors.stop(Duration::from_secs(20)).await);
        assert!(self.world.journal.records(0).len() > 3);
    }
}

#[test]
fn gifts_of_one_sender_keep_their_order_while_a_room_is_first_looked_up() {
    System::new().block_on(async {
        let scene = Scene::new().await;
        let gifts = [
            ("g1", gift("kim", Some(1))),
            ("g2", gift("lee", None)),
            ("g3", gift("kim", Some(2))),
            ("g4", viewer::Command::EndCombo { combo: id("c") }),
            ("g5", gift("lee", None)),
        ];
        let outcomes: Vec<_> = gifts
            .into_iter()
            .map(|(id, command)| scene.give(id, command))
            .collect();
        scene.open();
        let mut positions = Vec::new();
        for outcome in outcomes {
            positions.push(outcome.await.expect("accepted").position.sequence);
        }
        assert!(positions.is_sorted(), "{positions:?}");
        // Nothing waits any more: the next ones go straight.
        assert!(scene.give("g6", gift("kim", Some(3))).await.is_ok());
        scene.end().await;
    });
}

#[test]
fn a_gift_whose_room_is_not_live_holds_nobody_back_for_good() {
    System::new().block_on(async {
        let scene = Scene::new().await;
        scene.open();
        // Each of these rooms is asked for, one after the other.
        let nowhere: Vec<_> = (0..10)
            .map(|n| scene.give(&format!("n{n}"), gift(&format!("r{n}"), None)))
            .collect();
        let last = scene.give("last", gift("kim", None));
        for outcome in nowhere {
            let refused = outcome.await;
            assert!(
                matches!(refused, Err(Failure::Rejected(domain::Rejection::RoomNotLive))),
                "{refused:?}"
            );
        }
        assert!(last.await.is_ok());
        scene.end().await;
    });
}

#[test]
fn what_waits_behind_a_gift_is_bounded_and_the_rest_is_told_busy() {
    System::new().block_on(async {
        let scene = Scene::new().await;
        let first = scene.give("first", gift("kim", None));
        let outcomes: Vec<_> = (0..VIEWER_MAILBOX_COMMANDS_MAX + 3)
            .map(|n| scene.give(&format!("g{n}"), follow(&format!("s{n}"))))
            .collect();
        scene.open();
        assert!(first.await.is_ok());
        let mut busy = 0;
        for outcome in outcomes {
            busy += u64::from(matches!(
                outcome.await,
                Err(Failure::Rejected(domain::Rejection::Busy))
            ));
        }
        // All that waited goes to the mailbox at once, where the viewer takes it out meanwhile.
        assert!(busy >= 3, "{busy}");
        assert_eq!(scene.actors.stats().refused(domain::Rejection::Busy), busy);
        scene.end().await;
    });
}
