//! The outbox's promises.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::batch::{Dialect, Item};
use crate::publication::{Class, Publication};

const CHANNEL: ChannelId = 7;
const JSON: Dialect = Dialect {
    format: Format::Json,
    compact: true,
};
/// What a push weighs besides its payload, without and with a one-digit offset.
const PLAIN_BYTES: usize = r#"{"push":{"id":7,"pub":{"data":}}}"#.len();
const PLACED_BYTES: usize = PLAIN_BYTES + r#","offset":1"#.len();

/// An outbox with room for `payloads` placed pushes of four bytes each.
struct Bench {
    outbox: Outbox,
    losses: Losses,
}

fn item(class: Class, offset: Option<u64>, data: &str) -> Item {
    let publication = Publication {
        offset,
        ..Publication::new(data.to_owned())
    };
    Item::publication(class, publication)
}

fn trifle(data: &str) -> Item {
    Item::publication(Class::Ephemeral, Publication::new(data.to_owned()).first_to_go())
}

fn batch(items: &[Item]) -> Arc<Batch> {
    Batch::encode(&"c".into(), CHANNEL, JSON, items)
}

impl Bench {
    fn new(payloads: usize) -> Self {
        let bytes_max = payloads * (PLACED_BYTES + 4) + 3;
        let mut outbox = Outbox::new(bytes_max, bytes_max);
        outbox.open_feed(CHANNEL, "c");
        Self {
            outbox,
            losses: Losses::default(),
        }
    }

    fn live(payloads: usize) -> Self {
        let mut bench = Self::new(payloads);
        assert_eq!(bench.go_live(0), Ok(Verdict::Taken(0)));
        bench
    }

    fn go_live(&mut self, floor: u64) -> Result<Verdict, Gap> {
        self.outbox.go_live(CHANNEL, floor, &mut self.losses)
    }

    fn publish(&mut self, class: Class, offset: Option<u64>, data: &str) -> Verdict {
        self.offer(&[item(class, offset, data)])
    }

    fn offer(&mut self, items: &[Item]) -> Verdict {
        self.outbox.publish(CHANNEL, &batch(items), &mut self.losses)
    }

    fn recovered(&mut self, offset: u64, data: &str) {
        let batch = batch(&[item(Class::Durable, Some(offset), data)]);
        self.outbox.publish_recovered(CHANNEL, batch);
    }

    /// Payloads, in the order in which they are sent; replies as they are.
    fn sent(&mut self) -> Vec<String> {
        let frame = self
            .outbox
            .next_frame(Format::Json, usize::MAX)
            .unwrap_or_default();
        assert_eq!((self.outbox.bytes(), self.outbox.ephemeral_bytes), (0, [0, 0]));
        let text = std::str::from_utf8(&frame).expect("utf-8");
        let payload = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let data = &value["push"]["pub"]["data"];
            if data.is_null() {
                line.to_owned()
            } else {
                data.to_string()
            }
        };
        text.lines().map(payload).collect()
    }
}

#[test]
fn ephemeral_goes_first_and_is_counted() {
    let mut bench = Bench::live(2);
    assert_eq!(bench.publish(Class::Ephemeral, None, "7777"), Verdict::Taken(1));
    assert_eq!(bench.publish(Class::Durable, Some(1), "1111"), Verdict::Taken(1));
    assert_eq!(bench.publish(Class::Durable, Some(2), "2222"), Verdict::Taken(1));
    assert_eq!(bench.publish(Class::Ephemeral, None, "8888"), Verdict::Dropped);
    assert_eq!(bench.sent(), ["1111", "2222"]);
    assert_eq!(bench.losses.ephemeral, 2);
}

#[test]
fn trifles_go_before_anything_else_that_may_go() {
    let mut bench = Bench::live(3);
    bench.publish(Class::Ephemeral, None, "7777");
    bench.offer(&[trifle("9999")]);
    bench.publish(Class::Durable, Some(1), "1111");
    bench.publish(Class::Durable, Some(2), "2222");
    assert_eq!(
        bench.offer(&[trifle("9998")]),
        Verdict::Dropped,
        "it does not push out what is better"
    );
    assert_eq!(bench.sent(), ["7777", "1111", "2222"]);
    assert_eq!(bench.losses.ephemeral, 2);
}

