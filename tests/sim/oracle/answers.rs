//! The answers that records stand for.

use domain::streamer::WithdrawalState;
use domain::{Event, catalogue, conversation, order, room, streamer, viewer};

use super::Said;
use crate::model::refusal;

/// What the platform's own processes do about money.
pub(super) fn is_of_the_house(event: &Event) -> bool {
    matches!(
        event,
        Event::CoinsRecharged(_)
            | Event::CoinsTakenBack(_)
            | Event::OrderPaid(_)
            | Event::OrderRefunded(_)
            | Event::PaymentUnmatched(_)
            | Event::WithdrawalSubmitted(_)
            | Event::WithdrawalPaid(_)
            | Event::WithdrawalFailed(_)
    )
}

/// The answer that a record stands for.
pub(super) fn answer(event: &Event) -> Option<Said> {
    use viewer::Answer::{Adjusted, ComboEnded, Gift, Relation};
    Some(match event {
        Event::CoinsAdjusted(e) => Said::Viewer(Adjusted { coins: e.coins_left }),
        Event::GiftSent(e) => Said::Viewer(Gift {
            coins: e.coins_left,
            combo_total: e.combo.as_ref().map(|step| step.total),
        }),
        Event::ComboRepeated(e) => Said::Viewer(Gift {
            coins: e.coins_left,
            combo_total: Some(e.combo.total),
        }),
        Event::ComboEnded(e) => Said::Viewer(ComboEnded { total: e.combo.total }),
        Event::Followed(_) | Event::Unfollowed(_) | Event::Blocked(_) | Event::Unblocked(_) => {
            Said::Viewer(Relation)
        }
        Event::LiveStarted(e) => Said::Streamer(streamer::Answer::Live { session: e.session }),
        Event::LiveStopped(e) => Said::Streamer(streamer::Answer::Live { session: e.session }),
        Event::ChatSent(_) => Said::Room(room::Answer::Said),
        Event::MessageSent(e) => Said::Conversation(conversation::Answer::Sent { number: e.number }),
        Event::MessagesRead(e) => Said::Conversation(conversation::Answer::Read { upto: e.upto }),
        Event::LikesCounted(e) => Said::Room(room::Answer::Liked { total: e.total }),
        Event::DebtForgiven(e) => Said::Viewer(viewer::Answer::Purse {
            coins: None,
            debt: e.debt_left,
        }),
        Event::TicketsAdjusted(e) => Said::Streamer(streamer::Answer::Adjusted {
            tickets: e.tickets_left,
        }),
        Event::WithdrawalRequested(e) => Said::Streamer(streamer::Answer::Requested(e.clone())),
        Event::WithdrawalApproved(e) => Said::Streamer(streamer::Answer::Withdrawal(
            if e.approvals < e.approvals_needed {
                WithdrawalState::Requested
            } else {
                WithdrawalState::Approved
            },
        )),
        Event::WithdrawalRejected(_) => {
            Said::Streamer(streamer::Answer::Withdrawal(WithdrawalState::Rejected))
        }
        Event::OrderCreated(e) => Said::Order(order::Answer::Created(e.clone())),
        Event::OrderCancelled(_) => Said::Order(order::Answer::Cancelled),
        Event::GiftListed(_) | Event::GiftDelisted(_) => Said::Catalogue(catalogue::Answer::Changed),
        event if refusal(event).is_some() || is_of_the_house(event) => return None,
        Event::TicketsCredited(_) | Event::SettlementAdvanced(_) | Event::ProcessAdvanced(_) => return None,
        order => {
            order.ordered_by()?;
            Said::Room(room::Answer::Ordered)
        }
    })
}
