//! Deadlines: stale sockets, pings, credentials and subscriptions that run out.

use super::*;

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
