//! Data directories that are not as they should be: the server refuses to start, names the place, and changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use domain::event::{ChatSent, Role};
use domain::{StreamId, StreamKind};
use journal::embedded::{Embedded, Options};
use journal::{Append, Cause, Expected, Writer};
use projections::store::Batch;
use projections::{FjallStore, ViewStore};
use serde_json::json;

use crate::client::{COINS, House, demo, run};
use crate::support::livehouse;

const FIRST_SEGMENT: &str = "00000001.segment";

/// A directory in which a show has taken place and the server was killed.
async fn after_a_show() -> tempfile::TempDir {
    let house = House::with_a_show().await;
    let mut ann = house.user("ann").await;
    for n in 0..20 {
        let gift = json!({ "command_id": format!("g{n}"), "room": "star", "gift": "rose", "count": 1 });
        ann.rpc("gift.send", gift).await.expect("accepted");
    }
    let House { dir, server } = house;
    server.kill();
    dir
}

fn journal_files(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(data.join("journal")).expect("a journal");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), fs::read(path).expect("a file")))
        .collect()
}

/// Why the server does not start. Sees to it that nothing in the journal changed.
#[track_caller]
fn refusal(data: &Path) -> String {
    let before = journal_files(data);
    let said = refused(data);
    let changed = journal_files(data) != before;
    assert!(!changed, "a refused directory was changed: {said}");
    said
}

/// Why the server ends before it serves.
#[track_caller]
fn refused(data: &Path) -> String {
    let (code, out, said) = run(&mut demo(data));
    assert_eq!((code, out.as_str()), (1, ""), "{said}");
    assert!(
        said.contains("livehouse: ") && !said.contains("panicked"),
        "{said}"
    );
    said
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a file");
    change(&mut bytes);
    fs::write(path, bytes).expect("the same file");
}

fn data_of(dir: &tempfile::TempDir) -> &str {
    dir.path().to_str().expect("the path is text")
}

