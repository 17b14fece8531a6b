//! Subscriptions open at an exact place of their stream, or not at all.

use super::*;

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
fn a_place_lost_before_it_was_taken_is_asked_for_again() {
    let mut bench = Bench::connected();
    bench.frame(r#"{"id":2,"subscribe":{"channel":"c"}}"#);
    bench.session.unsubscribed("c", Unsubscribe::INSUFFICIENT_STATE);
    let effects = bench.answer(Answer::Subscribe {
        id: 2,
        channel: "c".into(),
        result: Ok(stream(0)),
    });
    assert_eq!(sent(&effects)[0]["error"]["temporary"], true);
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
fn a_channel_gets_a_number_only_for_those_who_ask() {
    for (flag, compact) in [(0, false), (1, true), (2, false), (3, true)] {
        let mut bench = Bench::connected();
        let command = json!({"id": 2, "subscribe": {"channel": "c", "flag": flag}});
        let effects = bench.frame(&command.to_string());
        assert!(
            matches!(&effects[..], [Effect::Call(Call::Subscribe { compact: asked, .. })] if *asked == compact),
            "flag {flag}: {effects:?}"
        );
    }
    let mut bench = Bench::connected();
    let opened = Opened {
        push_id: 7,
        ..Opened::default()
    };
    assert_eq!(sent(&bench.subscribed(opened))[0]["subscribe"]["id"], 7);
    let mut bench = Bench::connected();
    let reply = &sent(&bench.subscribed(Opened::default()))[0];
    assert!(reply["subscribe"].get("id").is_none(), "{reply}");
}

#[test]
fn a_subscription_whose_reply_is_too_large_is_not_open() {
    let mut bench = Bench::connected();
    let mut opened = stream(0);
    opened.data = Some(json_string(limits::FRAME_BYTES_MAX));
    let effects = bench.subscribed(opened);
    assert_eq!(error_code(&effects), Some(100));
    assert!(
        matches!(
            &effects[..],
            [Effect::Left { was_open: false, .. }, Effect::Send(_)]
        ),
        "the backend hears nothing of it: {effects:?}"
    );
    bench.frame(r#"{"id":3,"subscribe":{"channel":"c"}}"#);
    let effects = bench.answer(Answer::Subscribe {
        id: 3,
        channel: "c".into(),
        result: Ok(stream(0)),
    });
    assert_eq!(
        sent(&effects)[0]["subscribe"]["epoch"],
        EPOCH,
        "it may be tried again"
    );
}

#[test]
fn a_connection_whose_reply_is_too_large_is_closed() {
    let mut bench = Bench::new();
    bench.frame(r#"{"id":1,"connect":{}}"#);
    let mut opened = stream(0);
    opened.data = Some(json_string(limits::FRAME_BYTES_MAX));
    let entered = entered(Connected::default(), vec![("c".into(), opened)]);
    let effects = bench.answer(Answer::Connect(Ok(entered)));
    assert_eq!((error_code(&effects), closed(&effects)), (Some(100), Some(3004)));
    assert!(bench.session.drain_open_subs().is_empty());
}