#[test]
fn of_a_tick_that_does_not_fit_the_durable_part_stays_whole() {
    let mut bench = Bench::live(3);
    let tick = [
        item(Class::Ephemeral, None, "7777"),
        item(Class::Durable, Some(1), "1111"),
        trifle("9999"),
        item(Class::Durable, Some(2), "2222"),
        item(Class::State, None, "3333"),
        item(Class::Ephemeral, None, "7778"),
    ];
    assert_eq!(bench.offer(&tick), Verdict::Taken(3));
    assert_eq!(bench.sent(), ["1111", "2222", "3333"], "in their order");
    assert_eq!((bench.losses.ephemeral, bench.losses.state), (3, 0));
}

#[test]
fn what_everybody_can_take_is_shared_and_not_copied() {
    let mut bench = Bench::live(8);
    let shared = batch(&[item(Class::Durable, Some(1), "1111"), trifle("9999")]);
    bench.outbox.publish(CHANNEL, &shared, &mut bench.losses);
    let sent = bench
        .outbox
        .next_frame(Format::Json, usize::MAX)
        .expect("it waits");
    assert_eq!(sent.as_ptr(), shared.bytes().as_ptr());
}

#[test]
fn only_the_newest_state_waits_and_it_stands_behind_what_came_before_it() {
    let mut bench = Bench::live(8);
    bench.offer(&[item(Class::State, None, "31"), item(Class::Durable, Some(1), "1")]);
    bench.publish(Class::Durable, Some(2), "2");
    bench.publish(Class::State, None, "32");
    assert_eq!(bench.sent(), ["1", "2", "32"]);
    assert_eq!(bench.losses.conflated, 1);
    bench.publish(Class::State, None, "33");
    assert_eq!(bench.sent(), ["33"]);
    assert_eq!(bench.losses.conflated, 1, "what was sent is not replaced");
}

#[test]
fn state_may_use_a_reserve_and_is_counted_when_that_is_full_too() {
    let mut bench = Bench::live(1);
    bench.publish(Class::Durable, Some(1), "1111");
    assert_eq!(bench.publish(Class::State, None, "3333"), Verdict::Taken(1));
    let large = format!("\"{}\"", "x".repeat(OUTBOX_STATE_RESERVE_BYTES));
    assert_eq!(bench.publish(Class::State, None, &large), Verdict::Dropped);
    assert_eq!(bench.sent(), ["1111"], "the older one was replaced all the same");
    assert_eq!((bench.losses.conflated, bench.losses.state), (1, 1));
}

#[test]
fn durable_overflow_loses_the_whole_channel_and_nothing_of_others() {
    let mut bench = Bench::live(2);
    bench.outbox.open_feed(8, "other");
    assert_eq!(
        bench.outbox.go_live(8, 0, &mut bench.losses),
        Ok(Verdict::Taken(0))
    );
    let other = batch(&[item(Class::Durable, Some(1), "8888")]);
    bench.outbox.publish(8, &other, &mut bench.losses);
    assert_eq!(bench.publish(Class::Durable, Some(1), "1111"), Verdict::Taken(1));
    assert_eq!(bench.publish(Class::Durable, Some(2), "2222"), Verdict::Lost);
    assert_eq!(
        bench.publish(Class::Durable, Some(3), "3"),
        Verdict::Unknown,
        "no hole may follow"
    );
    assert_eq!(bench.sent(), ["8888"]);
}