#[tokio::test]
async fn a_flipped_bit_refuses_to_start_naming_segment_and_offset() {
    let dir = after_a_show().await;
    edit(&dir.path().join("journal").join(FIRST_SEGMENT), |bytes| {
        bytes[700] ^= 4
    });
    let (code, _, verify) = livehouse(&["verify", "--data", data_of(&dir)]);
    assert_eq!(code, 1, "{verify}");
    for said in [refusal(dir.path()), verify] {
        assert!(
            said.contains(FIRST_SEGMENT) && said.contains("at byte "),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_journal_of_another_version_is_refused_by_its_number() {
    let dir = after_a_show().await;
    edit(&dir.path().join("journal/identity"), |bytes| bytes[8] = 77);
    let said = refusal(dir.path());
    assert!(said.contains("identity") && said.contains("format 77"), "{said}");
}

#[tokio::test]
async fn a_segment_of_another_journal_is_refused_by_name() {
    let (dir, other) = tokio::join!(after_a_show(), after_a_show());
    let segment = Path::new("journal").join(FIRST_SEGMENT);
    fs::copy(other.path().join(&segment), dir.path().join(&segment)).expect("copied");
    let said = refusal(dir.path());
    assert!(said.contains(FIRST_SEGMENT) && said.contains("journal"), "{said}");
}

#[tokio::test]
async fn a_missing_file_refuses_to_start_and_nothing_is_begun_anew() {
    for missing in ["identity", FIRST_SEGMENT] {
        let dir = after_a_show().await;
        fs::remove_file(dir.path().join("journal").join(missing)).expect("it was there");
        let said = refusal(dir.path());
        assert!(said.contains(missing), "{missing}: {said}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_directory_is_refused_and_the_first_goes_on() {
    let house = House::open();
    let (code, out, said) = run(&mut demo(house.dir.path()));
    assert_eq!((code, out.as_str()), (1, ""), "{said}");
    assert!(said.contains(&*house.journal().to_string_lossy()), "{said}");
    let data = house.dir.path().to_string_lossy().into_owned();
    let (code, _, said) = livehouse(&["rebuild", "--data", &data]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("stop the server first"), "{said}");
    house.assert_unharmed().await;
}

/// A journal of several small segments, as a server with other settings would have left it.
fn small_segments(data: &Path) -> usize {
    let options = Options {
        segment_bytes: 4_096,
        ..Options::default()
    };
    let (_reader, writer) = Embedded::open(data.join("journal"), options).expect("an empty directory");
    for number in 0..200 {
        let said = ChatSent {
            user: "ann".parse().expect("an id"),
            text: format!("{number} {}", "x".repeat(100)),
            role: Role::Viewer,
        };
        let append = Append {
            stream: StreamId::new(StreamKind::Room, "star"),
            expected: Expected::Any,
            epoch: writer.epoch(),
            cause: Cause {
                command_id: Some(format!("c{number}").into()),
                request_hash: number,
                actor: "ann".into(),
            },
            events: vec![said.into()],
        };
        let (told, outcome) = channel();
        let taken = writer.append(append, Box::new(move |result| _ = told.send(result)));
        assert!(taken.is_ok(), "the queue is not full");
        assert!(outcome.recv().expect("an outcome").is_ok());
    }
    drop(writer);
    let segments = journal_files(data).into_keys();
    segments
        .filter(|path| path.extension().is_some_and(|e| e == "segment"))
        .count()
}

#[test]
fn a_segment_missing_in_the_middle_refuses_to_start_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(small_segments(dir.path()) > 3);
    fs::remove_file(dir.path().join("journal/00000002.segment")).expect("it was there");
    let said = refusal(dir.path());
    assert!(said.contains("00000002"), "{said}");
}

#[test]
fn a_flipped_bit_in_an_old_segment_is_named_where_it_is_first_read() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(small_segments(dir.path()) > 3);
    edit(&dir.path().join("journal/00000002.segment"), |bytes| {
        bytes[1_500] ^= 1
    });
    // Old segments are not read through at every start: it is the views that come upon the damage.
    let said = refused(dir.path());
    assert!(
        said.contains("00000002.segment") && said.contains("at byte "),
        "{said}"
    );
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_nothing_acknowledged_with_it() {
    let dir = after_a_show().await;
    edit(&dir.path().join("journal").join(FIRST_SEGMENT), |bytes| {
        bytes.extend(b"LVHB torn")
    });
    let (code, out, said) = livehouse(&["verify", "--data", data_of(&dir)]);
    assert_eq!(code, 0, "{said}");
    assert!(
        out.contains("9 bytes behind the last batch were never acknowledged"),
        "{out}"
    );
    let house = House::reopen(dir);
    let wallet = house
        .user("ann")
        .await
        .rpc("wallet.get", json!({}))
        .await
        .expect("a wallet");
    assert_eq!(wallet["coins"], COINS - 200);
}

#[tokio::test]
async fn damaged_or_missing_views_are_made_again_from_the_journal() {
    for harm in [remove_views, garble_views] {
        let dir = after_a_show().await;
        harm(&dir.path().join("views"));
        let house = House::reopen(dir);
        let mut ann = house.user("ann").await;
        let wallet = ann.rpc("wallet.get", json!({})).await.expect("a wallet");
        assert_eq!(wallet["coins"], COINS - 200);
        let board = ann
            .rpc("board.get", json!({ "board": "coins" }))
            .await
            .expect("a board");
        assert_eq!(
            board["entries"],
            json!([{ "rank": 1, "user": "ann", "score": 200 }])
        );
        house.assert_unharmed().await;
    }
}

fn remove_views(views: &Path) {
    fs::remove_dir_all(views).expect("removed");
}

fn garble_views(views: &Path) {
    for entry in fs::read_dir(views).expect("views") {
        let path = entry.expect("an entry").path();
        if path.is_file() && path.file_name().is_some_and(|name| name != "lock") {
            fs::write(path, b"not what was here before").expect("written");
        }
    }
}

/// Changes one stored balance, as no program of ours would.
fn tamper(views: &Path) {
    let store = FjallStore::open(views).expect("the views");
    let spaces = store.spaces().expect("spaces");
    let balances = spaces
        .iter()
        .find(|name| name.contains("balances"))
        .expect("balances");
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut visit = |k: &[u8], v: &[u8]| {
        (key, value) = (k.to_vec(), v.to_vec());
        Ok(std::ops::ControlFlow::Break(()))
    };
    let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    store
        .scan(balances, everything.0, everything.1, &mut visit)
        .expect("entries");
    *value.first_mut().expect("a balance") ^= 1;
    let mut batch = Batch::new();
    batch.space(balances).set(&key, &value);
    store.commit(&batch).expect("committed");
}

#[tokio::test]
async fn a_check_of_the_views_finds_what_a_rebuild_then_mends() {
    for harm in [tamper, remove_views] {
        let house = House::reopen(after_a_show().await);
        let House { dir, server } = house;
        assert!(server.stop().success());
        let check = ["rebuild", "--check", "--data", data_of(&dir)];
        let (code, out, said) = livehouse(&check);
        assert_eq!(code, 0, "{out}{said}");
        assert!(out.contains("equal"), "{out}");

        let views: Arc<Path> = dir.path().join("views").into();
        harm(&views);
        let (code, out, said) = livehouse(&check);
        assert_eq!(code, 1, "{out}{said}");
        assert!(
            out.contains("balances") || said.contains("balances"),
            "{out}{said}"
        );
        let (code, out, said) = livehouse(&["rebuild", "--data", data_of(&dir)]);
        assert_eq!(code, 0, "{out}{said}");
        let (code, out, said) = livehouse(&check);
        assert_eq!(code, 0, "{out}{said}");
    }
}
