//! One command id where somebody made it stand as often as he could: questions stay cheap, and right.

use std::sync::Arc;
use std::sync::mpsc::channel;

use domain::event::Followed;
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, EmbeddedReader, EmbeddedWriter, Options};
use journal::storage::sim::SimStorage;
use journal::{Append, Cause, Expected, Reader, Writer};

const STREAMS: usize = 30_000;

fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the embedded engine's futures are ready at once"),
    }
}

fn stream(number: usize) -> StreamId {
    StreamId::new(StreamKind::Viewer, &format!("viewer-{number}"))
}

fn append(writer: &EmbeddedWriter, number: usize, command_id: &str, events: usize) -> Append {
    let streamer: domain::UserId = "bob".parse().expect("a good id");
    Append {
        stream: stream(number),
        expected: Expected::Any,
        epoch: writer.epoch(),
        cause: Cause {
            command_id: Some(command_id.into()),
            request_hash: 1,
            actor: "ann".into(),
        },
        events: vec![Followed { streamer, cleared: 0 }.into(); events],
    }
}

/// A journal in which every stream has the command `c` twice: from its own user, and from one who is the same for all.
fn crowded(sim: &SimStorage, segment_bytes: u64) -> EmbeddedReader {
    let options = Options {
        segment_bytes,
        ..Options::default()
    };
    let (reader, writer) =
        Embedded::open_storage(Arc::new(sim.clone()), options).expect("an empty directory");
    let (told, outcomes) = channel();
    for number in 0..STREAMS {
        for (id, events) in [("c", 3), ("kim\u{1f}c", 1)] {
            let told = told.clone();
            let done = Box::new(move |outcome: journal::Result<_>| _ = told.send(outcome.is_ok()));
            assert!(writer.append(append(&writer, number, id, events), done).is_ok());
        }
    }
    drop(told);
    assert_eq!(outcomes.iter().filter(|good| *good).count(), 2 * STREAMS);
    writer.close();
    reader
}

#[test]
fn one_id_in_very_many_streams_is_found_in_each_and_a_search_everywhere_keeps_to_its_limit() {
    for segment_bytes in [1 << 20, 1 << 30] {
        let sim = SimStorage::new(1);
        let reader = crowded(&sim, segment_bytes);
        let first_of = |number: usize| 4 * number as u64 + 1;
        for number in (0..STREAMS).step_by(97) {
            for (id, place) in [("c", 0), ("kim\u{1f}c", 3)] {
                let found = now(reader.find_command(&stream(number), id)).expect("a good journal");
                assert_eq!(found.map(|r| r.position.sequence), Some(first_of(number) + place));
            }
            let other = now(reader.find_command(&stream(number), "lee\u{1f}c"));
            assert!(matches!(other, Ok(None)));
        }
        let places = |id: &str, limit| -> Vec<u64> {
            let found = now(reader.find_command_anywhere(id, limit)).expect("a good journal");
            found.iter().map(|record| record.position.sequence).collect()
        };
        assert_eq!(places("c", 5), [1, 4, 5, 8, 9]);
        assert_eq!(places("kim\u{1f}c", 3), [4, 8, 12]);
        assert!(places("lee\u{1f}c", 3).is_empty() && places("d", 3).is_empty());
        let all = places("c", usize::MAX);
        assert_eq!(all.len(), 2 * STREAMS);
        assert!(all.is_sorted() && all.last() == Some(&(first_of(STREAMS) - 1)));
    }
}

#[test]
fn an_index_file_that_is_made_again_is_the_one_that_was_lost() {
    let sim = SimStorage::new(1);
    drop(crowded(&sim, 1 << 20));
    for number in [1, 2, 3] {
        let name = format!("0000000{number}.index");
        let index = sim.content(&name).expect("a full segment");
        sim.flip_bit(&name, 9_000, 3);
        sim.put(&name, &sim.content(&name).expect("a file")[..9_000]);
        let opened = Embedded::open_storage(Arc::new(sim.clone()), Options::default());
        drop(opened.expect("indexes are no part of the journal"));
        assert!(sim.content(&name) == Some(index), "{name} is not as it was");
    }
}
