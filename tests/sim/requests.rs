//! The script's commands as the actors are asked them.

use actors::Request;
use compact_str::CompactString;
use domain::conversation::{self, ReadMessages, SendMessage};
use domain::event::{OrderCreated, PaymentReceived};
use domain::room::SendChat;
use domain::streamer::RequestWithdrawal;
use domain::viewer::SendGift;
use domain::{Gift, catalogue, order, payment, room, streamer, viewer};

use crate::life::id;
use crate::money::{PACKS, PROVIDER};
use crate::script::{Body, Command, Family};

/// Who asks, and by which id. A provider has no ids for what it tells: the payment itself tells repetitions.
pub fn request(command: &Command) -> Request {
    if command.body.family() == Family::Payment {
        return Request::of_system(&command.actor);
    }
    Request {
        command_id: Some(id(&command.id)),
        request_hash: command.hash,
        actor: CompactString::from(&command.actor),
    }
}

/// What a viewer is asked.
pub fn viewer(body: &Body, session: Option<u32>) -> viewer::Command {
    match body {
        Body::Adjust { amount, reason } => viewer::Command::AdjustCoins {
            amount: *amount,
            reason: reason.raw.clone(),
        },
        Body::Forgive { coins, reason } => viewer::Command::ForgiveDebt {
            coins: *coins,
            reason: reason.raw.clone(),
        },
        Body::Gift {
            room,
            gift,
            count,
            combo,
        } => viewer::Command::SendGift(SendGift {
            room: id(room),
            session: session.map(domain::SessionNumber),
            gift: id(gift),
            count: *count,
            combo: combo.as_ref().map(|(name, total)| domain::event::ComboStep {
                id: id(name),
                total: *total,
            }),
        }),
        Body::EndCombo { combo } => viewer::Command::EndCombo { combo: id(combo) },
        Body::Follow { whom } => viewer::Command::Follow {
            streamer: id(whom),
            clearance: None,
        },
        Body::Block { whom } => viewer::Command::Block { user: id(whom) },
        Body::Unblock { whom } => viewer::Command::Unblock { user: id(whom) },
        Body::Unfollow { whom } => viewer::Command::Unfollow { streamer: id(whom) },
        other => unreachable!("{other:?} is not for a viewer"),
    }
}

/// What a streamer is asked; the debt counts where it is about a withdrawal.
pub fn streamer(body: &Body, debt: u64) -> streamer::Command {
    match body {
        Body::StartLive { title } => streamer::Command::StartLive {
            title: title.raw.clone(),
        },
        Body::StopLive => streamer::Command::StopLive,
        Body::AdjustTickets { amount, reason } => streamer::Command::AdjustTickets {
            amount: *amount,
            reason: reason.raw.clone(),
        },
        Body::Withdraw {
            withdrawal,
            tickets,
            account,
        } => streamer::Command::RequestWithdrawal(RequestWithdrawal {
            withdrawal: id(withdrawal),
            tickets: *tickets,
            account: account.raw.clone(),
            debt,
        }),
        Body::Approve { withdrawal, by } => streamer::Command::ApproveWithdrawal {
            withdrawal: id(withdrawal),
            by: id(by),
            debt,
        },
        Body::Reject {
            withdrawal,
            by,
            reason,
        } => streamer::Command::RejectWithdrawal {
            withdrawal: id(withdrawal),
            by: id(by),
            reason: reason.raw.clone(),
        },
        other => unreachable!("{other:?} is not for a streamer"),
    }
}

/// What a room is asked.
pub fn room(command: &Command, follows: Option<bool>) -> room::Command {
    let by = id(&command.actor);
    match &command.body {
        Body::Chat { text, blocked } => room::Command::SendChat(SendChat {
            blocked: *blocked,
            follows,
            ..SendChat::new(by, text.raw.clone())
        }),
        Body::Order { act, .. } => room::Command::Moderate { by, act: act.clone() },
        other => unreachable!("{other:?} is not for a room"),
    }
}

/// What a conversation is asked.
pub fn conversation(command: &Command, mutual: Option<bool>) -> conversation::Command {
    let by = id(&command.actor);
    match &command.body {
        Body::Message { to, text, blocked } => conversation::Command::Send(SendMessage {
            blocked_word: *blocked,
            mutual,
            ..SendMessage::new(by, id(to), text.raw.clone())
        }),
        Body::Read { from, upto } => conversation::Command::Read(ReadMessages {
            reader: by,
            from: id(from),
            upto: *upto,
        }),
        other => unreachable!("{other:?} is not for a conversation"),
    }
}

/// What an order is asked.
pub fn order(command: &Command) -> order::Command {
    let user = id(&command.actor);
    match &command.body {
        Body::Buy { pack } => {
            let (pack, coins, price) = PACKS[*pack];
            order::Command::Create(OrderCreated {
                user,
                pack: id(pack),
                coins,
                price,
                currency: id("CNY"),
            })
        }
        Body::CancelOrder => order::Command::Cancel { user },
        other => unreachable!("{other:?} is not for an order"),
    }
}

/// What a payment is told.
pub fn payment(command: &Command) -> payment::Command {
    let own = command.key.split_once('.').map_or("", |(_, own)| own);
    match &command.body {
        Body::PaymentTold {
            order,
            amount,
            currency,
        } => payment::Command::Receive(PaymentReceived {
            provider: id(PROVIDER),
            payment: id(own),
            order: id(order),
            amount: *amount,
            currency: id(currency),
        }),
        Body::RefundTold { amount, currency } => payment::Command::Refund {
            amount: *amount,
            currency: id(currency),
        },
        other => unreachable!("{other:?} is not for a payment"),
    }
}

/// What the catalogue is asked.
pub fn catalogue(body: &Body) -> catalogue::Command {
    match body {
        Body::List {
            gift,
            name,
            coins,
            tickets,
        } => catalogue::Command::List(Gift {
            id: id(gift),
            name: name.raw.clone(),
            coins: *coins,
            tickets: *tickets,
        }),
        Body::Delist { gift } => catalogue::Command::Delist { gift: id(gift) },
        other => unreachable!("{other:?} is not for the catalogue"),
    }
}
