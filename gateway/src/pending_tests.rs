//! When a channel speaks, and what it says when it has too much to say.

use super::*;
use crate::limits::PUBLICATION_BYTES_MAX;
use crate::publication::{Class, ENVELOPE_BYTES, Publication};

const NOW_MS: u64 = 10_000;
const SUBSCRIBERS: usize = 10;

#[derive(Default)]
struct Bench {
    pending: Pending,
    losses: Losses,
}

impl Bench {
    /// A channel that spoke at `NOW_MS`.
    fn spoken() -> Self {
        let mut bench = Self::default();
        assert_eq!(bench.push(Class::Durable, Urgency::Tick, 1, NOW_MS), Some(NOW_MS));
        assert_eq!(bench.tell(NOW_MS).items.len(), 1);
        bench
    }

    fn push(&mut self, class: Class, urgency: Urgency, bytes: usize, now_ms: u64) -> Option<u64> {
        let item = Item::publication(class, Publication::new(vec![b'1'; bytes]));
        self.pending
            .push(item, urgency, SUBSCRIBERS, now_ms, &mut self.losses)
    }

    #[track_caller]
    fn tell(&mut self, now_ms: u64) -> Telling {
        let telling = self.pending.take(now_ms).expect("due");
        assert_eq!(self.pending.told(SUBSCRIBERS, 0), None);
        telling
    }
}

#[test]
fn a_quiet_channel_speaks_at_once_and_then_once_a_tick() {
    let mut bench = Bench::spoken();
    assert_eq!(
        bench.push(Class::Durable, Urgency::Tick, 1, NOW_MS + 1),
        Some(NOW_MS + TICK_MS_MIN)
    );
    assert_eq!(
        bench.push(Class::Durable, Urgency::Tick, 1, NOW_MS + 30),
        None,
        "it is due already"
    );
    assert!(
        bench.pending.take(NOW_MS + TICK_MS_MIN - 1).is_none(),
        "not due yet"
    );
    assert_eq!(bench.tell(NOW_MS + TICK_MS_MIN).items.len(), 2);
    let later_ms = NOW_MS + 10 * TICK_MS_MIN;
    assert_eq!(
        bench.push(Class::Durable, Urgency::Tick, 1, later_ms),
        Some(later_ms),
        "quiet for a tick"
    );
}

#[test]
fn what_is_urgent_ends_the_tick_early_and_takes_the_rest_along() {
    let mut bench = Bench::spoken();
    bench.push(Class::Durable, Urgency::Tick, 1, NOW_MS + 1);
    let soon_ms = NOW_MS + TICK_MS_MIN / 5;
    assert_eq!(
        bench.push(Class::Durable, Urgency::Soon, 1, NOW_MS + 2),
        Some(soon_ms)
    );
    assert_eq!(
        bench.push(Class::Durable, Urgency::Now, 1, NOW_MS + 3),
        Some(NOW_MS + 3)
    );
    assert_eq!(bench.push(Class::Durable, Urgency::Soon, 1, NOW_MS + 4), None);
    assert_eq!(bench.tell(NOW_MS + 4).items.len(), 4);
    let rain = (5..).take_while(|ms| *ms < 1_000);
    let frames = rain.filter(|ms| {
        bench.push(Class::Durable, Urgency::Soon, 1, NOW_MS + ms);
        let due = bench.pending.take(NOW_MS + ms).is_some();
        assert!(!due || bench.pending.told(SUBSCRIBERS, 0).is_none());
        due
    });
    assert!(
        (95..=100).contains(&frames.count()),
        "a rain of gifts makes a frame each 10 ms, no more"
    );
}

#[test]
fn much_at_once_does_not_wait() {
    let mut bench = Bench::spoken();
    let now_ms = NOW_MS + 1;
    assert_eq!(
        bench.push(Class::Durable, Urgency::Tick, TICK_BYTES_TARGET, now_ms),
        Some(now_ms)
    );
}

#[test]
fn the_tick_grows_with_the_channel_and_with_readers_that_lag() {
    for (subscribers, stretch, expected_ms) in [
        (0, 0, 50),
        (1_250, 0, 50),
        (2_500, 0, 100),
        (5_000, 0, 200),
        (1_000_000, 2, 200),
        (10, 1, 100),
        (10, 2, 200),
    ] {
        assert_eq!(
            tick_ms(subscribers, stretch),
            expected_ms,
            "{subscribers} subscribers, {stretch}"
        );
    }
    let mut bench = Bench::spoken();
    let mut stretch_after = |behind| {
        let now_ms = bench.pending.told_ms.expect("spoken") + TICK_MS_MAX;
        bench.push(Class::Durable, Urgency::Now, 1, now_ms);
        bench.pending.take(now_ms).expect("due");
        bench.pending.told(SUBSCRIBERS, behind);
        bench.pending.stretch
    };
    assert_eq!(
        [6, 6, 6, 5, 2, 1, 0].map(&mut stretch_after),
        [1, 2, 2, 2, 2, 1, 0]
    );
}

