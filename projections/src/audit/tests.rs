//! Hand-made histories in a journal in memory, each with one fault: the audit names the promise and the record.

use std::sync::Arc;

use domain::event::{
    CoinsAdjusted, CoinsRecharged, CoinsTakenBack, ComboEnded, ComboStep, CommandRefused, GiftSent,
    OrderCreated, OrderPaid, OrderRefunded, PaymentReceived, PaymentRefunded, TicketsCredited,
    WithdrawalRequested,
};
use domain::{Event, Rejection, SessionNumber, StreamId, StreamKind};
use journal::memory::MemoryJournal;
use journal::{Append, Cause, Epoch, Expected, RecordBatchBuilder, RecordRef, Writer};

use super::*;
use crate::ledger::stored_ledger;
use crate::{MemoryStore, Options, Runner, ViewStore};

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn stream(kind: StreamKind, key: &str) -> StreamId {
    StreamId::new(kind, key)
}

/// A journal, and who writes into it by which command.
#[derive(Clone, Default)]
struct History(MemoryJournal);

impl History {
    fn append(&self, stream: StreamId, command: Option<&str>, actor: &str, events: Vec<Event>) -> &Self {
        let append = Append {
            stream,
            expected: Expected::Any,
            epoch: Epoch(1),
            cause: Cause {
                command_id: command.map(Into::into),
                request_hash: u64::from(command.is_some()) * 7,
                actor: actor.into(),
            },
            events,
        };
        assert!(
            self.0
                .append(append, Box::new(|outcome| assert!(outcome.is_ok())))
                .is_ok()
        );
        self
    }

    fn ann(&self, command: &str, event: impl Into<Event>) -> &Self {
        self.append(
            stream(StreamKind::Viewer, "ann"),
            Some(command),
            "ann",
            vec![event.into()],
        )
    }

    fn house(&self, to: StreamId, event: impl Into<Event>) -> &Self {
        self.append(to, None, "house", vec![event.into()])
    }

    fn cashier(&self, command: &str, event: impl Into<Event>) -> &Self {
        let to = stream(StreamKind::Viewer, "ann");
        self.append(to, Some(command), "cashier", vec![event.into()])
    }

    fn granted(amount: i64, coins_left: u64) -> Self {
        let history = Self::default();
        history.house(
            stream(StreamKind::Viewer, "ann"),
            adjusted(amount, coins_left, "welcome"),
        );
        history
    }

    fn report(&self) -> Report {
        run(&self.0, None, &Stopper::default(), |_| {}).unwrap()
    }

    /// The first break: number of the invariant, position.
    fn broken(&self) -> Option<(u8, u64)> {
        let report = self.report();
        report
            .first_break()
            .map(|found| (found.invariant, found.position))
    }
}

fn adjusted(amount: i64, coins_left: u64, reason: &str) -> CoinsAdjusted {
    let reason = reason.into();
    CoinsAdjusted {
        amount,
        coins_left,
        reason,
    }
}

fn gift(coins: u64, coins_left: u64) -> GiftSent {
    GiftSent {
        room: id("star"),
        session: SessionNumber(1),
        gift: id("rose"),
        count: 1,
        coins,
        tickets: coins,
        coins_left,
        combo: None,
    }
}

fn credited(after: u64, upto: u64, gifts: u64, tickets: u64, tickets_total: u64) -> TicketsCredited {
    TicketsCredited {
        shard: 0,
        after,
        upto,
        gifts,
        tickets,
        tickets_total,
    }
}

fn star() -> StreamId {
    stream(StreamKind::Streamer, "star")
}

fn order() -> StreamId {
    stream(StreamKind::Order, "o1")
}

fn payment() -> StreamId {
    stream(StreamKind::Payment, "sandbox.p1")
}

fn created() -> OrderCreated {
    OrderCreated {
        user: id("ann"),
        pack: id("small"),
        coins: 100,
        price: 600,
        currency: id("CNY"),
    }
}

fn received(amount: u64) -> PaymentReceived {
    PaymentReceived {
        provider: id("sandbox"),
        payment: id("p1"),
        order: id("o1"),
        amount,
        currency: id("CNY"),
    }
}

fn order_paid() -> OrderPaid {
    OrderPaid {
        user: id("ann"),
        provider: id("sandbox"),
        payment: id("p1"),
        coins: 100,
        cancelled: false,
    }
}

