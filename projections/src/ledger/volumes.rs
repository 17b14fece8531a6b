//! What ever was bought, spent, earned and paid: sums over the whole journal that only grow.

use domain::Event;

/// Sums over the whole journal. `granted + recharged - debt_paid - taken - (taken_back - debt_added) - spent` is what all
/// users have left in coins; `credited + tickets_granted - tickets_taken - requested + released` what streamers can withdraw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Coins added by adjustments.
    pub granted: u64,
    /// Coins taken by adjustments.
    pub taken: u64,
    /// Coins spent on gifts.
    pub spent: u64,
    /// Tickets that gifts are worth, at the time of sending.
    pub earned: u64,
    /// Tickets that settlement has credited.
    pub credited: u64,
    /// `GiftSent` events.
    pub gifts: u64,
    /// Gifts that settlement has credited, in `GiftSent` events.
    pub gifts_credited: u64,
    /// Coins bought.
    pub recharged: u64,
    /// Of these, coins that paid off debt.
    pub debt_paid: u64,
    /// Coins of refunded orders.
    pub taken_back: u64,
    /// Of these, coins that were not there any more.
    pub debt_added: u64,
    /// Coins of debt that was let go.
    pub forgiven: u64,
    /// Tickets added by adjustments.
    pub tickets_granted: u64,
    /// Tickets taken by adjustments.
    pub tickets_taken: u64,
    /// Tickets that withdrawals have held.
    pub requested: u64,
    /// Tickets that rejected and failed withdrawals gave back.
    pub released: u64,
    /// Tickets of paid withdrawals, fees included.
    pub paid: u64,
    /// The fees among them.
    pub fees: u64,
}

/// How many numbers [`Sums`] has.
pub(crate) const SUMS: usize = 18;

impl Sums {
    /// Coins that all users together must have.
    pub fn coins(&self) -> i128 {
        let [granted, recharged, debt_paid] = [self.granted, self.recharged, self.debt_paid].map(i128::from);
        let [taken, back, debt_added] = [self.taken, self.taken_back, self.debt_added].map(i128::from);
        granted + recharged - debt_paid - taken - (back - debt_added) - i128::from(self.spent)
    }

    /// Tickets that all streamers together must be able to withdraw.
    pub fn tickets(&self) -> i128 {
        let [credited, granted, taken] =
            [self.credited, self.tickets_granted, self.tickets_taken].map(i128::from);
        credited + granted - taken - i128::from(self.requested) + i128::from(self.released)
    }

    /// Adds what an event brings. False when a sum is full: it stays where it is.
    pub(crate) fn add(&mut self, event: &Event) -> bool {
        match event {
            Event::CoinsAdjusted(e) if e.amount > 0 => grow(&mut self.granted, e.amount.unsigned_abs()),
            Event::CoinsAdjusted(e) => grow(&mut self.taken, e.amount.unsigned_abs()),
            Event::GiftSent(e) => {
                grow(&mut self.gifts, 1) & grow(&mut self.spent, e.coins) & grow(&mut self.earned, e.tickets)
            }
            Event::TicketsCredited(e) => {
                grow(&mut self.gifts_credited, e.gifts) & grow(&mut self.credited, e.tickets)
            }
            Event::CoinsRecharged(e) => {
                grow(&mut self.recharged, e.coins) & grow(&mut self.debt_paid, e.debt_paid)
            }
            Event::CoinsTakenBack(e) => {
                grow(&mut self.taken_back, e.coins) & grow(&mut self.debt_added, e.debt_added)
            }
            Event::DebtForgiven(e) => grow(&mut self.forgiven, e.coins),
            Event::TicketsAdjusted(e) if e.amount > 0 => {
                grow(&mut self.tickets_granted, e.amount.unsigned_abs())
            }
            Event::TicketsAdjusted(e) => grow(&mut self.tickets_taken, e.amount.unsigned_abs()),
            Event::WithdrawalRequested(e) => grow(&mut self.requested, e.tickets),
            Event::WithdrawalRejected(e) => grow(&mut self.released, e.tickets),
            Event::WithdrawalFailed(e) => grow(&mut self.released, e.tickets),
            Event::WithdrawalPaid(e) => grow(&mut self.paid, e.tickets) & grow(&mut self.fees, e.fee),
            _ => true,
        }
    }

    pub(crate) fn words(&self) -> [u64; SUMS] {
        [
            self.granted,
            self.taken,
            self.spent,
            self.earned,
            self.credited,
            self.gifts,
            self.gifts_credited,
            self.recharged,
            self.debt_paid,
            self.taken_back,
            self.debt_added,
            self.forgiven,
            self.tickets_granted,
            self.tickets_taken,
            self.requested,
            self.released,
            self.paid,
            self.fees,
        ]
    }

    pub(crate) fn of_words(words: [u64; SUMS]) -> Self {
        let [
            granted,
            taken,
            spent,
            earned,
            credited,
            gifts,
            gifts_credited,
            recharged,
            debt_paid,
            taken_back,
            debt_added,
            forgiven,
            tickets_granted,
            tickets_taken,
            requested,
            released,
            paid,
            fees,
        ] = words;
        Self {
            granted,
            taken,
            spent,
            earned,
            credited,
            gifts,
            gifts_credited,
            recharged,
            debt_paid,
            taken_back,
            debt_added,
            forgiven,
            tickets_granted,
            tickets_taken,
            requested,
            released,
            paid,
            fees,
        }
    }
}

fn grow(sum: &mut u64, by: u64) -> bool {
    let grown = sum.checked_add(by);
    *sum = grown.unwrap_or(*sum);
    grown.is_some()
}