#[test]
fn only_the_newest_state_is_said() {
    let mut bench = Bench::spoken();
    for bytes in [10, 20, 30] {
        bench.push(Class::State, Urgency::Tick, bytes, NOW_MS + 1);
    }
    let telling = bench.tell(NOW_MS + TICK_MS_MIN);
    assert_eq!(
        telling.items.iter().map(Item::weight_bytes).collect::<Vec<_>>(),
        [30 + ENVELOPE_BYTES]
    );
    assert_eq!(bench.losses.conflated, 2 * SUBSCRIBERS as u64);
    assert!(telling.skipped.is_empty(), "conflation is no loss");
}

#[test]
fn too_much_costs_the_ephemeral_first_and_everybody_is_to_be_told() {
    let mut bench = Bench::spoken();
    let quarter = CHANNEL_PENDING_BYTES_MAX / 4 - ENVELOPE_BYTES;
    for class in [
        Class::Ephemeral,
        Class::Durable,
        Class::State,
        Class::Durable,
        Class::Ephemeral,
    ] {
        bench.push(class, Urgency::Tick, quarter, NOW_MS + 1);
    }
    let telling = bench.tell(NOW_MS + TICK_MS_MIN);
    let ranks: Vec<_> = telling.items.iter().map(|item| item.rank).collect();
    assert_eq!(
        ranks,
        [Rank::Durable, Rank::State, Rank::Durable, Rank::Ephemeral],
        "the oldest went"
    );
    assert_eq!((telling.skipped.ephemeral, telling.lapsed), (1, false));
    assert_eq!(bench.losses.ephemeral, SUBSCRIBERS as u64);
}

#[test]
fn durable_beyond_the_bound_lapses_whole_and_only_until_it_is_told() {
    let mut bench = Bench::spoken();
    let too_many = CHANNEL_PENDING_BYTES_MAX / PUBLICATION_BYTES_MAX + 1;
    for _ in 0..too_many + 3 {
        bench.push(Class::Durable, Urgency::Tick, PUBLICATION_BYTES_MAX, NOW_MS + 1);
    }
    bench.push(Class::State, Urgency::Tick, 1, NOW_MS + 1);
    let telling = bench.tell(NOW_MS + 1);
    assert!(telling.lapsed);
    let ranks: Vec<_> = telling.items.iter().map(|item| item.rank).collect();
    assert_eq!(ranks, [Rank::State], "a part of the durable ones would be a hole");
    bench.push(Class::Durable, Urgency::Now, 1, NOW_MS + 2);
    let telling = bench.tell(NOW_MS + 2);
    assert_eq!((telling.items.len(), telling.lapsed), (1, false));
}

#[test]
fn a_channel_is_in_one_hand_at_a_time() {
    let mut bench = Bench::spoken();
    let at_ms = NOW_MS + TICK_MS_MIN;
    bench.push(Class::Durable, Urgency::Tick, 1, at_ms);
    bench.pending.take(at_ms).expect("due");
    assert_eq!(
        bench.push(Class::Durable, Urgency::Now, 1, at_ms),
        None,
        "whoever tells it looks again"
    );
    assert!(bench.pending.take(at_ms).is_none());
    assert_eq!(bench.pending.told(SUBSCRIBERS, 0), Some(at_ms));
    assert_eq!(bench.tell(at_ms).items.len(), 1);
}

#[test]
fn after_a_stumble_everybody_reads_the_stream() {
    let mut bench = Bench::spoken();
    bench.push(Class::Durable, Urgency::Now, 1, NOW_MS + 1);
    bench.pending.take(NOW_MS + 1).expect("due");
    let due_ms = bench.pending.stumbled(NOW_MS + 1);
    assert_eq!(
        due_ms,
        NOW_MS + 1 + TICK_MS_MAX,
        "also when nobody says anything more"
    );
    assert_eq!(
        bench.push(Class::Durable, Urgency::Tick, 1, NOW_MS + 2),
        Some(NOW_MS + 2)
    );
    let telling = bench.tell(NOW_MS + 2);
    assert_eq!((telling.lapsed, telling.items.len()), (true, 0));
}

#[test]
fn what_came_during_a_stumble_is_told_though_nothing_follows() {
    let mut bench = Bench::spoken();
    bench.push(Class::Durable, Urgency::Now, 1, NOW_MS + 1);
    bench.pending.take(NOW_MS + 1).expect("due");
    bench.push(Class::State, Urgency::Tick, 1, NOW_MS + 1);
    let due_ms = bench.pending.stumbled(NOW_MS + 1);
    let telling = bench.tell(due_ms);
    assert_eq!((telling.lapsed, telling.items.len()), (true, 1));
}
