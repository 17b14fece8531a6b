//! What the platform's own processes may write: records that no client asked for.

use domain::Event;
use domain::event::{CoinsRecharged, CoinsTakenBack, TicketsCredited};

use super::{Model, Seen, Streamer, Viewer};

impl Model {
    /// Records that no client asked for.
    pub(super) fn check_system(&mut self, seen: &Seen) {
        match &seen.event {
            Event::ComboEnded(end) => {
                let viewer = self.viewers.entry(seen.key().to_owned()).or_default();
                let combo = viewer.combos.iter().find(|c| c.id == end.combo.id.as_str());
                let combo = combo.unwrap_or_else(|| panic!("no such combo: {seen:?}"));
                assert_eq!(Event::from(combo.end()), seen.event);
                assert!(!combo.ended, "a combo ended twice: {seen:?}");
            }
            Event::TicketsCredited(credit) => {
                let streamer = self.streamers.entry(seen.key().to_owned()).or_default();
                let due = streamer.owed.iter().filter(|(place, _)| *place <= credit.upto);
                let (gifts, tickets) = due.fold((0, 0), |(n, sum), (_, tickets)| (n + 1, sum + tickets));
                assert!(
                    gifts > 0 && credit.upto < seen.sequence,
                    "a credit of nothing: {seen:?}"
                );
                let wanted = TicketsCredited {
                    shard: 0,
                    after: streamer.settled,
                    upto: credit.upto,
                    gifts,
                    tickets,
                    tickets_total: streamer.tickets + tickets,
                };
                assert_eq!(wanted, *credit, "a credit is wrong: {seen:?}");
            }
            Event::SettlementAdvanced(advanced) => {
                assert!(
                    advanced.upto > self.settled_upto && advanced.upto < seen.sequence,
                    "{seen:?}"
                );
                let owes = |s: &Streamer| s.owed.first().is_some_and(|(place, _)| *place <= advanced.upto);
                assert!(
                    !self.streamers.values().any(owes),
                    "the cursor passed a gift that is owed: {seen:?}"
                );
            }
            Event::CoinsRecharged(e) => {
                let viewer = self.viewers.entry(seen.key().to_owned()).or_default();
                let coins = self
                    .tills
                    .to_credit(e.order.as_str(), seen.key(), e.payment.as_str());
                let coins = coins.unwrap_or_else(|| panic!("nothing to credit: {seen:?}"));
                let debt_paid = coins.min(viewer.debt);
                let wanted = CoinsRecharged {
                    coins,
                    debt_paid,
                    coins_left: viewer.coins + coins - debt_paid,
                    debt_left: viewer.debt - debt_paid,
                    ..e.clone()
                };
                assert_eq!(wanted, *e, "a recharge is wrong: {seen:?}");
            }
            Event::CoinsTakenBack(e) => {
                let viewer = self.viewers.entry(seen.key().to_owned()).or_default();
                let coins = self.tills.to_take_back(e.order.as_str(), seen.key());
                let coins = coins.unwrap_or_else(|| panic!("nothing to take back: {seen:?}"));
                let debt_added = coins.saturating_sub(viewer.coins);
                let wanted = CoinsTakenBack {
                    coins,
                    debt_added,
                    coins_left: viewer.coins - (coins - debt_added),
                    debt_left: viewer.debt + debt_added,
                    ..e.clone()
                };
                assert_eq!(wanted, *e, "a refund is wrong: {seen:?}");
            }
            Event::Unfollowed(e) => self.check_severed(e, seen),
            Event::ProcessAdvanced(e) if seen.stream == "process-relations.0" => {
                assert!(e.upto > self.severed_upto && e.upto < seen.sequence, "{seen:?}");
                let barred = |name: &str, viewer: &Viewer| {
                    let mut follows = viewer.follows.iter();
                    follows.any(|(whom, cleared)| self.is_blocked_after(whom, *cleared, name, e.upto))
                };
                let left = self.viewers.iter().find(|(name, viewer)| barred(name, viewer));
                assert!(
                    left.is_none(),
                    "the cursor passed a block that has not ended a follow: {seen:?}"
                );
            }
            Event::WithdrawalSubmitted(_) | Event::WithdrawalPaid(_) | Event::WithdrawalFailed(_) => {
                let streamer = self.streamers.entry(seen.key().to_owned()).or_default();
                streamer.payroll.check(streamer.tickets, seen);
            }
            _ => self.tills.check(seen),
        }
    }
}
