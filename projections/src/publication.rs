//! The one place that turns events into the publications of `docs/protocol.md`. The same code serves what goes out live, what
//! a reconnecting client gets, and what an operator replays.

use std::fmt::Write as _;

use domain::event::{ComboStep, Role};
use domain::{Event, UserId};
use journal::{Position, RecordRef};

use crate::deltas::WithdrawalChange;
use crate::fact::position;
use crate::ledger::Balance;

/// What a publication needs of a record besides its event.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Where the record stands; the publication's offset.
    pub position: Position,
    /// Server time, unix ms.
    pub at_ms: i64,
    /// Key of the record's stream: the sender of a gift, the streamer who went live.
    pub key: &'a str,
}

impl<'a> Moment<'a> {
    /// The moment of a record.
    pub fn of(record: &RecordRef<'a>) -> Self {
        Self {
            position: record.position,
            at_ms: record.recorded_at_ms,
            key: record.key,
        }
    }
}

/// Writes the publication of an event that is shown in a room, as JSON. False, and nothing written, for one that is not.
pub fn room(moment: &Moment<'_>, event: &Event, out: &mut String) -> bool {
    match event {
        Event::ChatSent(e) => {
            begin("chat", moment, out);
            text("user", e.user.as_str(), out);
            text("text", &e.text, out);
            match e.role {
                Role::Viewer => {}
                Role::Moderator => text("role", "moderator", out),
                Role::Streamer => text("role", "streamer", out),
            }
        }
        Event::GiftSent(e) => {
            begin("gift", moment, out);
            text("user", moment.key, out);
            text("gift", e.gift.as_str(), out);
            number("count", u64::from(e.count), out);
            number("coins", e.coins, out);
            number("tickets", e.tickets, out);
            number("session", u64::from(e.session.0), out);
            if let Some(step) = &e.combo {
                combo(step, out);
            }
        }
        Event::ComboEnded(e) => {
            begin("combo_end", moment, out);
            text("user", moment.key, out);
            text("gift", e.gift.as_str(), out);
            combo(&e.combo, out);
        }
        Event::LiveStarted(e) => {
            begin("live_started", moment, out);
            number("session", u64::from(e.session.0), out);
            text("title", &e.title, out);
        }
        Event::LiveStopped(e) => {
            begin("live_ended", moment, out);
            number("session", u64::from(e.session.0), out);
        }
        order => return write_order(moment, order, out),
    }
    out.push('}');
    true
}

