//! Given, when, then for the viewer.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::event::{CoinsAdjusted, CoinsRecharged, CoinsTakenBack, DebtForgiven};
use crate::limits::{COINS_MAX, REASON_CHARS_MAX};
use crate::testkit::{GIVEN_MS, NOW_MS, check, check_refused, decide_at, given, id};
use proptest::prelude::*;

const KIM: &str = "kim";

fn coins(amount: i64, coins_left: u64) -> Event {
    CoinsAdjusted {
        amount,
        coins_left,
        reason: "grant".into(),
    }
    .into()
}

fn adjust(amount: i64, reason: &str) -> Command {
    Command::AdjustCoins {
        amount,
        reason: String::from(reason),
    }
}

fn recharge(coins: u64) -> Command {
    Command::Recharge(Recharge {
        order: id("o1"),
        provider: id("sandbox"),
        payment: id("p1"),
        coins,
    })
}

fn recharged(coins: u64, debt_paid: u64, coins_left: u64, debt_left: u64) -> Event {
    CoinsRecharged {
        order: id("o1"),
        provider: id("sandbox"),
        payment: id("p1"),
        coins,
        debt_paid,
        coins_left,
        debt_left,
    }
    .into()
}

fn take_back(coins: u64) -> Command {
    Command::TakeBack(TakeBack {
        order: id("o1"),
        provider: id("sandbox"),
        coins,
    })
}

fn taken_back(coins: u64, debt_added: u64, coins_left: u64, debt_left: u64) -> Event {
    CoinsTakenBack {
        order: id("o1"),
        provider: id("sandbox"),
        coins,
        debt_added,
        coins_left,
        debt_left,
    }
    .into()
}

fn forgive(coins: u64) -> Command {
    Command::ForgiveDebt {
        coins,
        reason: "our mistake".into(),
    }
}

#[test]
fn a_refund_takes_what_is_there_and_the_rest_is_owed() {
    let bought = recharged(60, 0, 60, 0);
    check::<Viewer>("ann", &[], &recharge(60), core::slice::from_ref(&bought));
    check::<Viewer>(
        "ann",
        core::slice::from_ref(&bought),
        &take_back(60),
        &[taken_back(60, 0, 0, 0)],
    );
    let spent = [bought, sent(4, 20, None)];
    check::<Viewer>("ann", &spent, &take_back(60), &[taken_back(60, 40, 0, 40)]);
}

#[test]
fn a_recharge_pays_off_debt_first() {
    let owing = [taken_back(40, 40, 0, 40)];
    check::<Viewer>("ann", &owing, &recharge(30), &[recharged(30, 30, 0, 10)]);
    check::<Viewer>("ann", &owing, &recharge(60), &[recharged(60, 40, 20, 0)]);
    let forgiven = DebtForgiven {
        coins: 15,
        debt_left: 25,
        reason: "our mistake".into(),
    };
    check::<Viewer>("ann", &owing, &forgive(15), &[forgiven.into()]);
    let asked = decide_at(&given::<Viewer>("ann", &owing), &Command::AskDebt, NOW_MS);
    assert_eq!(asked, Ok(Decision::Already(Answer::Owes(40))));
}

fn step(id_: &str, total: u32) -> ComboStep {
    ComboStep { id: id(id_), total }
}

fn send(gift: &str, count: u32, combo: Option<ComboStep>) -> SendGift {
    SendGift {
        room: id(KIM),
        session: Some(SessionNumber(1)),
        gift: id(gift),
        count,
        combo,
    }
}

fn roses(count: u32) -> Command {
    Command::SendGift(send("rose", count, None))
}

fn combo(id: &str, total: u32) -> Command {
    Command::SendGift(send("rose", 1, Some(step(id, total))))
}

fn sent(count: u32, coins_left: u64, combo: Option<ComboStep>) -> Event {
    let (coins, tickets) = (u64::from(count) * 10, u64::from(count) * 5);
    let (room, gift, session) = (id(KIM), id("rose"), SessionNumber(1));
    GiftSent {
        room,
        session,
        gift,
        count,
        coins,
        tickets,
        coins_left,
        combo,
    }
    .into()
}

