//! The outbox's promises.

use super::*;

const CHANNEL: ChannelId = 7;

/// An outbox of 10 bytes whose entries are a few bytes each; `sent` drains it into one string.
struct Bench {
    outbox: Outbox,
    losses: Losses,
}

impl Bench {
    fn new() -> Self {
        let mut outbox = Outbox::new(10, 10);
        outbox.open_feed(CHANNEL);
        Self {
            outbox,
            losses: Losses::default(),
        }
    }

    fn live() -> Self {
        let mut bench = Self::new();
        assert_eq!(
            bench.outbox.go_live(CHANNEL, 0, &mut bench.losses),
            Ok(Verdict::Taken)
        );
        bench
    }

    fn publish(&mut self, class: Class, offset: Option<u64>, text: &'static str) -> Verdict {
        self.outbox.publish(
            CHANNEL,
            class,
            offset,
            &Bytes::from_static(text.as_bytes()),
            &mut self.losses,
        )
    }

    fn sent(&mut self) -> String {
        let mut frame = BytesMut::new();
        self.outbox.drain(Format::Json, &mut frame, 1_000);
        assert_eq!(self.outbox.bytes(), 0);
        String::from_utf8(frame.to_vec()).expect("utf-8")
    }
}

#[test]
fn ephemeral_goes_first_and_is_counted() {
    let mut bench = Bench::live();
    assert_eq!(bench.publish(Class::Ephemeral, None, "eeee"), Verdict::Taken);
    assert_eq!(bench.publish(Class::Durable, Some(1), "1111"), Verdict::Taken);
    assert_eq!(bench.publish(Class::Durable, Some(2), "2222"), Verdict::Taken);
    assert_eq!(bench.publish(Class::Ephemeral, None, "ffff"), Verdict::Dropped);
    assert_eq!(bench.sent(), "1111\n2222");
    assert_eq!(bench.losses.ephemeral, 2);
}

#[test]
fn only_the_newest_state_waits_and_it_stands_behind_what_came_before_it() {
    let mut bench = Bench::live();
    bench.publish(Class::State, None, "s1");
    bench.publish(Class::Durable, Some(1), "d1");
    bench.publish(Class::State, None, "s2");
    assert_eq!(bench.sent(), "d1\ns2");
    assert_eq!(bench.losses.conflated, 1);
    bench.publish(Class::State, None, "s3");
    assert_eq!(bench.sent(), "s3");
    assert_eq!(bench.losses.conflated, 1, "what was sent is not replaced");
}

#[test]
fn durable_overflow_loses_the_whole_channel_and_nothing_of_others() {
    let mut bench = Bench::live();
    bench.outbox.open_feed(8);
    assert_eq!(bench.outbox.go_live(8, 0, &mut bench.losses), Ok(Verdict::Taken));
    bench.outbox.publish(
        8,
        Class::Durable,
        Some(1),
        &Bytes::from_static(b"oth"),
        &mut bench.losses,
    );
    assert_eq!(bench.publish(Class::Durable, Some(1), "1111"), Verdict::Taken);
    assert_eq!(bench.publish(Class::Durable, Some(2), "2222"), Verdict::Lost);
    assert_eq!(
        bench.publish(Class::Durable, Some(3), "3"),
        Verdict::Unknown,
        "no hole may follow"
    );
    assert_eq!(bench.sent(), "oth");
}

#[test]
fn what_is_held_back_comes_after_the_floor_once_and_in_order() {
    let mut bench = Bench::new();
    bench.publish(Class::Durable, Some(4), "4");
    bench.publish(Class::Ephemeral, None, "e");
    bench.publish(Class::Durable, Some(5), "5");
    assert!(bench.outbox.send(Bytes::from_static(b"reply"), &mut bench.losses));
    bench
        .outbox
        .publish_recovered(CHANNEL, 4, Bytes::from_static(b"r4"));
    assert_eq!(
        bench.outbox.go_live(CHANNEL, 4, &mut bench.losses),
        Ok(Verdict::Taken)
    );
    assert_eq!(bench.publish(Class::Durable, Some(5), "again"), Verdict::Dropped);
    assert_eq!(bench.sent(), "reply\nr4\ne\n5");
}

#[test]
fn a_full_hold_asks_for_the_stream_instead_of_losing() {
    let mut bench = Bench::new();
    bench.publish(Class::Durable, Some(1), "11111111");
    bench.publish(Class::Durable, Some(2), "22222222");
    bench.publish(Class::Durable, Some(3), "3");
    assert_eq!(bench.outbox.go_live(CHANNEL, 0, &mut bench.losses), Err(Gap));
    bench.publish(Class::Durable, Some(4), "4");
    for offset in 1..=3 {
        bench
            .outbox
            .publish_recovered(CHANNEL, offset, Bytes::from(format!("r{offset}")));
    }
    assert_eq!(
        bench.outbox.go_live(CHANNEL, 3, &mut bench.losses),
        Ok(Verdict::Taken)
    );
    assert_eq!(bench.sent(), "r1\nr2\nr3\n4");
}

#[test]
fn replies_are_refused_only_when_nothing_more_can_be_dropped() {
    let mut bench = Bench::live();
    bench.outbox.bytes_max = OUTBOX_STATE_RESERVE_BYTES;
    let big = Bytes::from(vec![b'x'; OUTBOX_STATE_RESERVE_BYTES]);
    bench.publish(Class::Ephemeral, None, "e");
    assert!(bench.outbox.send(big.clone(), &mut bench.losses));
    assert_eq!(bench.losses.ephemeral, 1);
    assert!(bench.outbox.send(big.clone(), &mut bench.losses));
    assert!(!bench.outbox.send(big, &mut bench.losses));
}

#[test]
fn a_frame_takes_about_its_target_and_at_least_one_object() {
    let mut bench = Bench::live();
    bench.publish(Class::Durable, Some(1), "1111");
    bench.publish(Class::Durable, Some(2), "2222");
    let mut frame = BytesMut::new();
    assert!(bench.outbox.drain(Format::Json, &mut frame, 2));
    assert_eq!(&frame[..], b"1111");
    assert_eq!(bench.sent(), "2222");
    assert!(!bench.outbox.drain(Format::Json, &mut BytesMut::new(), 2));
}