#[test]
fn what_is_held_back_comes_after_the_floor_once_and_in_order() {
    let mut bench = Bench::new(8);
    bench.offer(&[
        item(Class::Durable, Some(3), "3"),
        item(Class::Durable, Some(4), "4"),
    ]);
    bench.offer(&[
        item(Class::Ephemeral, None, "7"),
        item(Class::Durable, Some(5), "5"),
    ]);
    assert!(
        bench
            .outbox
            .send(Bytes::from_static(b"{\"id\":1}"), &mut bench.losses)
    );
    bench.recovered(4, "44");
    assert_eq!(bench.go_live(4), Ok(Verdict::Taken(0)));
    assert_eq!(bench.publish(Class::Durable, Some(5), "55"), Verdict::Dropped);
    let overlapping = [
        item(Class::Durable, Some(5), "555"),
        item(Class::Durable, Some(6), "6"),
    ];
    assert_eq!(bench.offer(&overlapping), Verdict::Taken(1));
    assert_eq!(bench.sent(), ["{\"id\":1}", "44", "7", "5", "6"]);
}

#[test]
fn a_full_hold_asks_for_the_stream_instead_of_losing() {
    let mut bench = Bench::new(2);
    bench.publish(Class::State, None, "3333");
    bench.publish(Class::Durable, Some(1), "1111");
    bench.publish(Class::Durable, Some(2), "2222");
    bench.publish(Class::Durable, Some(3), "3");
    assert_eq!(bench.go_live(0), Err(Gap));
    bench.publish(Class::Durable, Some(4), "4");
    (1..=3).for_each(|offset| bench.recovered(offset, &format!("{offset}0")));
    assert_eq!(bench.sent(), ["10", "20", "30"]);
    assert_eq!(bench.go_live(3), Ok(Verdict::Taken(0)));
    assert_eq!(bench.sent(), ["3333", "4"], "what no stream has was kept");
}

#[test]
fn a_full_hold_drops_the_ephemeral_before_it_forgets() {
    let mut bench = Bench::new(2);
    bench.offer(&[
        item(Class::Ephemeral, None, "7777"),
        item(Class::Durable, Some(1), "1111"),
    ]);
    bench.publish(Class::Durable, Some(2), "2222");
    assert_eq!(bench.go_live(0), Ok(Verdict::Taken(0)));
    assert_eq!(bench.sent(), ["1111", "2222"]);
    assert_eq!(bench.losses.ephemeral, 1);
}

#[test]
fn a_channel_that_lapsed_is_lost_to_the_live_and_read_by_those_who_are_opening() {
    for (held, after) in [(false, Verdict::Lost), (true, Verdict::Dropped)] {
        let mut bench = if held { Bench::new(4) } else { Bench::live(4) };
        bench.publish(Class::Durable, Some(1), "1");
        let skipped = Skipped::default();
        let lapsed = bench
            .outbox
            .lapse(&"c".into(), CHANNEL, true, skipped, &mut bench.losses);
        assert_eq!(lapsed, after);
        assert_eq!(bench.sent().len(), 0);
        let expected = if held { Err(Gap) } else { Ok(Verdict::Unknown) };
        assert_eq!(bench.go_live(0), expected);
    }
}

fn counters(viewers: u32) -> Item {
    let publication = Publication::new(format!("{{\"viewers\":{viewers}}}")).telling_losses();
    Item::publication(Class::State, publication)
}

#[test]
fn each_loss_is_told_once() {
    let mut bench = Bench::live(2);
    (0..5).for_each(|_| {
        bench.publish(Class::Ephemeral, None, "7777");
    });
    assert_eq!(bench.sent().len(), 2);
    bench.offer(&[counters(1)]);
    bench.offer(&[counters(2)]);
    assert_eq!(bench.sent(), ["{\"skipped\":{\"ephemeral\":3},\"viewers\":2}"]);
    bench.offer(&[counters(3)]);
    assert_eq!(bench.sent(), ["{\"viewers\":3}"]);
}