fn recharged(coins: u64, coins_left: u64) -> CoinsRecharged {
    CoinsRecharged {
        order: id("o1"),
        provider: id("sandbox"),
        payment: id("p1"),
        coins,
        debt_paid: 0,
        coins_left,
        debt_left: 0,
    }
}

fn payment_refunded() -> PaymentRefunded {
    PaymentRefunded {
        provider: id("sandbox"),
        payment: id("p1"),
        order: id("o1"),
        amount: 600,
        currency: id("CNY"),
    }
}

fn order_refunded() -> OrderRefunded {
    OrderRefunded {
        user: id("ann"),
        provider: id("sandbox"),
        payment: id("p1"),
        coins: 100,
    }
}

fn taken_back() -> CoinsTakenBack {
    CoinsTakenBack {
        order: id("o1"),
        provider: id("sandbox"),
        coins: 100,
        debt_added: 0,
        coins_left: 0,
        debt_left: 0,
    }
}

/// One order, paid and credited.
fn bought() -> History {
    let history = History::default();
    history
        .append(order(), Some("c"), "ann", vec![created().into()])
        .house(payment(), received(600))
        .house(order(), order_paid())
        .cashier("o1", recharged(100, 100));
    history
}

#[test]
fn a_true_history_is_clean_and_what_is_under_way_is_listed() {
    let history = bought();
    history
        .ann("g1", gift(30, 70))
        .ann("g2", gift(20, 50))
        .house(star(), credited(0, 5, 1, 30, 30));
    let requested = WithdrawalRequested {
        withdrawal: id("w"),
        tickets: 30,
        fee: 2,
        pays: 280,
        currency: id("CNY"),
        account: "a".into(),
        approvals_needed: 1,
        tickets_left: 0,
        held_left: 30,
    };
    history.append(star(), Some("w"), "star", vec![requested.into()]);
    let report = history.report();
    assert_eq!(report.first_break(), None);
    assert_eq!(report.records, 8);
    assert_eq!((report.in_flight.gifts, report.in_flight.tickets), (1, 20));
    assert_eq!(report.open_withdrawals[0].withdrawal, "w");
    assert_eq!((report.owed.len(), report.to_take_back.len()), (0, 0));
    let checks: Vec<_> = report.invariants.iter().map(|v| v.checks > 0).collect();
    // No refusal, no correction, no files, and no stored ledger.
    let nothing_to_look_at = [4, 7, 12, 13];
    let wanted = (1..=13).map(|number| !nothing_to_look_at.contains(&number));
    assert_eq!(checks, wanted.collect::<Vec<_>>());
    assert_eq!(report.digest, history.report().digest, "two passes agree");
}

#[test]
fn invariants_1_2_5_6_9_and_10_are_those_of_the_ledger() {
    let overdrawn = History::granted(10, 10);
    assert_eq!(overdrawn.ann("g", gift(30, 0)).broken(), Some((2, 2)));
    let misstated = History::granted(10, 11);
    assert_eq!(misstated.broken(), Some((9, 1)));
}

#[test]
fn invariant_3_a_second_effect_of_a_command_is_named() {
    let history = History::granted(100, 100);
    history
        .ann("g1", gift(10, 90))
        .ann("g2", gift(10, 80))
        .ann("g1", gift(10, 70));
    assert_eq!(history.broken(), Some((3, 4)));
    let at_once = History::granted(100, 100);
    at_once.ann("g1", gift(10, 90)).ann("g1", gift(10, 80));
    assert_eq!(at_once.broken(), Some((3, 3)));
}

#[test]
fn invariant_3_the_further_events_of_one_append_are_one_effect() {
    let history = History::granted(100, 100);
    let combo = ComboStep {
        id: id("k"),
        total: 1,
    };
    let ended = ComboEnded {
        room: id("star"),
        gift: id("rose"),
        combo,
    };
    let both = vec![gift(10, 90).into(), ended.into()];
    history.append(stream(StreamKind::Viewer, "ann"), Some("g1"), "ann", both);
    assert_eq!(history.broken(), None);
}

#[test]
fn invariant_3_the_same_id_of_two_users_is_two_commands() {
    let history = History::granted(100, 100);
    history
        .house(stream(StreamKind::Viewer, "bob"), adjusted(50, 50, "welcome"))
        .ann("1", gift(10, 90))
        .append(
            stream(StreamKind::Viewer, "bob"),
            Some("1"),
            "bob",
            vec![gift(10, 40).into()],
        );
    assert_eq!(history.broken(), None);
}

