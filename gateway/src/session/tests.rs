//! The session's promises, one frame at a time, without sockets or clocks.

use serde_json::{Value, json};

use super::*;
use crate::backend::{Connected, Grant, History, RecoveryPage};
use crate::limits;
use crate::publication::{Publication, StreamPosition};

const EPOCH: &str = "e1";

/// A session, the time, and everything it asked for that has not been looked at.
struct Bench {
    session: Session,
    now: Now,
}

impl Bench {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let now = Now {
            monotonic_ms: 1_000_000,
            unix_s: 1_700_000_000,
        };
        let session = Session::new(Format::Json, Arc::new(config), "client".into(), None, 0, now);
        Self { session, now }
    }

    fn connected() -> Self {
        Self::connected_with(Config::default())
    }

    fn connected_with(config: Config) -> Self {
        let mut bench = Self::with(config);
        bench.frame(r#"{"id":1,"connect":{}}"#);
        bench.answer(Answer::Connect(Ok(entered(Connected::default(), Vec::new()))));
        bench
    }

    fn frame(&mut self, text: &str) -> Vec<Effect> {
        assert!(self.session.wants_frame(), "the session does not want a frame");
        self.session
            .frame(Bytes::copy_from_slice(text.as_bytes()), self.now);
        self.effects()
    }

    fn answer(&mut self, answer: Answer) -> Vec<Effect> {
        self.session.answer(answer, self.now);
        self.effects()
    }

    fn after(&mut self, milliseconds: u64) -> Vec<Effect> {
        self.now.monotonic_ms += milliseconds;
        self.now.unix_s += milliseconds / 1_000;
        self.session.tick(self.now);
        self.effects()
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.session.flush();
        std::iter::from_fn(|| self.session.next_effect()).collect()
    }

    /// Subscribes to `c`, granted as given.
    fn subscribed(&mut self, opened: Opened) -> Vec<Effect> {
        self.frame(r#"{"id":2,"subscribe":{"channel":"c"}}"#);
        self.answer(Answer::Subscribe {
            id: 2,
            channel: "c".into(),
            result: Ok(opened),
        })
    }
}

fn entered(connected: Connected, subs: Vec<(Arc<str>, Opened)>) -> Entered {
    let caller = crate::backend::Caller {
        client: "client".into(),
        user: "u".into(),
        info: None,
        sdk: String::new(),
        peer: None,
    };
    Entered {
        caller: Arc::new(caller),
        connected,
        subs,
    }
}

/// A granted stream whose top is `top`.
fn stream(top: u64) -> Opened {
    let stream = Some(StreamPosition {
        offset: top,
        epoch: EPOCH.to_owned(),
    });
    Opened {
        grant: Grant {
            stream,
            ..Grant::default()
        },
        ..Opened::default()
    }
}

fn recovered(from: u64, offsets: impl IntoIterator<Item = u64>, done: bool) -> Opened {
    let publications: Vec<_> = offsets
        .into_iter()
        .map(|o| Publication::new("{}").at(o))
        .collect();
    let scanned_to = publications.last().and_then(|last| last.offset).unwrap_or(from);
    let page = RecoveryPage {
        publications,
        scanned_to,
        done,
    };
    Opened {
        was_recovering: true,
        recovered: Some((from, page)),
        ..stream(1_000_000)
    }
}

/// A JSON string of so many bytes, quotes included.
fn json_string(bytes: usize) -> Bytes {
    Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2)))
}

/// All replies sent, one value each.
fn sent(effects: &[Effect]) -> Vec<Value> {
    let frames = effects.iter().filter_map(|effect| match effect {
        Effect::Send(encoded) => Some(encoded),
        _ => None,
    });
    frames
        .flat_map(|frame| {
            frame
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        })
        .map(|line| serde_json::from_slice(&line).expect("a reply is JSON"))
        .collect()
}

fn closed(effects: &[Effect]) -> Option<u16> {
    effects.iter().find_map(|effect| match effect {
        Effect::Close(why) => Some(why.code),
        _ => None,
    })
}

fn error_code(effects: &[Effect]) -> Option<u64> {
    sent(effects)
        .first()
        .and_then(|reply| reply["error"]["code"].as_u64())
}

fn calls(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Call(_)))
        .count()
}