#[test]
fn what_was_lost_with_a_channel_is_told_when_the_client_is_back() {
    let mut bench = Bench::live(2);
    bench.publish(Class::Ephemeral, None, "7777");
    bench.publish(Class::Durable, Some(1), "1111");
    bench.publish(Class::Durable, Some(2), "2222");
    assert_eq!(bench.publish(Class::Durable, Some(3), "3333"), Verdict::Lost);
    bench.outbox.open_feed(9, "c");
    assert_eq!(
        bench.outbox.go_live(9, 3, &mut bench.losses),
        Ok(Verdict::Taken(0))
    );
    let told = batch(&[counters(1)]);
    bench.outbox.publish(9, &told, &mut bench.losses);
    assert_eq!(bench.sent(), ["{\"skipped\":{\"ephemeral\":1},\"viewers\":1}"]);
}

#[test]
fn replies_are_refused_only_when_nothing_more_can_be_dropped() {
    let mut bench = Bench::live(1);
    bench.outbox.bytes_max = OUTBOX_STATE_RESERVE_BYTES;
    let big = Bytes::from(vec![b'x'; OUTBOX_STATE_RESERVE_BYTES]);
    bench.publish(Class::Ephemeral, None, "7");
    assert!(bench.outbox.send(big.clone(), &mut bench.losses));
    assert_eq!(bench.losses.ephemeral, 1);
    assert!(bench.outbox.send(big.clone(), &mut bench.losses));
    assert!(!bench.outbox.send(big, &mut bench.losses));
}

#[test]
fn what_is_owed_is_counted_apart_from_what_the_channel_says() {
    let mut bench = Bench::live(10);
    bench.publish(Class::Durable, Some(1), "1");
    assert_eq!(bench.outbox.owed_bytes(), 0);
    assert!(bench.outbox.send("{}".into(), &mut Losses::default()));
    assert_eq!(bench.outbox.owed_bytes(), 2);
    bench.recovered(2, "2");
    assert!(bench.outbox.owed_bytes() > 2 && bench.outbox.owed_bytes() < bench.outbox.bytes());
    bench.sent();
    assert_eq!((bench.outbox.owed_bytes(), bench.outbox.bytes()), (0, 0));
}

#[test]
fn a_frame_takes_about_its_target_and_at_least_one_entry() {
    let mut bench = Bench::live(4);
    bench.publish(Class::Durable, Some(1), "1111");
    bench.publish(Class::Durable, Some(2), "2222");
    let frame = bench.outbox.next_frame(Format::Json, 2).expect("one waits");
    assert_eq!(frame.len(), PLACED_BYTES + 4);
    assert_eq!(bench.sent(), ["2222"]);
    assert!(bench.outbox.next_frame(Format::Json, 2).is_none());
}

/// One thing that may happen to an outbox.
#[derive(Clone, Debug)]
enum Step {
    /// A tick of so many publications of each rank.
    Tick {
        trifles: u8,
        ephemeral: u8,
        durable: u8,
        state: bool,
    },
    Drain,
    Reply,
}

fn step() -> impl Strategy<Value = Step> {
    let tick = (0..3u8, 0..3u8, 0..3u8, any::<bool>());
    prop_oneof![
        6 => tick.prop_map(|(trifles, ephemeral, durable, state)| Step::Tick { trifles, ephemeral, durable, state }),
        2 => Just(Step::Drain),
        1 => Just(Step::Reply),
    ]
}

/// What a client has seen of one channel.
#[derive(Default)]
struct Seen {
    offsets: Vec<u64>,
    ephemeral: u64,
    told: u64,
}

