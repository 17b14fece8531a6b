//! Connecting, asking, misuse: what is answered, what is refused and by which number.

use super::*;

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