#[test]
fn a_connect_reply_carries_what_sdks_index() {
    let mut bench = Bench::new();
    assert_eq!(
        calls(&bench.frame(r#"{"id":7,"connect":{"token":"t","name":"js"}}"#)),
        1
    );
    let connected = Connected {
        expire_at: Some(1_700_000_060),
        ..Connected::default()
    };
    let effects = bench.answer(Answer::Connect(Ok(entered(connected, Vec::new()))));
    let reply = &sent(&effects)[0];
    assert_eq!(reply["id"], 7);
    assert_eq!(reply["connect"]["client"], "client");
    assert_eq!(reply["connect"]["expires"], true);
    assert_eq!(reply["connect"]["ttl"], 60);
    assert_eq!(
        (
            reply["connect"]["ping"].as_u64(),
            reply["connect"]["pong"].as_bool()
        ),
        (Some(25), Some(true))
    );
    assert!(matches!(effects[0], Effect::Entered(_)));
}

#[test]
fn commands_behind_connect_in_one_frame_wait_for_it() {
    let mut bench = Bench::new();
    let frame = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}\n{\"id\":3,\"rpc\":{\"method\":\"m\"}}";
    assert_eq!(calls(&bench.frame(frame)), 1);
    assert!(!bench.session.wants_frame());
    let effects = bench.answer(Answer::Connect(Ok(entered(Connected::default(), Vec::new()))));
    assert!(
        matches!(effects[1], Effect::Send(_)),
        "the connect reply is the first output: {effects:?}"
    );
    assert_eq!(calls(&effects), 2);
}

#[test]
fn a_refused_connect_runs_nothing_behind_it_and_accepts_nothing_more() {
    let mut bench = Bench::new();
    bench.frame("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"rpc\":{\"method\":\"m\"}}");
    let effects = bench.answer(Answer::Connect(Err(Error::TOKEN_EXPIRED.into())));
    assert_eq!(
        (error_code(&effects), calls(&effects), closed(&effects)),
        (Some(109), 0, None)
    );
    assert_eq!(
        closed(&bench.frame(r#"{"id":3,"rpc":{"method":"m"}}"#)),
        Some(3501)
    );
}

#[test]
fn a_connection_that_expired_while_it_was_let_in_is_told_so() {
    let mut bench = Bench::new();
    bench.frame(r#"{"id":1,"connect":{}}"#);
    let connected = Connected {
        expire_at: Some(1_700_000_000),
        ..Connected::default()
    };
    let effects = bench.answer(Answer::Connect(Ok(entered(connected, Vec::new()))));
    assert_eq!(error_code(&effects), Some(109));
}

#[test]
fn a_backend_may_close_at_connect() {
    let mut bench = Bench::new();
    bench.frame(r#"{"id":1,"connect":{}}"#);
    let effects = bench.answer(Answer::Connect(Err(Disconnect::INVALID_TOKEN.into())));
    assert_eq!(closed(&effects), Some(3500));
}

#[test]
fn misuse_of_the_protocol_closes_with_3501() {
    for (what, frame) in [
        ("malformed JSON", "{\"id\":1,"),
        ("an empty frame", ""),
        ("a blank frame", " \n\n"),
        ("a wrong type", r#"{"id":"1","rpc":{}}"#),
        ("an unknown method", r#"{"id":2,"dance":{}}"#),
        ("no method", r#"{"id":2}"#),
        ("id 0", r#"{"id":0,"rpc":{"method":"m"}}"#),
        ("no id", r#"{"subscribe":{"channel":"c"}}"#),
        ("a second connect", r#"{"id":2,"connect":{}}"#),
        ("a pong without a ping", "{}"),
        ("an empty channel", r#"{"id":2,"subscribe":{"channel":""}}"#),
        ("no channel", r#"{"id":2,"history":{}}"#),
        ("an empty refresh token", r#"{"id":2,"refresh":{}}"#),
    ] {
        let mut bench = Bench::connected();
        assert_eq!(closed(&bench.frame(frame)), Some(3501), "{what}");
        assert!(!bench.session.wants_frame(), "{what}: nothing is read any more");
        assert_eq!(bench.session.next_deadline_ms(), None);
    }
}

#[test]
fn a_command_before_connect_closes_with_3501() {
    for frame in [
        r#"{"id":1,"rpc":{"method":"m"}}"#,
        "{}",
        r#"{"send":{}}"#,
        r#"{"connect":{}}"#,
    ] {
        assert_eq!(closed(&Bench::new().frame(frame)), Some(3501), "{frame}");
    }
}

#[test]
fn commands_before_the_malformed_one_are_executed() {
    let mut bench = Bench::connected();
    let effects = bench.frame("{\"id\":2,\"rpc\":{\"method\":\"m\"}}\nnope");
    assert_eq!((calls(&effects), closed(&effects)), (1, Some(3501)));
}

#[test]
fn send_is_declined_with_3508() {
    assert_eq!(
        closed(&Bench::connected().frame(r#"{"send":{"data":{}}}"#)),
        Some(3508)
    );
}

#[test]
fn what_is_not_offered_is_declined_by_number() {
    for (frame, code) in [
        (r#"{"id":2,"subscribe":{"channel":"c","type":1}}"#, 108),
        (r#"{"id":2,"subscribe":{"channel":"c","tf":{"op":"and"}}}"#, 107),
        (r#"{"id":2,"publish":{"channel":"c","data":1,"type":1}}"#, 108),
        (r#"{"id":2,"publish":{"channel":"c"}}"#, 107),
        (r#"{"id":2,"sub_refresh":{"channel":"c","token":"t"}}"#, 103),
        (r#"{"id":2,"sub_refresh":{"channel":"c"}}"#, 107),
        (
            r#"{"id":2,"history":{"channel":"c","reverse":true,"since":{"offset":0}}}"#,
            107,
        ),
    ] {
        let effects = Bench::connected().frame(frame);
        assert_eq!(
            (error_code(&effects), calls(&effects)),
            (Some(code), 0),
            "{frame}"
        );
    }
}

#[test]
fn names_over_their_limits_are_refused() {
    let long = "x".repeat(limits::CHANNEL_NAME_BYTES_MAX + 1);
    let effects = Bench::connected().frame(&json!({"id":2,"subscribe":{"channel":long}}).to_string());
    assert_eq!(error_code(&effects), Some(107));
    let long = "x".repeat(limits::METHOD_NAME_BYTES_MAX + 1);
    let effects = Bench::connected().frame(&json!({"id":2,"rpc":{"method":long}}).to_string());
    assert_eq!(error_code(&effects), Some(104));
}

#[test]
fn one_channel_too_many_is_refused_with_106_and_a_second_subscription_with_105() {
    let mut bench = Bench::connected_with(Config {
        channels_per_connection_max: 1,
        ..Config::default()
    });
    bench.subscribed(stream(0));
    assert_eq!(
        error_code(&bench.frame(r#"{"id":3,"subscribe":{"channel":"c"}}"#)),
        Some(105)
    );
    assert_eq!(
        error_code(&bench.frame(r#"{"id":4,"subscribe":{"channel":"d"}}"#)),
        Some(106)
    );
}

#[test]
fn a_connection_at_its_limit_of_calls_is_not_read_until_one_is_answered() {
    let mut bench = Bench::connected_with(Config {
        commands_in_flight_max: 2,
        ..Config::default()
    });
    let rpc = |id: u32| json!({"id":id,"rpc":{"method":"m"}}).to_string();
    let effects = bench.frame(&[rpc(2), rpc(3), rpc(4)].join("\n"));
    assert_eq!(calls(&effects), 2);
    assert!(!bench.session.wants_frame());
    let effects = bench.answer(Answer::Rpc {
        id: 3,
        result: Ok(Bytes::from_static(b"{}")),
    });
    assert_eq!(sent(&effects), [json!({"id":3,"rpc":{"data":{}}})]);
    assert_eq!(calls(&effects), 1);
}

#[test]
fn replies_of_one_round_share_a_frame() {
    let mut bench = Bench::connected();
    bench.frame("{\"id\":2,\"rpc\":{\"method\":\"m\"}}\n{\"id\":3,\"rpc\":{\"method\":\"m\"}}");
    for id in [2, 3] {
        bench.session.answer(
            Answer::Rpc {
                id,
                result: Ok(Bytes::from_static(b"1")),
            },
            bench.now,
        );
    }
    let effects = bench.effects();
    assert_eq!(effects.len(), 1);
    assert_eq!(sent(&effects).len(), 2);
}

#[test]
fn a_large_reply_travels_alone_and_one_over_the_frame_limit_becomes_an_error() {
    let mut bench = Bench::connected();
    bench.frame("{\"id\":2,\"rpc\":{\"method\":\"m\"}}\n{\"id\":3,\"rpc\":{\"method\":\"m\"}}\n{\"id\":4,\"rpc\":{\"method\":\"m\"}}");
    let big = |length: usize| Bytes::from(format!("\"{}\"", "x".repeat(length)));
    for (id, data) in [
        (2, big(10)),
        (3, big(limits::FRAME_BYTES_TARGET)),
        (4, big(limits::FRAME_BYTES_MAX)),
    ] {
        bench
            .session
            .answer(Answer::Rpc { id, result: Ok(data) }, bench.now);
    }
    let effects = bench.effects();
    assert_eq!(effects.len(), 3);
    let replies = sent(&effects);
    assert_eq!(
        (replies[0]["id"].as_u64(), replies[1]["id"].as_u64()),
        (Some(2), Some(3))
    );
    assert_eq!(replies[2]["error"]["code"], 100);
}

#[test]
fn an_error_from_the_backend_keeps_its_number_and_a_disconnect_closes() {
    let mut bench = Bench::connected();
    bench.frame("{\"id\":2,\"rpc\":{\"method\":\"m\"}}\n{\"id\":3,\"rpc\":{\"method\":\"m\"}}");
    let refused = Err(Error::new(402, "not enough coins").into());
    let effects = bench.answer(Answer::Rpc {
        id: 2,
        result: refused,
    });
    assert_eq!(
        sent(&effects),
        [json!({"id":2,"error":{"code":402,"message":"not enough coins"}})]
    );
    let gone = Err(Disconnect::new(4001, "banned").into());
    assert_eq!(
        closed(&bench.answer(Answer::Rpc { id: 3, result: gone })),
        Some(4001)
    );
}

#[test]
fn a_fresh_subscription_starts_at_the_top_and_goes_live_behind_its_reply() {
    let mut bench = Bench::connected();
    let effects = bench.subscribed(stream(41));
    assert_eq!(
        sent(&effects),
        [json!({"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":EPOCH,"offset":41}})]
    );
    assert!(
        matches!(
            &effects[..],
            [
                Effect::Send(_),
                Effect::Joined { .. },
                Effect::GoLive { floor: 41, .. }
            ]
        ),
        "{effects:?}"
    );
}

#[test]
fn a_plain_channel_has_no_position() {
    let effects = Bench::connected().subscribed(Opened::default());
    assert_eq!(sent(&effects), [json!({"id":2,"subscribe":{}})]);
}

#[test]
fn a_recovered_subscription_is_told_the_offset_it_asked_from() {
    let effects = Bench::connected().subscribed(recovered(40, [71, 76], true));
    let reply = &sent(&effects)[0]["subscribe"];
    assert_eq!(
        (reply["offset"].as_u64(), reply["recovered"].as_bool()),
        (Some(40), Some(true))
    );
    assert_eq!(reply["was_recovering"], true);
    assert_eq!(
        reply["publications"],
        json!([{"data":{},"offset":71},{"data":{},"offset":76}])
    );
    assert!(
        matches!(effects.last(), Some(Effect::GoLive { floor: 76, .. })),
        "{effects:?}"
    );
}

#[test]
fn an_unrecoverable_position_is_told_the_top_and_gets_no_publications() {
    let opened = Opened {
        was_recovering: true,
        ..stream(9)
    };
    let effects = Bench::connected().subscribed(opened);
    let expected =
        json!({"recoverable":true,"positioned":true,"epoch":EPOCH,"offset":9,"was_recovering":true});
    assert_eq!(sent(&effects)[0]["subscribe"], expected);
}

#[test]
fn a_large_gap_follows_the_reply_page_by_page_before_anything_live() {
    let mut bench = Bench::connected();
    let effects = bench.subscribed(recovered(0, 1..=3, false));
    let Some(Effect::Call(Call::Recover { serial, after: 3, .. })) = effects.last() else {
        panic!("{effects:?}")
    };
    let publications = vec![Publication::new("{}").at(4)];
    let page = |done, scanned_to| RecoveryPage {
        publications: publications.clone(),
        scanned_to,
        done,
    };
    let answer = |serial, page| Answer::Recover {
        channel: "c".into(),
        serial,
        result: Ok(page),
    };
    let serial = *serial;
    let effects = bench.answer(answer(serial, page(false, 4)));
    assert!(
        matches!(
            &effects[..],
            [
                Effect::PushRecovered { .. },
                Effect::Call(Call::Recover { after: 4, .. })
            ]
        ),
        "{effects:?}"
    );
    let effects = bench.answer(answer(serial, page(true, 9)));
    assert!(
        matches!(
            &effects[..],
            [Effect::PushRecovered { .. }, Effect::GoLive { floor: 9, .. }]
        ),
        "{effects:?}"
    );
}

#[test]
fn a_reply_holds_only_what_its_budget_allows_and_the_rest_is_pushed_in_order() {
    let third = json_string(limits::RECOVERY_REPLY_BYTES_MAX / 3);
    let mut opened = recovered(0, 1..=5, true);
    for publication in &mut opened.recovered.as_mut().expect("recovered").1.publications {
        publication.data = third.clone();
    }
    let effects = Bench::connected().subscribed(opened);
    assert_eq!(
        sent(&effects)[0]["subscribe"]["publications"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    let rest = effects.iter().find_map(|effect| match effect {
        Effect::PushRecovered { publications, .. } => {
            Some(publications.iter().map(|p| p.offset).collect::<Vec<_>>())
        }
        _ => None,
    });
    assert_eq!(rest, Some(vec![Some(4), Some(5)]));
}

#[test]
fn a_page_for_a_subscription_that_ended_meanwhile_is_thrown_away() {
    let mut bench = Bench::connected();
    let effects = bench.subscribed(recovered(0, 1..=3, false));
    let Some(Effect::Call(Call::Recover { serial, .. })) = effects.last() else {
        panic!("{effects:?}")
    };
    let serial = *serial;
    bench.frame(r#"{"id":3,"unsubscribe":{"channel":"c"}}"#);
    bench.subscribed(stream(3));
    let page = RecoveryPage {
        publications: vec![Publication::new("{}").at(4)],
        scanned_to: 4,
        done: true,
    };
    assert!(
        bench
            .answer(Answer::Recover {
                channel: "c".into(),
                serial,
                result: Ok(page)
            })
            .is_empty()
    );
}

#[test]
fn a_recovery_that_fails_midway_makes_the_sdk_ask_again() {
    let mut bench = Bench::connected();
    let effects = bench.subscribed(recovered(0, 1..=3, false));
    let Some(Effect::Call(Call::Recover { serial, .. })) = effects.last() else {
        panic!("{effects:?}")
    };
    let serial = *serial;
    let result = Err(Error::UNRECOVERABLE_POSITION);
    let effects = bench.answer(Answer::Recover {
        channel: "c".into(),
        serial,
        result,
    });
    assert!(
        matches!(&effects[..], [Effect::Expel { why, .. }] if *why == Unsubscribe::INSUFFICIENT_STATE),
        "{effects:?}"
    );
}

#[test]
fn what_was_held_back_and_forgotten_is_read_from_the_stream() {
    let mut bench = Bench::connected();
    bench.subscribed(stream(5));
    bench.session.gap(&"c".into(), 5);
    assert!(matches!(
        &bench.effects()[..],
        [Effect::Call(Call::Recover { after: 5, .. })]
    ));
}

#[test]
fn unsubscribe_waits_for_the_subscribe_it_overtook_and_never_fails() {
    let mut bench = Bench::connected();
    bench.frame(
        "{\"id\":2,\"subscribe\":{\"channel\":\"c\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"c\"}}",
    );
    let effects = bench.answer(Answer::Subscribe {
        id: 2,
        channel: "c".into(),
        result: Ok(stream(0)),
    });
    let ids: Vec<_> = sent(&effects).iter().map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids, [2, 3]);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Left { was_open: true, .. })),
        "{effects:?}"
    );
    let effects = bench.frame(r#"{"id":4,"unsubscribe":{"channel":"never"}}"#);
    assert_eq!(sent(&effects), [json!({"id":4,"unsubscribe":{}})]);
}

#[test]
fn a_refused_subscription_leaves_nothing_behind() {
    let mut bench = Bench::connected();
    bench.frame(r#"{"id":2,"subscribe":{"channel":"c"}}"#);
    let result = Err(Error::PERMISSION_DENIED.into());
    let effects = bench.answer(Answer::Subscribe {
        id: 2,
        channel: "c".into(),
        result,
    });
    assert_eq!(error_code(&effects), Some(103));
    assert!(
        matches!(effects[0], Effect::Left { was_open: false, .. }),
        "{effects:?}"
    );
    assert_eq!(
        calls(&bench.frame(r#"{"id":3,"subscribe":{"channel":"c"}}"#)),
        1,
        "it may be tried again"
    );
}

#[test]
fn a_user_thrown_out_while_subscribing_does_not_get_in() {
    let mut bench = Bench::connected();
    bench.frame(r#"{"id":2,"subscribe":{"channel":"c"}}"#);
    bench.session.unsubscribed("c", Unsubscribe::SERVER);
    let effects = bench.answer(Answer::Subscribe {
        id: 2,
        channel: "c".into(),
        result: Ok(stream(0)),
    });
    assert_eq!(error_code(&effects), Some(103));
}

#[test]
fn server_side_subscriptions_come_in_the_connect_reply() {
    let mut bench = Bench::new();
    bench.frame(r##"{"id":1,"connect":{"subs":{"#u":{"recover":true,"offset":4,"epoch":"e1"}}}}"##);
    let subs = vec![(Arc::from("#u"), recovered(4, [5], true))];
    let effects = bench.answer(Answer::Connect(Ok(entered(Connected::default(), subs))));
    let sub = &sent(&effects)[0]["connect"]["subs"]["#u"];
    assert_eq!(
        (sub["offset"].as_u64(), sub["recovered"].as_bool()),
        (Some(4), Some(true))
    );
    assert!(
        matches!(effects.last(), Some(Effect::GoLive { floor: 5, .. })),
        "{effects:?}"
    );
    assert_eq!(
        error_code(&bench.frame(r##"{"id":2,"subscribe":{"channel":"#u"}}"##)),
        Some(105)
    );
}

#[test]
fn a_silent_socket_is_closed_as_stale() {
    let mut bench = Bench::new();
    assert_eq!(closed(&bench.after(9_999)), None);
    assert_eq!(closed(&bench.after(1)), Some(3502));
    let mut bench = Bench::new();
    bench.frame(r#"{"id":1,"connect":{}}"#);
    bench.answer(Answer::Connect(Err(Error::TOKEN_EXPIRED.into())));
    assert_eq!(closed(&bench.after(10_000)), Some(3502), "a refused one as well");
}

#[test]
fn the_first_ping_comes_early_and_an_unanswered_one_closes() {
    let mut bench = Bench::connected();
    assert!(bench.after(12_499).is_empty());
    assert_eq!(
        sent(&bench.after(1)),
        [json!({})],
        "jitter 0 is half the interval"
    );
    assert!(bench.frame("{}").is_empty());
    assert_eq!(sent(&bench.after(25_000)), [json!({})]);
    assert_eq!(closed(&bench.after(8_000)), Some(3012));
}

#[test]
fn one_ping_allows_one_pong() {
    let mut bench = Bench::connected();
    bench.after(12_500);
    assert_eq!(closed(&bench.frame("{}\n{}")), Some(3501));
}

#[test]
fn an_expired_connection_has_its_grace_and_then_goes() {
    let mut bench = Bench::with(Config {
        ping_interval: Duration::from_secs(1_000),
        ..Config::default()
    });
    bench.frame(r#"{"id":1,"connect":{}}"#);
    let connected = Connected {
        expire_at: Some(1_700_000_010),
        ..Connected::default()
    };
    bench.answer(Answer::Connect(Ok(entered(connected, Vec::new()))));
    assert_eq!(closed(&bench.after(34_999)), None);
    bench.frame(r#"{"id":2,"refresh":{"token":"new"}}"#);
    let effects = bench.answer(Answer::Refresh {
        id: 2,
        result: Ok(Some(bench.now.unix_s + 30)),
    });
    assert_eq!(
        sent(&effects),
        [json!({"id":2,"refresh":{"expires":true,"ttl":30}})]
    );
    assert_eq!(closed(&bench.after(54_999)), None);
    assert_eq!(closed(&bench.after(1)), Some(3005));
}

#[test]
fn a_refresh_with_expired_credentials_is_refused_with_110() {
    let mut bench = Bench::connected();
    bench.frame(r#"{"id":2,"refresh":{"token":"old"}}"#);
    let effects = bench.answer(Answer::Refresh {
        id: 2,
        result: Ok(Some(bench.now.unix_s)),
    });
    assert_eq!(error_code(&effects), Some(110));
}

#[test]
fn an_expired_subscription_is_ended_with_2501_unless_refreshed() {
    let mut bench = Bench::connected_with(Config {
        ping_interval: Duration::from_secs(1_000),
        ..Config::default()
    });
    let mut opened = stream(0);
    opened.grant.expire_at = Some(bench.now.unix_s + 10);
    let effects = bench.subscribed(opened);
    assert_eq!(sent(&effects)[0]["subscribe"]["ttl"], 10);
    bench.frame(r#"{"id":3,"sub_refresh":{"channel":"c","token":"t"}}"#);
    let expire_at = Some(bench.now.unix_s + 20);
    let effects = bench.answer(Answer::SubRefresh {
        id: 3,
        channel: "c".into(),
        result: Ok(expire_at),
    });
    assert_eq!(
        sent(&effects),
        [json!({"id":3,"sub_refresh":{"expires":true,"ttl":20}})]
    );
    assert!(bench.after(35_000).is_empty(), "the refreshed one lives on");
    let effects = bench.after(10_000);
    assert!(
        matches!(&effects[..], [Effect::Expel { why, .. }] if why.code == 2501),
        "{effects:?}"
    );
}

#[test]
fn history_is_cut_at_its_limits_and_always_has_its_three_fields() {
    let mut bench = Bench::connected();
    let effects = bench.frame(r#"{"id":2,"history":{"channel":"c","limit":-1}}"#);
    assert!(
        matches!(&effects[..], [Effect::Call(Call::History { query, .. })] if query.limit == limits::HISTORY_PUBLICATIONS_MAX),
        "{effects:?}"
    );
    let big = Publication::new(json_string(limits::HISTORY_BYTES_MAX / 2));
    let top = StreamPosition {
        offset: 3,
        epoch: EPOCH.to_owned(),
    };
    let publications = vec![big.clone().at(1), big.clone().at(2), big.at(3)];
    let effects = bench.answer(Answer::History {
        id: 2,
        result: Ok(History { publications, top }),
    });
    let reply = &sent(&effects)[0]["history"];
    assert_eq!(reply["publications"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (reply["epoch"].as_str(), reply["offset"].as_u64()),
        (Some(EPOCH), Some(3))
    );
}

#[test]
fn nothing_is_said_after_the_close() {
    let mut bench = Bench::connected();
    bench.frame(r#"{"id":2,"rpc":{"method":"m"}}"#);
    bench.session.close(Disconnect::SHUTDOWN);
    assert_eq!(closed(&bench.effects()), Some(3001));
    assert!(
        bench
            .answer(Answer::Rpc {
                id: 2,
                result: Ok(Bytes::new())
            })
            .is_empty()
    );
    assert!(bench.after(1_000_000).is_empty());
    bench.session.close(Disconnect::STALE);
    assert!(bench.effects().is_empty());
}

#[test]
fn protobuf_garbage_closes_with_3501() {
    for bytes in [&[][..], &[0xff], &[3, 1], &[1, 0xff], &[2, 0x08, 0x01]] {
        let now = Now {
            monotonic_ms: 0,
            unix_s: 0,
        };
        let config = Arc::new(Config::default());
        let mut session = Session::new(Format::Protobuf, config, "client".into(), None, 0, now);
        session.frame(Bytes::copy_from_slice(bytes), now);
        let effects: Vec<_> = std::iter::from_fn(|| session.next_effect()).collect();
        assert_eq!(closed(&effects), Some(3501), "{bytes:?}");
    }
}