impl Seen {
    fn read(&mut self, bench: &mut Bench, bytes_target: usize) -> bool {
        let Some(frame) = bench.outbox.next_frame(Format::Json, bytes_target) else {
            return false;
        };
        for line in frame.split(|byte| *byte == b'\n') {
            let value: serde_json::Value = serde_json::from_slice(line).expect("JSON");
            let publication = &value["push"]["pub"];
            self.offsets.extend(publication["offset"].as_u64());
            self.ephemeral += u64::from(publication["data"] == "e");
            self.told += publication["data"]["skipped"]["ephemeral"].as_u64().unwrap_or(0);
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_sent_and_what_was_told_make_what_was_offered(steps in vec(step(), 1..80)) {
        let mut bench = Bench::live(6);
        let (mut seen, mut offered, mut published, mut lost_from) = (Seen::default(), 0, 0, None);
        for step in steps {
            match step {
                Step::Tick { trifles, ephemeral, durable, state } => {
                    let mut items: Vec<_> = (0..trifles).map(|_| trifle("\"e\"")).collect();
                    items.extend((0..ephemeral).map(|_| item(Class::Ephemeral, None, "\"e\"")));
                    for _ in 0..durable {
                        published += 1;
                        items.push(item(Class::Durable, Some(published), "\"d\""));
                    }
                    items.extend(state.then(|| counters(1)));
                    if items.is_empty() {
                        continue;
                    }
                    offered += u64::from(trifles) + u64::from(ephemeral);
                    if bench.offer(&items) == Verdict::Lost {
                        // As the SDK does: back at once, from where it is, with the rest from the stream.
                        while seen.read(&mut bench, usize::MAX) {}
                        lost_from = Some(seen.offsets.len());
                        bench.outbox.open_feed(CHANNEL, "c");
                        let known = seen.offsets.last().copied().unwrap_or(0);
                        (known + 1..=published).for_each(|offset| bench.recovered(offset, "\"d\""));
                        while seen.read(&mut bench, usize::MAX) {}
                        bench.go_live(published).expect("no gap");
                    }
                }
                Step::Drain => {
                    seen.read(&mut bench, 100);
                }
                Step::Reply => {
                    let reply = Bytes::from_static(b"{}");
                    let fits = bench.outbox.send(reply, &mut bench.losses);
                    prop_assert!(fits);
                }
            }
            let waiting: usize = bench.outbox.queue.iter().map(|entry| entry.what.bytes()).sum();
            prop_assert_eq!(bench.outbox.bytes(), waiting);
            prop_assert!(waiting <= bench.outbox.bytes_max + OUTBOX_STATE_RESERVE_BYTES);
        }
        while seen.read(&mut bench, usize::MAX) {}
        bench.offer(&[counters(2)]);
        while seen.read(&mut bench, usize::MAX) {}
        prop_assert_eq!(&seen.offsets, &(1..=published).collect::<Vec<_>>(), "lost from {:?}", lost_from);
        prop_assert_eq!(seen.ephemeral + seen.told, offered);
        prop_assert_eq!(bench.losses.ephemeral, seen.told, "the metrics say the same");
    }
}

#[test]
fn a_batch_passes_the_queue_only_when_it_would_leave_it_at_once_and_whole() {
    let durable = |offset| batch(&[item(Class::Durable, Some(offset), "1111")]);
    let mut bench = Bench::new(2);
    assert_eq!(bench.outbox.pass(CHANNEL, &durable(1)), None, "held back");
    assert_eq!(bench.go_live(4), Ok(Verdict::Taken(0)));
    assert_eq!(bench.outbox.pass(CHANNEL + 1, &durable(5)), None, "no such feed");
    assert_eq!(bench.outbox.pass(CHANNEL, &durable(4)), None, "known already");
    assert_eq!(bench.outbox.pass(CHANNEL, &durable(5)), Some(1));
    assert_eq!(bench.outbox.pass(CHANNEL, &durable(5)), None, "sent already");
    assert_eq!(
        bench.publish(Class::Durable, Some(5), "1111"),
        Verdict::Dropped,
        "sent already"
    );
    let large = batch(&[item(Class::Durable, Some(6), &"1".repeat(200))]);
    assert_eq!(bench.outbox.pass(CHANNEL, &large), None, "over the bound");
    assert_eq!(bench.publish(Class::Durable, Some(6), "1111"), Verdict::Taken(1));
    assert_eq!(bench.outbox.pass(CHANNEL, &durable(7)), None, "something waits");
    assert_eq!(bench.sent(), ["1111"]);
    assert_eq!(bench.outbox.pass(CHANNEL, &durable(7)), Some(1));
}