fn ended(step: ComboStep) -> Event {
    ComboEnded {
        room: id(KIM),
        gift: id("rose"),
        combo: step,
    }
    .into()
}

/// Every refusal, each checked where it is listed, as the first that applies.
pub(crate) fn refused() -> Vec<Rejection> {
    use Rejection as R;
    let rich = [coins(1_000_000, 1_000_000)];
    let running = [coins(1_000, 1_000), sent(5, 950, Some(step("c", 5)))];
    let poor = [coins(9, 9)];
    let owing = [taken_back(40, 40, 0, 40)];
    let in_room = |room: &str, session, gift: &str, combo| {
        Command::SendGift(SendGift {
            room: id(room),
            session,
            ..send(gift, 1, combo)
        })
    };
    let live = Some(SessionNumber(1));
    let table: Vec<(&[Event], Command, R)> = Vec::from([
        (&rich[..], adjust(5, " \u{7} "), R::TextEmpty),
        (
            &rich,
            adjust(5, &"x".repeat(REASON_CHARS_MAX + 1)),
            R::TextTooLong,
        ),
        (&rich, adjust(0, "why"), R::BadAmount),
        (&rich, adjust(-1_000_001, "why"), R::BadAmount),
        (&rich, adjust(i64::MIN, "why"), R::BadAmount),
        (&rich, adjust(i64::MAX, "why"), R::BalanceLimit),
        (&rich, adjust(COINS_MAX as i64 - 999_999, "why"), R::BalanceLimit),
        (&rich, forgive(1), R::BadDebt),
        (&owing, forgive(0), R::BadDebt),
        (&owing, forgive(41), R::BadDebt),
        (&rich, recharge(COINS_MAX), R::BalanceLimit),
        (&owing, take_back(COINS_MAX), R::BalanceLimit),
        (&rich, in_room("ann", None, "rolls", None), R::UnknownGift),
        (&rich, combo("c", 0), R::BadCount),
        (&rich, combo("c", COMBO_TOTAL_MAX + 1), R::BadCount),
        (&rich, combo("c", GIFT_COUNT_MAX + 1), R::BadCount),
        (&running, combo("c", 5 + GIFT_COUNT_MAX + 1), R::BadCount),
        (
            &running,
            in_room("lee", live, "rose", Some(step("c", 6))),
            R::ComboMismatch,
        ),
        (
            &running,
            in_room(KIM, live, "like", Some(step("c", 6))),
            R::ComboMismatch,
        ),
        (&rich, roses(0), R::BadCount),
        (&rich, roses(GIFT_COUNT_MAX + 1), R::BadCount),
        (&rich, in_room("ann", None, "rose", None), R::GiftToSelf),
        (&[], in_room(KIM, None, "rose", None), R::RoomNotLive),
        (&poor, roses(1), R::NotEnoughCoins),
        (
            &rich,
            Command::SendGift(send("rocket", GIFT_COUNT_MAX, None)),
            R::NotEnoughCoins,
        ),
        (&rich, Command::EndCombo { combo: id("c") }, R::UnknownCombo),
        (&running, Command::EndIdleCombos, R::UnknownCombo),
    ]);
    for (given, when, then) in &table {
        check_refused::<Viewer>("ann", given, when, *then);
    }
    let about_people = super::relations::tests::refused();
    table
        .into_iter()
        .map(|(_, _, then)| then)
        .chain(about_people)
        .collect()
}

#[test]
fn coins_are_added_and_taken_to_the_last_one() {
    check::<Viewer>("ann", &[], &adjust(7, "grant"), &[coins(7, 7)]);
    check::<Viewer>("ann", &[coins(7, 7)], &adjust(-7, "grant"), &[coins(-7, 0)]);
    let most = COINS_MAX as i64;
    check::<Viewer>("ann", &[], &adjust(most, "grant"), &[coins(most, COINS_MAX)]);
}

#[test]
fn a_gift_is_paid_and_given_in_one_event() {
    check::<Viewer>("ann", &[coins(30, 30)], &roses(3), &[sent(3, 0, None)]);
    let most = [coins(100_000, 100_000)];
    check::<Viewer>(
        "ann",
        &most,
        &roses(GIFT_COUNT_MAX),
        &[sent(GIFT_COUNT_MAX, 10, None)],
    );
}

