//! A disk that fills up, shown by a limit on the size of files: the process ends with words, and a restart with room
//! finds everything that was acknowledged.

use std::fs::File;
use std::process::Command;
use std::sync::mpsc::channel;

use domain::event::{ChatSent, Role};
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, Options};
use journal::{Append, Cause, Expected, Writer};
use serde_json::{Value, json};

use crate::client::{House, Socket};
use crate::support::{LIVEHOUSE, Server, livehouse};

/// The views' and the snapshots' store want files of 64 MiB; the journal shall be the one that meets the limit.
const FILE_BYTES_MAX: u64 = 65 << 20;
/// What is left to the journal when the server starts.
const LEFT_BYTES: u64 = 64 << 10;
/// `ulimit -f` counts these.
const BLOCK_BYTES: u64 = 512;

/// Fills a journal up to a little below the limit.
fn fill(data: &std::path::Path) {
    let (_reader, writer) =
        Embedded::open(data.join("journal"), Options::default()).expect("an empty directory");
    let mut left = FILE_BYTES_MAX - LEFT_BYTES;
    while left > 0 {
        let text_bytes = left.min(60_000);
        let said = ChatSent {
            user: "filler".parse().expect("an id"),
            text: "x".repeat(usize::try_from(text_bytes).expect("it fits")),
            role: Role::Viewer,
        };
        let append = Append {
            stream: StreamId::new(StreamKind::Room, "attic"),
            expected: Expected::Any,
            epoch: writer.epoch(),
            cause: Cause {
                command_id: None,
                request_hash: 0,
                actor: "filler".into(),
            },
            events: vec![said.into()],
        };
        let (told, outcome) = channel();
        let taken = writer.append(append, Box::new(move |result| _ = told.send(result)));
        assert!(taken.is_ok(), "the queue is not full");
        assert!(outcome.recv().expect("an outcome").is_ok());
        let size = std::fs::metadata(data.join("journal/00000001.segment"))
            .expect("a segment")
            .len();
        left = (FILE_BYTES_MAX - LEFT_BYTES).saturating_sub(size);
    }
}

/// Goes live and off again and again until the server can no longer; returns what was acknowledged.
async fn play_until_it_ends(star: &mut Socket) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for n in 2u64.. {
        let (method, data) = if n % 2 == 0 {
            (
                "live.start",
                json!({ "command_id": format!("c{n}"), "title": "x".repeat(100) }),
            )
        } else {
            ("live.stop", json!({ "command_id": format!("c{n}") }))
        };
        let command = json!({ "id": n, "rpc": { "method": method, "data": data } });
        match star.try_ask(command).await {
            Some(Value::Object(reply)) if reply.contains_key("rpc") => {
                acknowledged.push(reply["rpc"]["data"]["position"].as_u64().expect("a position"));
            }
            // An error that is the server's own fault, or the end of the connection.
            Some(reply) => assert_eq!(reply["error"]["code"], 100, "{reply}"),
            None => break,
        }
        assert!(n < 10_000, "the disk does not fill up");
    }
    acknowledged
}

#[tokio::test]
async fn a_full_disk_ends_the_process_with_words_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    fill(dir.path());
    let said = dir.path().join("said");
    let script = format!(
        "trap '' XFSZ; ulimit -f {}; exec \"$0\" demo --no-crowd --listen 127.0.0.1:0 --data \"$1\"",
        FILE_BYTES_MAX / BLOCK_BYTES
    );
    let server = Server::spawn(
        Command::new("sh")
            .args(["-c", &script, LIVEHOUSE])
            .arg(dir.path())
            .env("LIVEHOUSE_LOG_FILTER", "warn")
            .stderr(File::create(&said).expect("a file")),
    );
    let dev = livehouse::crowd::Dev {
        server: server.address.clone(),
    };
    let token = dev.token("star").await.expect("a token");
    let mut star = Socket::connect(&server.address, &token).await;
    let acknowledged = play_until_it_ends(&mut star).await;
    let status = tokio::task::spawn_blocking(move || server.ended())
        .await
        .expect("the test's thread ends");
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(&said).expect("what the server said");
    assert!(said.contains("free space or mend the disk"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(acknowledged.len() > 10, "{acknowledged:?}");

    let house = House::reopen(dir);
    let mut eve = house.user("eve").await;
    let data = house.dir.path().to_string_lossy().into_owned();
    let (code, out, said) = livehouse(&["replay", "--room", "star", "--json", "--data", &data]);
    assert_eq!(code, 0, "{said}");
    let positions = out.lines().map(|line| {
        let publication: Value = serde_json::from_str(line).expect("JSON");
        publication["position"].as_u64().expect("a position")
    });
    let kept: Vec<u64> = positions.collect();
    // One more may have become durable without its acknowledgement getting through.
    assert_eq!(kept[..acknowledged.len()], acknowledged);
    assert!(kept.len() <= acknowledged.len() + 1);
    let once_more = json!({ "command_id": "again", "room": "star", "text": "there is room again" });
    assert!(eve.rpc("chat.send", once_more).await.is_ok());
    let (code, _, said) = livehouse(&["verify", "--data", &data]);
    assert_eq!(code, 0, "{said}");
}
