//! An event in a sentence, without its time and without who caused it.

use domain::Event;
use domain::event::ComboStep;

/// The event in a sentence.
pub(super) fn of(event: &Event) -> String {
    match event {
        Event::CoinsAdjusted(e) => format!(
            "{:+} coins by hand: {}; {} coins left",
            e.amount, e.reason, e.coins_left
        ),
        Event::GiftSent(e) => format!(
            "{} {} to {}{}: {} coins, {} tickets; {} coins left",
            e.count,
            e.gift,
            e.room,
            step(e.combo.as_ref()),
            e.coins,
            e.tickets,
            e.coins_left
        ),
        Event::ComboRepeated(e) => format!(
            "combo {} stood at {} already: nothing charged",
            e.combo.id, e.combo.total
        ),
        Event::ComboEnded(e) => format!(
            "combo {} of {} in room {} ends at {}",
            e.combo.id, e.gift, e.room, e.combo.total
        ),
        Event::CommandRefused(e) => format!("refused, {}: {}", e.rejection.code(), e.rejection),
        Event::WithdrawalRefused(e) => format!("refused, {}: {}", e.rejection.code(), e.rejection),
        Event::TicketsCredited(e) => format!(
            "{} tickets for {} gifts in ({}, {}]; {} tickets",
            e.tickets, e.gifts, e.after, e.upto, e.tickets_total
        ),
        _ => of_money(event).unwrap_or_else(|| event.event_type().name().replace('_', " ")),
    }
}

fn step(combo: Option<&ComboStep>) -> String {
    combo.map_or_else(String::new, |step| {
        format!(", combo {} at {}", step.id, step.total)
    })
}

/// Recharges and withdrawals.
fn of_money(event: &Event) -> Option<String> {
    Some(match event {
        Event::OrderCreated(e) => format!(
            "{} orders pack {}: {} coins for {} {}",
            e.user,
            e.pack,
            e.coins,
            minor(e.price),
            e.currency
        ),
        Event::OrderCancelled(e) => format!("{} cancels the order", e.user),
        Event::OrderPaid(e) => format!(
            "paid by {} of {}: {} coins are owed{}",
            e.payment,
            e.provider,
            e.coins,
            if e.cancelled {
                ", though it was cancelled"
            } else {
                ""
            }
        ),
        Event::OrderRefunded(e) => format!(
            "{} gave payment {} back: {} coins are to be taken",
            e.provider, e.payment, e.coins
        ),
        Event::PaymentReceived(e) => format!(
            "{} took {} {} as {} for order {}",
            e.provider,
            minor(e.amount),
            e.currency,
            e.payment,
            e.order
        ),
        Event::PaymentUnmatched(e) => format!(
            "set aside, it fits no order ({}, {}: {})",
            e.order,
            e.rejection.code(),
            e.rejection
        ),
        Event::PaymentRefunded(e) => format!(
            "{} gave {} {} of {} back",
            e.provider,
            minor(e.amount),
            e.currency,
            e.payment
        ),
        Event::CoinsRecharged(e) => format!(
            "{} coins of order {}, {} of them against debt; {} coins, {} owed",
            e.coins, e.order, e.debt_paid, e.coins_left, e.debt_left
        ),
        Event::CoinsTakenBack(e) => format!(
            "{} coins of order {} taken back, {} of them were spent; {} coins, {} owed",
            e.coins, e.order, e.debt_added, e.coins_left, e.debt_left
        ),
        Event::DebtForgiven(e) => format!(
            "{} coins of debt let go: {}; {} owed",
            e.coins, e.reason, e.debt_left
        ),
        Event::TicketsAdjusted(e) => format!(
            "{:+} tickets by hand: {}; {} tickets left",
            e.amount, e.reason, e.tickets_left
        ),
        _ => return of_withdrawals(event),
    })
}

fn of_withdrawals(event: &Event) -> Option<String> {
    Some(match event {
        Event::WithdrawalRequested(e) => format!(
            "{} tickets, fee {}, pays {} {} to {}; {} approvals needed",
            e.tickets,
            e.fee,
            minor(e.pays),
            e.currency,
            e.account,
            e.approvals_needed
        ),
        Event::WithdrawalApproved(e) => {
            format!("approved by {}, {} of {}", e.by, e.approvals, e.approvals_needed)
        }
        Event::WithdrawalRejected(e) => format!("rejected by {}: {}", e.by, e.reason),
        Event::WithdrawalSubmitted(e) => format!("given to {}", e.provider),
        Event::WithdrawalPaid(e) => format!("paid, reference {}", e.reference),
        Event::WithdrawalFailed(e) => format!("not paid: {}", e.reason),
        _ => return None,
    })
}

/// An amount of minor units, as in `12.50`.
fn minor(amount: u64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}