#[test]
fn a_combo_charges_the_difference_to_what_it_has_reached() {
    let given = [coins(1_000, 1_000), sent(5, 950, Some(step("c", 5)))];
    check::<Viewer>("ann", &given, &combo("c", 8), &[sent(3, 920, Some(step("c", 8)))]);
    let repeated = [ComboRepeated {
        combo: step("c", 5),
        coins_left: 950,
    }
    .into()];
    check::<Viewer>("ann", &given, &combo("c", 5), &repeated);
    check::<Viewer>("ann", &given, &combo("c", 2), &repeated);
}

#[test]
fn a_combo_ends_once_and_a_late_step_is_paid_without_running_it_again() {
    let end = Command::EndCombo { combo: id("c") };
    let mut given = Vec::from([coins(1_000, 1_000), sent(5, 950, Some(step("c", 5)))]);
    check::<Viewer>("ann", &given, &end, &[ended(step("c", 5))]);
    given.push(ended(step("c", 5)));
    check::<Viewer>("ann", &given, &end, &[]);
    check::<Viewer>("ann", &given, &combo("c", 6), &[sent(1, 940, Some(step("c", 6)))]);
    given.push(sent(1, 940, Some(step("c", 6))));
    check::<Viewer>("ann", &given, &end, &[]);
    assert_eq!(viewer(&given).next_combo_end_ms(), None);
}

fn viewer(events: &[Event]) -> Viewer {
    given::<Viewer>("ann", events)
}

#[test]
fn an_idle_combo_ends_five_seconds_after_its_last_gift() {
    let state = viewer(&[coins(1_000, 1_000), sent(5, 950, Some(step("c", 5)))]);
    let due = GIVEN_MS + COMBO_IDLE_MS;
    assert_eq!(state.next_combo_end_ms(), Some(due));
    assert_eq!(
        decide_at(&state, &Command::EndIdleCombos, due - 1),
        Err(Rejection::UnknownCombo)
    );
    let expected = Decision::happens(ComboEnded {
        room: id(KIM),
        gift: id("rose"),
        combo: step("c", 5),
    });
    assert_eq!(decide_at(&state, &Command::EndIdleCombos, due), Ok(expected));
}

#[test]
fn a_combo_that_is_pushed_out_of_the_memory_is_ended_first() {
    let mut given = Vec::from([coins(10_000, 10_000)]);
    let mut left = 10_000;
    for n in 0..COMBOS_REMEMBERED_MAX {
        left -= 10;
        given.push(sent(1, left, Some(step(&format!("c{n}"), 1))));
    }
    let newest = sent(1, left - 10, Some(step("new", 1)));
    check::<Viewer>(
        "ann",
        &given,
        &combo("new", 1),
        &[newest.clone(), ended(step("c0", 1))],
    );
    // One that goes on pushes nothing out; one that ended already is not ended again.
    check::<Viewer>(
        "ann",
        &given,
        &combo("c0", 2),
        &[sent(1, left - 10, Some(step("c0", 2)))],
    );
    given.push(ended(step("c0", 1)));
    check::<Viewer>("ann", &given, &combo("new", 1), &[newest]);
}

#[test]
fn only_refusals_about_money_are_recorded() {
    for command in [adjust(1, "x"), roses(1)] {
        let event = Viewer::refused(&command, Rejection::NotEnoughCoins).expect("recorded");
        assert_eq!(Viewer::answer(&event), Err(Rejection::NotEnoughCoins));
    }
    for command in [
        Command::Block { user: id(KIM) },
        Command::EndIdleCombos,
        Command::EndCombo { combo: id("c") },
    ] {
        assert_eq!(Viewer::refused(&command, Rejection::UnknownCombo), None);
    }
}