#[test]
fn invariant_3_a_gift_without_its_command_is_named() {
    let history = History::granted(100, 100);
    history.house(stream(StreamKind::Viewer, "ann"), gift(10, 90));
    assert_eq!(history.broken(), Some((3, 2)));
}

#[test]
fn invariant_4_an_effect_of_a_refused_command_is_named() {
    let history = History::granted(100, 100);
    let refused = CommandRefused {
        rejection: Rejection::NotEnoughCoins,
    };
    history
        .ann("g1", refused)
        .ann("g2", gift(10, 90))
        .ann("g1", gift(10, 80));
    assert_eq!(history.broken(), Some((4, 4)));
}

#[test]
fn invariant_7_a_correction_without_reason_or_author_is_named() {
    let ann = || stream(StreamKind::Viewer, "ann");
    let history = History::granted(10, 10);
    history.house(ann(), adjusted(5, 15, " "));
    assert_eq!(history.broken(), Some((7, 2)));
    let by_herself = History::granted(10, 10);
    by_herself.ann("a", adjusted(5, 15, "because"));
    assert_eq!(by_herself.broken(), Some((7, 2)));
    let by_nobody = History::granted(10, 10);
    by_nobody.append(ann(), None, "", vec![adjusted(5, 15, "because").into()]);
    assert_eq!(by_nobody.broken(), Some((7, 2)));
}

/// Feeds records as they are, whatever they say of themselves.
fn fed(records: &[(u64, u64, i64)]) -> Option<(u8, u64)> {
    let mut auditor = Auditor::new(None);
    let event = Event::from(adjusted(1, 1, "welcome"));
    let (event_type, schema, payload) = codec::encode(&event);
    for (n, &(sequence, version, at_ms)) in (1..).zip(records) {
        let record = RecordRef {
            position: Position { shard: 0, sequence },
            kind: StreamKind::Viewer,
            key: "ann",
            version,
            recorded_at_ms: at_ms,
            command_id: None,
            request_hash: 0,
            actor: "house",
            event_type,
            schema,
            payload: &payload,
        };
        let true_event = Event::from(adjusted(1, n, "welcome"));
        auditor.take(&record, &true_event, 0, (0, NOBODY));
    }
    let report = auditor.finish(journal::JournalId(1), 1.0);
    report
        .first_break()
        .map(|found| (found.invariant, found.position))
}

#[test]
fn invariant_8_gaps_and_steps_back_are_named() {
    assert_eq!(fed(&[(1, 1, 5), (2, 2, 5), (3, 3, 6)]), None);
    assert_eq!(fed(&[(1, 1, 5), (3, 2, 5)]), Some((8, 3)));
    assert_eq!(fed(&[(1, 1, 5), (1, 2, 5)]), Some((8, 1)));
    assert_eq!(fed(&[(1, 1, 5), (2, 3, 5)]), Some((8, 2)));
    assert_eq!(fed(&[(1, 1, 5), (2, 2, 4)]), Some((8, 2)));
}

#[test]
fn invariant_10_a_credit_covers_exactly_the_gifts_of_its_range() {
    let sent = || {
        let history = History::granted(100, 100);
        history.ann("g1", gift(30, 70)).ann("g2", gift(30, 40));
        history
    };
    assert_eq!(sent().house(star(), credited(0, 2, 1, 30, 30)).broken(), None);
    assert_eq!(
        sent().house(star(), credited(0, 3, 1, 30, 30)).broken(),
        Some((10, 4))
    );
    assert_eq!(
        sent().house(star(), credited(1, 2, 1, 30, 30)).broken(),
        Some((10, 4))
    );
    let twice = sent();
    twice
        .house(star(), credited(0, 2, 1, 30, 30))
        .house(star(), credited(0, 2, 1, 30, 60));
    assert_eq!(twice.broken(), Some((10, 5)));
}

#[test]
fn invariant_11_a_recharge_has_its_order_and_its_payment_once() {
    assert_eq!(bought().broken(), None);
    assert_eq!(
        bought().cashier("again", recharged(100, 200)).broken(),
        Some((11, 5))
    );
    let unpaid = History::default();
    unpaid
        .append(order(), Some("c"), "ann", vec![created().into()])
        .cashier("o1", recharged(100, 100));
    assert_eq!(unpaid.broken(), Some((11, 2)));
    let too_little = History::default();
    too_little
        .append(order(), Some("c"), "ann", vec![created().into()])
        .house(payment(), received(599))
        .house(order(), order_paid());
    assert_eq!(too_little.broken(), Some((11, 3)));
    let never_came = History::default();
    never_came
        .append(order(), Some("c"), "ann", vec![created().into()])
        .house(order(), order_paid());
    assert_eq!(never_came.broken(), Some((11, 2)));
    let too_much = History::default();
    too_much
        .append(order(), Some("c"), "ann", vec![created().into()])
        .house(payment(), received(600))
        .house(order(), order_paid())
        .cashier("o1", recharged(101, 101));
    assert_eq!(too_much.broken(), Some((11, 4)));
}

