//! Every scene of `livehouse crowd`, small, against the real server: the crowd's books agree with what the server says, and what
//! the journal holds afterwards is whole and equals the views.

use serde_json::Value;

use crate::client::House;
use crate::support::livehouse;

/// Plays a scene and returns its report.
async fn play(house: &House, scene: &str, more: &'static [&'static str]) -> (i32, Value) {
    let (server, scene) = (house.server.address.clone(), scene.to_owned());
    let played = tokio::task::spawn_blocking(move || {
        let mut args = vec!["crowd", "--json", "--server", &server, "--scene", &scene];
        args.extend(more);
        livehouse(&args)
    });
    let (code, out, said) = played.await.expect("the crowd runs");
    let report = serde_json::from_str(&out).unwrap_or_else(|_| panic!("a report, not {out}\n{said}"));
    (code, report)
}

/// Plays a scene in a house of its own; everything must hold, on the screen and on the disk.
async fn holds(scene: &str, more: &'static [&'static str]) -> Value {
    let house = House::open();
    let (code, report) = play(&house, scene, more).await;
    assert_eq!((code, &report["violations"]), (0, &Value::from(0)), "{report:#}");
    assert_eq!(report["scene"], scene);
    assert!(
        number(&report, "/gifts") > 0 && number(&report, "/durable_publications") > 0,
        "{report:#}"
    );
    assert!(number(&report, "/purses_checked") > 0, "{report:#}");
    house.assert_unharmed().await;
    let data = house.dir.path().to_string_lossy().into_owned();
    assert!(house.server.stop().success());
    for verb in [
        &["verify", "--data", &data][..],
        &["rebuild", "--check", "--data", &data],
    ] {
        let (code, out, said) = livehouse(verb);
        assert_eq!(code, 0, "{verb:?}: {out}{said}");
    }
    report
}

fn number(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[tokio::test]
async fn a_quiet_evening_adds_up() {
    let report = holds(
        "quiet-evening",
        &[
            "--rooms",
            "3",
            "--viewers",
            "20",
            "--seconds",
            "4",
            "--rate",
            "90",
        ],
    )
    .await;
    assert!(number(&report, "/connections") >= 23, "{report:#}");
    assert!(number(&report, "/acks/chat.send/count") > 0, "{report:#}");
}

#[tokio::test]
async fn a_concert_is_seen_by_everybody_exactly_once() {
    let report = holds("concert", &["--viewers", "60", "--seconds", "4", "--rate", "60"]).await;
    assert!(
        number(&report, "/broadcast/count") > number(&report, "/durable_publications") * 20,
        "{report:#}"
    );
    assert!(
        number(&report, "/received/hearts") > 0 && number(&report, "/received/entered") > 0,
        "{report:#}"
    );
}

#[tokio::test]
async fn a_rain_of_gifts_is_paid_to_the_last_coin() {
    let report = holds(
        "gift-rain",
        &["--viewers", "20", "--seconds", "4", "--rate", "240"],
    )
    .await;
    assert!(number(&report, "/gifts") > 100, "{report:#}");
}

#[tokio::test]
async fn a_storm_of_reconnects_misses_nothing_and_doubles_nothing() {
    let report = holds(
        "reconnect-storm",
        &["--viewers", "60", "--seconds", "6", "--rate", "90"],
    )
    .await;
    let storms = report["storms"].as_array().expect("storms");
    assert_eq!(storms.len(), 2, "{report:#}");
    for storm in storms {
        // 61 are in the room; on a busy machine one may still be on its way in.
        assert!(
            storm["all_back_ms"].is_u64() && (55..=61).contains(&number(storm, "/sockets")),
            "{storm}"
        );
    }
    assert!(
        number(&report, "/recovered") >= 110 && number(&report, "/not_recovered") == 0,
        "{report:#}"
    );
}

#[tokio::test]
async fn trolls_are_refused_and_disturb_nobody() {
    let report = holds("trolls", &["--rooms", "1", "--viewers", "24", "--seconds", "8"]).await;
    let refusals = report["refusals"].as_object().expect("refusals");
    // Too fast, no text, too long, no such gift, a used id, not in charge: each by its own number.
    for code in ["467", "405", "406", "410", "401", "450"] {
        assert!(refusals.contains_key(code), "no {code} in {report:#}");
    }
}

#[tokio::test]
async fn a_purse_that_does_not_add_up_is_named_and_the_exit_code_says_so() {
    let house = House::open();
    let dev = house.dev();
    let mut watching = house.user("eve").await;
    watching.subscribe("room:aurora").await;
    let playing = play(
        &house,
        "quiet-evening",
        &[
            "--rooms",
            "1",
            "--viewers",
            "3",
            "--seconds",
            "4",
            "--rate",
            "240",
        ],
    );
    // Coins that the crowd knows nothing of, for the first who does something: the crowd has looked into its purses then.
    let meddling = async {
        let by_a_viewer = |publication: &Value| {
            publication["user"] != "aurora"
                && (publication["type"] == "gift" || publication["type"] == "chat")
        };
        let heard = watching.publications("room:aurora", by_a_viewer).await;
        let first = heard
            .last()
            .and_then(|publication| publication["data"]["user"].as_str());
        let first = first.expect("somebody").to_owned();
        dev.grant(&first, 7).await.expect("coins");
        first
    };
    let ((code, report), enriched) = tokio::join!(playing, meddling);
    assert_eq!(code, 1, "{report:#}");
    let words = report["violations_are"][0].as_str().unwrap_or_default();
    assert!(words.starts_with(&format!("{enriched} has ")), "{report:#}");
}
