//! What the door promises, without a socket or a clock.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn door(config: Config) -> Door {
    Door::new(Arc::new(config))
}

fn from(address: &str) -> Knock<'static> {
    Knock {
        client: Some(SocketAddr::new(address.parse().expect("an address"), 1)),
        origin: None,
        host: None,
    }
}

fn entered(door: &Door, address: &str, now_ns: u64, times: usize) -> usize {
    (0..times)
        .filter(|_| door.enter(&from(address), false, now_ns).is_ok())
        .count()
}

#[test]
fn one_connection_too_many_is_refused_until_one_leaves() {
    let door = door(Config {
        connections_max: 2,
        ..Config::default()
    });
    let pass = door.enter(&from("203.0.113.1"), false, 0).expect("the first");
    assert!(door.enter(&from("203.0.113.2"), false, 0).is_ok());
    assert_eq!(door.enter(&from("203.0.113.3"), false, 0), Err(Turned::Full));
    assert_eq!(door.open(), 2);
    door.leave(pass, 0);
    assert!(door.enter(&from("203.0.113.3"), false, 0).is_ok());
}

#[test]
fn one_address_cannot_use_up_what_is_everybodys() {
    let door = door(Config {
        connections_per_address_max: 3,
        handshakes_per_second_max: 5,
        ..Config::default()
    });
    assert_eq!(entered(&door, "203.0.113.1", 0, 1_000), 3);
    assert_eq!(
        door.enter(&from("203.0.113.1"), false, 0),
        Err(Turned::AddressFull)
    );
    assert!(
        door.enter(&from("203.0.113.2"), false, 0).is_ok(),
        "refusals cost the others nothing"
    );
}

#[test]
fn an_address_that_comes_too_often_waits_and_others_do_not() {
    let door = door(Config {
        connections_per_address_max: 0,
        handshakes_per_address_per_second_max: 2,
        ..Config::default()
    });
    let burst = 2 * ADDRESS_BURST_SECONDS as usize;
    assert_eq!(entered(&door, "203.0.113.1", 0, 1_000), burst);
    assert_eq!(
        door.enter(&from("203.0.113.1"), false, 0),
        Err(Turned::AddressStorm)
    );
    assert_eq!(entered(&door, "203.0.113.2", 0, 1), 1);
    assert_eq!(entered(&door, "203.0.113.1", SECOND, 1_000), 2);
}

#[test]
fn a_storm_from_many_addresses_is_let_in_at_the_rate() {
    let door = door(Config {
        handshakes_per_second_max: 100,
        ..Config::default()
    });
    let mut inside = 0;
    for n in 0..5_000u32 {
        let address = std::net::Ipv4Addr::from(0xcb00_7100 + n).to_string();
        inside += entered(&door, &address, u64::from(n) * SECOND / 1_000, 1);
    }
    assert!(
        (695..=705).contains(&inside),
        "a burst of 200, then 100 a second for 5 s: {inside}"
    );
    assert_eq!(door.open(), inside);
}

#[test]
fn who_is_turned_away_by_the_storm_does_not_hold_its_addresss_share() {
    let door = door(Config {
        handshakes_per_second_max: 1,
        connections_per_address_max: 5,
        ..Config::default()
    });
    assert_eq!(entered(&door, "203.0.113.1", 0, 50), 2);
    assert_eq!(entered(&door, "203.0.113.1", 10 * SECOND, 50), 2);
    assert_eq!(entered(&door, "203.0.113.1", 20 * SECOND, 50), 1, "five in all");
}

#[test]
fn retry_after_is_spread() {
    let stats = Stats::default();
    let door = door(Config::default());
    let told: std::collections::BTreeSet<_> = (0..50)
        .map(|_| door.refuse(Turned::Storm, &stats).retry_after_s)
        .collect();
    assert_eq!(told, (1..=5).map(Some).collect());
    assert_eq!(door.refuse(Turned::Origin, &stats).retry_after_s, None);
}

#[test]
fn only_listed_origins_come_in_and_the_own_host_and_those_who_send_none() {
    let door = door(Config {
        allowed_origins: Some(vec!["https://live.example".to_owned()]),
        ..Config::default()
    });
    let knock = |origin| Knock {
        client: None,
        origin,
        host: Some("own.example:8000"),
    };
    for (origin, welcome) in [
        (None, true),
        (Some("https://live.example"), true),
        (Some("HTTPS://LIVE.EXAMPLE"), true),
        (Some("http://own.example:8000"), true),
        (Some("http://own.example"), false),
        (Some("https://live.example.evil.example"), false),
        (Some("null"), false),
        (Some(""), false),
    ] {
        let answer = door.enter(&knock(origin), false, 0);
        assert_eq!(answer.is_ok(), welcome, "{origin:?}: {answer:?}");
    }
}
