//! The stored shape of every event, for ever: one golden file per type and schema version. To add one (never to change
//! one), run with `LIVEHOUSE_WRITE_GOLDEN=1`: files that exist are left alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use domain::event::*;
use domain::{Event, Gift, Rejection, SessionNumber};
use journal::codec;

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a good id")
}

/// One event of every type, with nothing left at its default.
fn samples() -> Vec<Event> {
    let combo = ComboStep {
        id: id("combo-1"),
        total: 1_000,
    };
    vec![
        CoinsAdjusted {
            amount: -300,
            coins_left: 4_503_599_627_370_496,
            reason: "a wrong grant: taken back".into(),
        }
        .into(),
        GiftSent {
            room: id("bob"),
            session: SessionNumber(7),
            gift: id("rocket"),
            count: 9_999,
            coins: 9_999_000,
            tickets: 99_990,
            coins_left: 12,
            combo: Some(combo.clone()),
        }
        .into(),
        ComboRepeated {
            combo: combo.clone(),
            coins_left: 12,
        }
        .into(),
        ComboEnded {
            room: id("bob"),
            gift: id("rocket"),
            combo,
        }
        .into(),
        CommandRefused {
            rejection: Rejection::NotEnoughCoins,
        }
        .into(),
        Followed {
            streamer: id("bob"),
            cleared: 3,
        }
        .into(),
        Unfollowed { streamer: id("bob") }.into(),
        Blocked {
            user: id("bob"),
            change: 4,
        }
        .into(),
        Unblocked {
            user: id("bob"),
            change: 5,
        }
        .into(),
        LiveStarted {
            session: SessionNumber(8),
            title: "é song".into(),
        }
        .into(),
        LiveStopped {
            session: SessionNumber(8),
        }
        .into(),
        TicketsCredited {
            shard: 2,
            after: 100,
            upto: 8_123,
            gifts: 40,
            tickets: 400,
            tickets_total: 1 << 51,
        }
        .into(),
        ChatSent {
            user: id("ann"),
            text: "hello, 主播".into(),
            role: Role::Viewer,
        }
        .into(),
        Muted {
            user: id("ann"),
            until_ms: 1_790_000_000_000,
            by: id("bob"),
        }
        .into(),
        Unmuted {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        Kicked {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        Banned {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        Unbanned {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        SlowModeSet {
            seconds: 30,
            by: id("bob"),
        }
        .into(),
        FollowersOnlySet {
            on: true,
            by: id("bob"),
        }
        .into(),
        NoticePosted {
            text: "be kind".into(),
            by: id("bob"),
        }
        .into(),
        Pinned {
            text: "new song at nine".into(),
            by: id("bob"),
        }
        .into(),
        Unpinned { by: id("bob") }.into(),
        ModeratorAdded {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        ModeratorRemoved {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        LikesCounted {
            session: SessionNumber(8),
            likes: 412,
            total: 1 << 51,
        }
        .into(),
        SettlementAdvanced {
            shard: 2,
            upto: 8_123,
        }
        .into(),
        CoinsRecharged {
            order: id("o-1"),
            provider: id("sandbox"),
            payment: id("p-1"),
            coins: 600,
            debt_paid: 40,
            coins_left: 1_560,
            debt_left: 2,
        }
        .into(),
        CoinsTakenBack {
            order: id("o-1"),
            provider: id("sandbox"),
            coins: 600,
            debt_added: 590,
            coins_left: 3,
            debt_left: 592,
        }
        .into(),
        DebtForgiven {
            coins: 592,
            debt_left: 1,
            reason: "our mistake".into(),
        }
        .into(),
        TicketsAdjusted {
            amount: -7,
            tickets_left: 93,
            reason: "credited by mistake".into(),
        }
        .into(),
        WithdrawalRequested {
            withdrawal: id("w-1"),
            tickets: 20_000,
            fee: 1_000,
            pays: 190_000,
            currency: id("CNY"),
            account: "alipay:bob".into(),
            approvals_needed: 2,
            tickets_left: 5,
            held_left: 20_000,
        }
        .into(),
        WithdrawalRefused {
            rejection: Rejection::NotEnoughTickets,
        }
        .into(),
        WithdrawalApproved {
            withdrawal: id("w-1"),
            by: id("kim"),
            approvals: 1,
            approvals_needed: 2,
        }
        .into(),
        WithdrawalRejected {
            withdrawal: id("w-1"),
            tickets: 20_000,
            by: id("lee"),
            reason: "not the streamer's account".into(),
            tickets_left: 20_005,
            held_left: 3,
        }
        .into(),
        WithdrawalSubmitted {
            withdrawal: id("w-1"),
            provider: id("sandbox"),
        }
        .into(),
        WithdrawalPaid {
            withdrawal: id("w-1"),
            tickets: 20_000,
            fee: 1_000,
            reference: "t-77".into(),
            held_left: 3,
        }
        .into(),
        WithdrawalFailed {
            withdrawal: id("w-1"),
            tickets: 20_000,
            reason: "no such account".into(),
            tickets_left: 20_005,
            held_left: 3,
        }
        .into(),
        ProcessAdvanced {
            shard: 2,
            upto: 8_123,
        }
        .into(),
        OrderCreated {
            user: id("ann"),
            pack: id("small"),
            coins: 600,
            price: 6_000,
            currency: id("CNY"),
        }
        .into(),
        OrderCancelled { user: id("ann") }.into(),
        OrderPaid {
            user: id("ann"),
            provider: id("sandbox"),
            payment: id("p-1"),
            coins: 600,
            cancelled: true,
        }
        .into(),
        OrderRefunded {
            user: id("ann"),
            provider: id("sandbox"),
            payment: id("p-1"),
            coins: 600,
        }
        .into(),
        PaymentReceived {
            provider: id("sandbox"),
            payment: id("p-1"),
            order: id("o-1"),
            amount: 6_000,
            currency: id("CNY"),
        }
        .into(),
        PaymentUnmatched {
            order: id("o-1"),
            rejection: Rejection::PaymentMismatch,
        }
        .into(),
        PaymentRefunded {
            provider: id("sandbox"),
            payment: id("p-1"),
            order: id("o-1"),
            amount: 6_000,
            currency: id("CNY"),
        }
        .into(),
        GiftListed {
            gift: Gift {
                id: id("rose"),
                name: "Rose".into(),
                coins: 10,
                tickets: 5,
            },
        }
        .into(),
        GiftDelisted { gift: id("rose") }.into(),
        MessageSent {
            from: id("ann"),
            to: id("bob"),
            number: 300,
            text: "see you at 8, 主播".into(),
        }
        .into(),
        MessagesRead {
            reader: id("bob"),
            from: id("ann"),
            upto: 299,
        }
        .into(),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

/// A golden file: the payload in hexadecimal, then the event it stands for as JSON.
fn read(event_type: EventType, schema: u8) -> Option<(Vec<u8>, String)> {
    let path = golden_dir().join(format!("{}.v{schema}", event_type.name()));
    let text = std::fs::read_to_string(path).ok()?;
    let (payload, json) = text.trim_end().split_once('\n').expect("two lines");
    Some((unhex(payload), json.to_owned()))
}

#[test]
fn every_event_type_and_version_has_a_golden_file() {
    let samples = samples();
    for event_type in EventType::ALL {
        let sample = samples.iter().find(|e| e.event_type() == *event_type);
        let sample = sample.unwrap_or_else(|| panic!("{} has no sample in this test", event_type.name()));
        let schema = codec::schema(*event_type);
        let path = golden_dir().join(format!("{}.v{schema}", event_type.name()));
        if std::env::var_os("LIVEHOUSE_WRITE_GOLDEN").is_some() && !path.exists() {
            let text = format!("{}\n{}\n", hex(&codec::encode(sample).2), codec::to_json(sample));
            std::fs::write(&path, text).expect("the golden directory can be written");
        }
        for version in 1..=schema {
            assert!(
                read(*event_type, version).is_some(),
                "{} of schema {version} has no golden file",
                event_type.name()
            );
        }
    }
}

#[test]
fn golden_files_of_every_version_are_read() {
    let mut read_files = 0;
    for event_type in EventType::ALL {
        for schema in 1..=codec::schema(*event_type) {
            let (payload, json) = read(*event_type, schema).expect("the other test says which is missing");
            let event = codec::decode_payload(*event_type, schema, &payload)
                .expect("a stored event is readable for ever");
            assert_eq!(
                codec::from_json(schema, &json),
                Ok(event),
                "{} {schema}",
                event_type.name()
            );
            read_files += 1;
        }
    }
    let there = std::fs::read_dir(golden_dir())
        .expect("the golden directory")
        .count();
    assert_eq!(read_files, there, "a golden file that no test reads");
}

#[test]
fn the_present_version_is_written_as_its_golden_file_says() {
    for event in samples() {
        let (event_type, schema, payload) = codec::encode(&event);
        let (golden, json) = read(event_type, schema).expect("the other test says which is missing");
        assert_eq!(hex(&payload), hex(&golden), "{}", event_type.name());
        assert_eq!(codec::to_json(&event), json);
        assert_eq!(codec::decode_payload(event_type, schema, &payload), Ok(event));
    }
}

#[test]
fn unknown_versions_cut_bytes_and_left_over_bytes_are_refused() {
    for event in samples() {
        let (event_type, schema, mut payload) = codec::encode(&event);
        assert!(codec::decode_payload(event_type, schema + 1, &payload).is_err());
        assert!(codec::decode_payload(event_type, 0, &payload).is_err());
        assert!(codec::decode_payload(event_type, schema, &payload[..payload.len() - 1]).is_err());
        payload.push(0);
        assert!(codec::decode_payload(event_type, schema, &payload).is_err());
    }
    assert!(codec::from_json(1, r#"{"type":"coins_stolen"}"#).is_err());
    assert!(codec::from_json(1, "{").is_err());
}