/// What the streamer or a moderator ordered, and who of them.
fn write_order(moment: &Moment<'_>, event: &Event, out: &mut String) -> bool {
    let Some(by) = event.ordered_by() else {
        return false;
    };
    let mut about = |kind: &str, user: &UserId| {
        begin(kind, moment, out);
        text("user", user.as_str(), out);
    };
    match event {
        Event::Muted(e) => {
            about("muted", &e.user);
            let _ = write!(out, r#","until":{}"#, e.until_ms);
        }
        Event::Unmuted(e) => about("unmuted", &e.user),
        Event::Kicked(e) => about("kicked", &e.user),
        Event::Banned(e) => about("banned", &e.user),
        Event::Unbanned(e) => about("unbanned", &e.user),
        Event::ModeratorAdded(e) => about("moderator_added", &e.user),
        Event::ModeratorRemoved(e) => about("moderator_removed", &e.user),
        Event::SlowModeSet(e) => {
            begin("slow_mode", moment, out);
            number("seconds", u64::from(e.seconds), out);
        }
        Event::FollowersOnlySet(e) => {
            begin("followers_only", moment, out);
            let _ = write!(out, r#","on":{}"#, e.on);
        }
        Event::NoticePosted(e) => {
            begin("notice", moment, out);
            text("text", &e.text, out);
        }
        Event::Pinned(e) => {
            begin("pinned", moment, out);
            text("text", &e.text, out);
        }
        Event::Unpinned(_) => {
            begin("pinned", moment, out);
            out.push_str(r#","text":null"#);
        }
        _ => return false,
    }
    text("by", by.as_str(), out);
    out.push('}');
    true
}

/// Writes the publication of an event that the two users of a conversation are told, as JSON. False, and nothing written, for
/// one that is not.
pub fn private(moment: &Moment<'_>, event: &Event, out: &mut String) -> bool {
    match event {
        Event::MessageSent(e) => {
            begin("message", moment, out);
            text("from", e.from.as_str(), out);
            text("to", e.to.as_str(), out);
            number("number", e.number, out);
            text("text", &e.text, out);
        }
        Event::MessagesRead(e) => {
            begin("message_read", moment, out);
            text("reader", e.reader.as_str(), out);
            text("from", e.from.as_str(), out);
            number("upto", e.upto, out);
        }
        _ => return false,
    }
    out.push('}');
    true
}

/// Writes a `balance` publication, as JSON.
pub fn balance(balance: &Balance, out: &mut String) {
    let moment = Moment {
        position: position(balance.changed),
        at_ms: balance.changed_at_ms,
        key: "",
    };
    begin("balance", &moment, out);
    number("coins", balance.coins, out);
    number("tickets", balance.tickets, out);
    number("held", balance.held, out);
    number("debt", balance.debt, out);
    out.push('}');
}

/// Writes a `withdrawal` publication, as JSON.
pub fn withdrawal(change: &WithdrawalChange, out: &mut String) {
    let moment = Moment {
        position: change.position,
        at_ms: change.at_ms,
        key: "",
    };
    let withdrawal = &change.withdrawal;
    begin("withdrawal", &moment, out);
    text("withdrawal", withdrawal.withdrawal.as_str(), out);
    text("state", change.state.word(), out);
    number("tickets", withdrawal.tickets, out);
    number("fee", withdrawal.fee, out);
    number("pays", withdrawal.pays, out);
    text("currency", withdrawal.currency.as_str(), out);
    number("approvals", change.approvals.into(), out);
    number("approvals_needed", withdrawal.approvals_needed.into(), out);
    if change.state.is_over() {
        for (name, value) in [
            ("reason", &withdrawal.reason),
            ("reference", &withdrawal.reference),
        ] {
            if let Some(value) = value {
                text(name, value, out);
            }
        }
    }
    out.push('}');
}

fn begin(kind: &str, moment: &Moment<'_>, out: &mut String) {
    let _ = write!(
        out,
        r#"{{"type":"{kind}","position":{},"time":{}"#,
        moment.position.sequence, moment.at_ms
    );
}

fn number(name: &str, value: u64, out: &mut String) {
    let _ = write!(out, r#","{name}":{value}"#);
}

fn combo(step: &ComboStep, out: &mut String) {
    out.push_str(r#","combo":{"id":"#);
    quote(step.id.as_str(), out);
    number("total", u64::from(step.total), out);
    out.push('}');
}

fn text(name: &str, value: &str, out: &mut String) {
    let _ = write!(out, r#","{name}":"#);
    quote(value, out);
}

/// A JSON string. Control characters, quotes and backslashes are escaped; everything else goes as it is.
fn quote(value: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&value[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => _ = write!(out, "\\u{byte:04x}"),
        }
    }
    out.push_str(&value[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::event::{ChatSent, CoinsAdjusted, ComboEnded, GiftSent, LiveStarted, LiveStopped, Role};
    use domain::{ComboId, GiftId, RoomId, SessionNumber};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const AT: Moment<'_> = Moment {
        position: Position {
            shard: 0,
            sequence: 8123,
        },
        at_ms: 17,
        key: "ann",
    };

    fn check(event: impl Into<Event>, expected: &Value) {
        let mut out = String::new();
        assert!(room(&AT, &event.into(), &mut out));
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), *expected, "{out}");
    }

    #[test]
    fn publications_are_as_the_protocol_says() {
        let gift: GiftId = "rose".parse().unwrap();
        let step = ComboStep {
            id: "c1".parse::<ComboId>().unwrap(),
            total: 12,
        };
        let room_id: RoomId = "bob".parse().unwrap();
        let mut sent = GiftSent {
            room: room_id.clone(),
            session: SessionNumber(4),
            gift: gift.clone(),
            count: 3,
            coins: 30,
            tickets: 15,
            coins_left: 70,
            combo: None,
        };
        let mut json = json!({"type": "gift", "position": 8123, "time": 17, "user": "ann", "gift": "rose", "count": 3,
            "coins": 30, "tickets": 15, "session": 4});
        check(sent.clone(), &json);
        sent.combo = Some(step.clone());
        json["combo"] = json!({"id": "c1", "total": 12});
        check(sent, &json);
        check(
            ComboEnded {
                room: room_id,
                gift,
                combo: step,
            },
            &json!({"type": "combo_end", "position": 8123, "time": 17, "user": "ann", "gift": "rose",
                "combo": {"id": "c1", "total": 12}}),
        );
        check(
            ChatSent {
                user: "bob".parse().unwrap(),
                text: "a \"b\"".into(),
                role: Role::Viewer,
            },
            &json!({"type": "chat", "position": 8123, "time": 17, "user": "bob", "text": "a \"b\""}),
        );
        check(
            LiveStarted {
                session: SessionNumber(4),
                title: String::new(),
            },
            &json!({"type": "live_started", "position": 8123, "time": 17, "session": 4, "title": ""}),
        );
        check(
            LiveStopped {
                session: SessionNumber(4),
            },
            &json!({"type": "live_ended", "position": 8123, "time": 17, "session": 4}),
        );
        let mut out = String::new();
        let purse = Balance {
            coins: 5,
            tickets: 6,
            held: 7,
            debt: 8,
            changed: crate::fact::place(AT.position),
            changed_at_ms: 17,
        };
        balance(&purse, &mut out);
        let json = json!({"type": "balance", "position": 8123, "time": 17, "coins": 5, "tickets": 6, "held": 7, "debt": 8});
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json);
    }

    #[test]
    fn a_message_and_a_mark_are_told_as_the_protocol_says() {
        let user = |text: &str| text.parse::<UserId>().unwrap();
        let message = domain::event::MessageSent {
            from: user("ann"),
            to: user("bob"),
            number: 3,
            text: "a \"b\"".into(),
        };
        let mark = domain::event::MessagesRead {
            reader: user("bob"),
            from: user("ann"),
            upto: 2,
        };
        for (event, expected) in [
            (
                Event::from(message),
                json!({"type": "message", "position": 8123, "time": 17, "from": "ann", "to": "bob", "number": 3, "text": "a \"b\""}),
            ),
            (
                Event::from(mark),
                json!({"type": "message_read", "position": 8123, "time": 17, "reader": "bob", "from": "ann", "upto": 2}),
            ),
        ] {
            let mut out = String::new();
            assert!(private(&AT, &event, &mut out));
            assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), expected);
            assert!(!room(&AT, &event, &mut String::new()), "no room shows it");
        }
    }

    #[test]
    fn what_is_not_shown_in_a_room_writes_nothing() {
        let mut out = String::new();
        let event = CoinsAdjusted {
            amount: 1,
            coins_left: 1,
            reason: "gift".into(),
        };
        assert!(!room(&AT, &event.into(), &mut out));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_valid_json(value in ".*") {
            let mut out = String::new();
            quote(&value, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), value);
        }
    }
}
