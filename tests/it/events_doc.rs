//! Keeps docs/events.md true: its tables name exactly the events, numbers, kinds, schema versions and fields of the code.

use std::collections::{BTreeMap, BTreeSet};

use domain::event::*;
use domain::{Event, Gift, Rejection, SessionNumber};
use serde_json::Value;

/// What a row of a table says, or the code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    kind: String,
    number: u16,
    schema: u8,
    fields: BTreeSet<String>,
}

fn id<T: std::str::FromStr<Err = domain::ids::IdError>>(text: &str) -> T {
    text.parse().expect("the sample's ids are well formed")
}

/// One event of a type, with every field that may be absent.
pub(crate) fn sample(event_type: EventType) -> Event {
    let combo = || ComboStep {
        id: id("c1"),
        total: 2,
    };
    let session = SessionNumber(1);
    match event_type {
        EventType::CoinsAdjusted => CoinsAdjusted {
            amount: 1,
            coins_left: 1,
            reason: "x".into(),
        }
        .into(),
        EventType::GiftSent => GiftSent {
            room: id("star"),
            session,
            gift: id("rose"),
            count: 1,
            coins: 10,
            tickets: 10,
            coins_left: 0,
            combo: Some(combo()),
        }
        .into(),
        EventType::ComboRepeated => ComboRepeated {
            combo: combo(),
            coins_left: 0,
        }
        .into(),
        EventType::ComboEnded => ComboEnded {
            room: id("star"),
            gift: id("rose"),
            combo: combo(),
        }
        .into(),
        EventType::CommandRefused => CommandRefused {
            rejection: Rejection::NotEnoughCoins,
        }
        .into(),
        EventType::Followed => Followed {
            streamer: id("star"),
            cleared: 3,
        }
        .into(),
        EventType::Unfollowed => Unfollowed { streamer: id("star") }.into(),
        EventType::Blocked => Blocked {
            user: id("bob"),
            change: 4,
        }
        .into(),
        EventType::Unblocked => Unblocked {
            user: id("bob"),
            change: 5,
        }
        .into(),
        EventType::LiveStarted => LiveStarted {
            session,
            title: String::new(),
        }
        .into(),
        EventType::LiveStopped => LiveStopped { session }.into(),
        EventType::TicketsCredited => TicketsCredited {
            shard: 0,
            after: 0,
            upto: 1,
            gifts: 1,
            tickets: 10,
            tickets_total: 10,
        }
        .into(),
        EventType::ChatSent => ChatSent {
            user: id("ann"),
            text: "hi".into(),
            role: Role::Viewer,
        }
        .into(),
        EventType::Muted => Muted {
            user: id("ann"),
            until_ms: 1_790_000_000_000,
            by: id("bob"),
        }
        .into(),
        EventType::Unmuted => Unmuted {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        EventType::Kicked => Kicked {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        EventType::Banned => Banned {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        EventType::Unbanned => Unbanned {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        EventType::SlowModeSet => SlowModeSet {
            seconds: 30,
            by: id("bob"),
        }
        .into(),
        EventType::FollowersOnlySet => FollowersOnlySet {
            on: true,
            by: id("bob"),
        }
        .into(),
        EventType::NoticePosted => NoticePosted {
            text: "be kind".into(),
            by: id("bob"),
        }
        .into(),
        EventType::Pinned => Pinned {
            text: "new song at nine".into(),
            by: id("bob"),
        }
        .into(),
        EventType::Unpinned => Unpinned { by: id("bob") }.into(),
        EventType::ModeratorAdded => ModeratorAdded {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        EventType::ModeratorRemoved => ModeratorRemoved {
            user: id("ann"),
            by: id("bob"),
        }
        .into(),
        EventType::LikesCounted => LikesCounted {
            session,
            likes: 3,
            total: 3,
        }
        .into(),
        EventType::SettlementAdvanced => SettlementAdvanced { shard: 0, upto: 1 }.into(),
        EventType::CoinsRecharged => CoinsRecharged {
            order: id("o-1"),
            provider: id("sandbox"),
            payment: id("p-1"),
            coins: 600,
            debt_paid: 40,
            coins_left: 1_560,
            debt_left: 2,
        }
        .into(),
        EventType::CoinsTakenBack => CoinsTakenBack {
            order: id("o-1"),
            provider: id("sandbox"),
            coins: 600,
            debt_added: 590,
            coins_left: 3,
            debt_left: 592,
        }
        .into(),
        EventType::DebtForgiven => DebtForgiven {
            coins: 592,
            debt_left: 1,
            reason: "our mistake".into(),
        }
        .into(),
        EventType::TicketsAdjusted => TicketsAdjusted {
            amount: -7,
            tickets_left: 93,
            reason: "credited by mistake".into(),
        }
        .into(),
        EventType::WithdrawalRequested => WithdrawalRequested {
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
        EventType::WithdrawalRefused => WithdrawalRefused {
            rejection: Rejection::NotEnoughTickets,
        }
        .into(),
        EventType::WithdrawalApproved => WithdrawalApproved {
            withdrawal: id("w-1"),
            by: id("kim"),
            approvals: 1,
            approvals_needed: 2,
        }
        .into(),
        EventType::WithdrawalRejected => WithdrawalRejected {
            withdrawal: id("w-1"),
            tickets: 20_000,
            by: id("lee"),
            reason: "not the streamer's account".into(),
            tickets_left: 20_005,
            held_left: 3,
        }
        .into(),
        EventType::WithdrawalSubmitted => WithdrawalSubmitted {
            withdrawal: id("w-1"),
            provider: id("sandbox"),
        }
        .into(),
        EventType::WithdrawalPaid => WithdrawalPaid {
            withdrawal: id("w-1"),
            tickets: 20_000,
            fee: 1_000,
            reference: "t-77".into(),
            held_left: 3,
        }
        .into(),
        EventType::WithdrawalFailed => WithdrawalFailed {
            withdrawal: id("w-1"),
            tickets: 20_000,
            reason: "no such account".into(),
            tickets_left: 20_005,
            held_left: 3,
        }
        .into(),
        EventType::ProcessAdvanced => ProcessAdvanced {
            shard: 2,
            upto: 8_123,
        }
        .into(),
        EventType::OrderCreated => OrderCreated {
            user: id("ann"),
            pack: id("small"),
            coins: 600,
            price: 6_000,
            currency: id("CNY"),
        }
        .into(),
        EventType::OrderCancelled => OrderCancelled { user: id("ann") }.into(),
        EventType::OrderPaid => OrderPaid {
            user: id("ann"),
            provider: id("sandbox"),
            payment: id("p-1"),
            coins: 600,
            cancelled: true,
        }
        .into(),
        EventType::OrderRefunded => OrderRefunded {
            user: id("ann"),
            provider: id("sandbox"),
            payment: id("p-1"),
            coins: 600,
        }
        .into(),
        EventType::PaymentReceived => PaymentReceived {
            provider: id("sandbox"),
            payment: id("p-1"),
            order: id("o-1"),
            amount: 6_000,
            currency: id("CNY"),
        }
        .into(),
        EventType::PaymentUnmatched => PaymentUnmatched {
            order: id("o-1"),
            rejection: Rejection::PaymentMismatch,
        }
        .into(),
        EventType::PaymentRefunded => PaymentRefunded {
            provider: id("sandbox"),
            payment: id("p-1"),
            order: id("o-1"),
            amount: 6_000,
            currency: id("CNY"),
        }
        .into(),
        EventType::GiftListed => GiftListed {
            gift: Gift {
                id: id("rose"),
                name: "Rose".into(),
                coins: 10,
                tickets: 5,
            },
        }
        .into(),
        EventType::GiftDelisted => GiftDelisted { gift: id("rose") }.into(),
        EventType::MessageSent => MessageSent {
            from: id("ann"),
            to: id("bob"),
            number: 1,
            text: "hi".into(),
        }
        .into(),
        EventType::MessagesRead => MessagesRead {
            reader: id("bob"),
            from: id("ann"),
            upto: 1,
        }
        .into(),
    }
}

/// The names of all fields, those within fields included.
fn field_names(value: &Value) -> BTreeSet<String> {
    let fields = value.as_object().into_iter().flatten();
    fields
        .flat_map(|(name, inner)| std::iter::once(name.clone()).chain(field_names(inner)))
        .collect()
}

fn rows_of_the_code() -> BTreeMap<String, Row> {
    let row = |event_type: &EventType| {
        let json = serde_json::to_value(sample(*event_type)).expect("an event becomes JSON");
        assert_eq!(json["type"], event_type.name(), "the type in the JSON");
        let mut fields = field_names(&json);
        fields.remove("type");
        let kind = event_type.stream_kind().name().to_owned();
        let schema = journal::codec::schema(*event_type);
        (
            event_type.name().to_owned(),
            Row {
                kind,
                number: *event_type as u16,
                schema,
                fields,
            },
        )
    };
    EventType::ALL.iter().map(row).collect()
}

/// The rows of all tables; the heading above a table is its kind.
fn rows_of(text: &str) -> Result<BTreeMap<String, Row>, String> {
    let mut rows = BTreeMap::new();
    let mut kind = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.trim().clone_into(&mut kind);
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, number, name, schema, fields, written, _] = cells.as_slice() else {
            continue;
        };
        let (Ok(number), Ok(schema)) = (number.parse(), schema.parse()) else {
            continue;
        };
        if written.is_empty() {
            return Err(format!("{name}: when is it written?"));
        }
        // A field is a word in backticks that a colon follows, or `?` and a colon.
        let parts: Vec<&str> = fields.split('`').collect();
        let is_field = |pair: &&[&str]| pair[1].starts_with(':') || pair[1].starts_with("?:");
        let fields = parts
            .windows(2)
            .skip(1)
            .step_by(2)
            .filter(is_field)
            .map(|pair| pair[0].to_owned())
            .collect();
        let row = Row {
            kind: kind.clone(),
            number,
            schema,
            fields,
        };
        if rows.insert(name.trim_matches('`').to_owned(), row).is_some() {
            return Err(format!("{name} stands twice"));
        }
    }
    Ok(rows)
}

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    std::fs::read_to_string(path).expect("docs/events.md is in the tree")
}

#[test]
fn the_catalogue_of_events_is_true() {
    let (code, document) = (
        rows_of_the_code(),
        rows_of(&document()).expect("docs/events.md can be read"),
    );
    for (name, row) in &code {
        assert_eq!(
            document.get(name),
            Some(row),
            "docs/events.md, {name}: left is the page, right is the code"
        );
    }
    let gone: Vec<&String> = document.keys().filter(|name| !code.contains_key(*name)).collect();
    assert!(
        gone.is_empty(),
        "docs/events.md names what the code does not: {gone:?}"
    );
}

#[test]
fn a_wrong_catalogue_is_noticed() {
    let truth = rows_of_the_code();
    let followed = "`unfollowed` | 1 | `streamer`:";
    for (from, to) in [
        ("## room", "## viewer"),
        ("| 6 | `followed`", "| 8 | `followed`"),
        (followed, "`unfollowed` | 2 | `streamer`:"),
        (followed, "`unfollowed` | 1 | `user`:"),
        ("`coins_left`: coins, unchanged", "coins, unchanged"),
    ] {
        let page = document();
        assert!(page.contains(from), "the page has no {from}");
        assert_ne!(
            rows_of(&page.replace(from, to)),
            Ok(truth.clone()),
            "{from} -> {to}"
        );
    }
}