#[test]
fn invariant_11_what_is_taken_back_was_refunded_once() {
    let history = bought();
    history
        .house(payment(), payment_refunded())
        .house(order(), order_refunded());
    let report = history.report();
    assert_eq!((report.is_clean(), report.to_take_back.len()), (true, 1));
    history.cashier("refund:o1", taken_back());
    let report = history.report();
    assert_eq!((report.is_clean(), report.to_take_back.len()), (true, 0));
    assert_eq!(
        bought().cashier("refund:o1", taken_back()).broken(),
        Some((11, 5))
    );
    assert_eq!(bought().house(order(), order_refunded()).broken(), Some((11, 5)));
}

#[test]
fn a_paid_order_that_is_not_credited_is_listed_and_no_error() {
    let history = History::default();
    history
        .append(order(), Some("c"), "ann", vec![created().into()])
        .house(payment(), received(600))
        .house(order(), order_paid());
    let report = history.report();
    assert!(report.is_clean());
    assert_eq!((report.owed[0].user.as_str(), report.owed[0].coins), ("ann", 100));
}

/// A source whose second half is damaged.
struct Damaged<'a>(Option<FromReader<'a>>);

impl Source for Damaged<'_> {
    fn next(&mut self) -> journal::Result<Option<RecordBatch>> {
        match self.0.take() {
            Some(mut sound) => sound.next(),
            None => Err(journal::Error::Damaged {
                path: "00000001.segment".into(),
                offset: 7,
                what: "a bit is wrong".into(),
            }),
        }
    }

    fn checked(&self) -> Option<Checked> {
        None
    }
}

#[test]
fn invariant_12_damage_is_named_with_the_record_it_begins_at() {
    let history = History::granted(100, 100);
    let mut source = Damaged(Some(FromReader::new(&history.0)));
    let report = run_over(&mut source, &history.0, None, &Stopper::default(), |_| {}).unwrap();
    let found = report.first_break().unwrap();
    assert_eq!((found.invariant, found.position), (12, 2));
    assert!(found.what.contains("00000001.segment"), "{}", found.what);
}

#[test]
fn invariant_13_the_stored_ledger_is_the_same_fold_at_its_place() {
    let history = bought();
    let store: Arc<dyn ViewStore> = Arc::new(MemoryStore::new());
    let open = || {
        let reader = Arc::new(history.0.clone());
        Runner::open(reader, store.clone(), Options::default(), Arc::new(())).unwrap()
    };
    open().turn().unwrap();
    let stored = || stored_ledger(&*store, Reader::id(&history.0)).unwrap();
    // The journal has gone on since.
    history.ann("g1", gift(30, 70));
    let report = run(&history.0, stored(), &Stopper::default(), |_| {}).unwrap();
    assert_eq!(report.first_break(), None);
    let compared = report.stored.unwrap();
    assert_eq!((compared.position, compared.equal), (4, true));

    let mut other = stored().unwrap();
    other.digest[0] ^= 1;
    let report = run(&history.0, Some(other), &Stopper::default(), |_| {}).unwrap();
    let found = report.first_break().unwrap();
    assert_eq!((found.invariant, found.position), (13, 4));
}

#[test]
fn a_record_that_nobody_can_read_is_named() {
    let history = History::granted(100, 100);
    let records = history.0.records(0);
    let mut rotten = RecordBatchBuilder::after(Position::start(0));
    let record = RecordRef {
        payload: &[],
        ..records[0].as_ref()
    };
    assert!(rotten.push(&record));
    struct Once(Option<RecordBatch>);
    impl Source for Once {
        fn next(&mut self) -> journal::Result<Option<RecordBatch>> {
            Ok(self.0.take())
        }
        fn checked(&self) -> Option<Checked> {
            None
        }
    }
    let mut source = Once(Some(rotten.finish()));
    let report = run_over(&mut source, &history.0, None, &Stopper::default(), |_| {}).unwrap();
    let found = report.first_break().unwrap();
    assert_eq!((found.invariant, found.position), (9, 1));
}