/// One thing that happens to a viewer in the model below.
#[derive(Debug, Clone)]
enum Op {
    Adjust(i64),
    Send(u32),
    Step(usize, u32),
    End(usize),
    Wait(i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => (-500i64..2_000).prop_map(Op::Adjust),
        2 => (0u32..12).prop_map(Op::Send),
        6 => (0usize..4, 0u32..60).prop_map(|(combo, total)| Op::Step(combo, total)),
        1 => (0usize..4).prop_map(Op::End),
        1 => (0i64..8_000).prop_map(Op::Wait),
    ]
}

/// What a viewer is, said as plainly as possible.
#[derive(Default)]
struct Model {
    coins: i64,
    combos: BTreeMap<usize, u32>,
    ends: BTreeMap<usize, u32>,
}

impl Model {
    fn pay(&mut self, count: u32) -> bool {
        let price = i64::from(count) * 10;
        let paid = count > 0 && price <= self.coins;
        self.coins -= if paid { price } else { 0 };
        paid
    }
}

fn apply(state: &mut Viewer, command: &Command, now_ms: i64) -> Result<Vec<Event>, Rejection> {
    match decide_at(state, command, now_ms)? {
        Decision::Happens(events) => {
            events.iter().for_each(|event| state.evolve(event, now_ms));
            Ok(events)
        }
        Decision::Already(_) => Ok(Vec::new()),
    }
}

proptest! {
    /// Whatever comes, in whatever order and however often: coins and combos are those of the plain model, a combo ends
    /// at most once, and a fresh fold of the events is the state.
    #[test]
    fn a_viewer_is_its_plain_model(ops in prop::collection::vec(op(), 0..120)) {
        let (mut state, mut model, mut now_ms, mut log) = (viewer(&[]), Model::default(), NOW_MS, Vec::new());
        for op in ops {
            let command = match op {
                Op::Adjust(amount) => adjust(amount, "why"),
                Op::Send(count) => roses(count),
                Op::Step(c, total) => combo(&format!("c{c}"), total),
                Op::End(c) => Command::EndCombo { combo: id(&format!("c{c}")) },
                Op::Wait(ms) => { now_ms += ms; Command::EndIdleCombos }
            };
            let outcome = apply(&mut state, &command, now_ms);
            match op {
                Op::Adjust(amount) => {
                    let taken = amount != 0 && model.coins + amount >= 0;
                    prop_assert_eq!(outcome.is_ok(), taken);
                    model.coins += if taken { amount } else { 0 };
                }
                Op::Send(count) => prop_assert_eq!(outcome.is_ok(), model.pay(count)),
                Op::Step(c, total) => {
                    let reached = model.combos.get(&c).copied().unwrap_or(0);
                    let known = reached > 0;
                    let count = total.saturating_sub(reached);
                    let repeated = known && total > 0 && count == 0;
                    let paid = model.pay(count);
                    prop_assert_eq!(outcome.is_ok(), paid || repeated);
                    if paid { model.combos.insert(c, total); }
                }
                Op::End(_) | Op::Wait(_) => {}
            }
            for event in outcome.into_iter().flatten() {
                if let Event::ComboEnded(end) = &event {
                    let c = (0..4).find(|c| end.combo.id.as_str() == format!("c{c}")).expect("one of ours");
                    prop_assert_eq!(model.ends.insert(c, end.combo.total), None, "a combo ends once");
                }
                log.push((event, now_ms));
            }
            prop_assert_eq!(i64::try_from(state.coins()), Ok(model.coins));
        }
        let mut fold = viewer(&[]);
        log.iter().for_each(|(event, at)| fold.evolve(event, *at));
        prop_assert_eq!(fold, state);
    }

    /// The steps of one combo, duplicated and in any order, cost what the highest one says.
    #[test]
    fn a_combo_costs_its_highest_total(
        totals in prop::collection::vec(1u32..5_000, 1..20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut state = viewer(&[coins(1_000_000, 1_000_000)]);
        let shuffled: Vec<u32> = order.iter().map(|index| *index.get(&totals)).chain(totals.clone()).collect();
        for total in shuffled {
            prop_assert!(apply(&mut state, &combo("c", total), NOW_MS).is_ok());
        }
        let highest = u64::from(*totals.iter().max().expect("at least one"));
        prop_assert_eq!(state.coins(), 1_000_000 - highest * 10);
    }
}
