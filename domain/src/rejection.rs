//! Every expected refusal, with the stable number that goes to clients.

use serde::{Deserialize, Serialize};

macro_rules! rejections {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal, $message:literal, retry $retry:literal;)*) => {
        /// A command was understood and refused. The codes are part of the public contract (400 to 1999): never
        /// change or reuse one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
        #[serde(into = "u16", try_from = "u16")]
        pub enum Rejection {
            $($(#[$doc])* #[error($message)] $name,)*
        }

        impl Rejection {
            /// Every refusal there is, by code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number that clients get.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The refusal's short name, as in metrics and logs.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Whether sending the same command again, later and unchanged, can succeed.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }

            /// The refusal of a number.
            pub fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

rejections! {
    /// A mailbox or the journal's queue is full.
    Busy = 400, "busy", "the server is busy: send the same command again, with the same command_id, after a moment", retry true;
    /// The same command id came with another body.
    CommandReused = 401, "command_reused", "this command_id was used for another command: make a new id for every new command", retry false;
    /// A command id that is missing, empty, too long or holds control characters.
    BadCommandId = 402, "bad_command_id", "command_id must be 1 to 64 characters without control characters", retry false;
    /// A malformed id of a user, room, gift or combo.
    BadId = 403, "bad_id", "an id must be 1 to 64 letters, digits or . _ - @", retry false;
    /// A request whose data cannot be read.
    BadRequest = 404, "bad_request", "the request's data cannot be read", retry false;
    /// Nothing is left of the text after control characters are removed.
    TextEmpty = 405, "text_empty", "the text is empty", retry false;
    /// The text is longer than its limit.
    TextTooLong = 406, "text_too_long", "the text is too long", retry false;
    /// A cursor that this server did not make.
    BadCursor = 407, "bad_cursor", "the cursor is not one that this list gave: start again without it", retry false;
    /// A page size outside 1 to 100.
    BadLimit = 408, "bad_limit", "limit must be 1 to 100", retry false;

    /// No gift of that id in the catalogue.
    UnknownGift = 410, "unknown_gift", "no such gift: ask gift.catalog", retry false;
    /// A count outside its range.
    BadCount = 411, "bad_count", "count must be 1 to 9999, and a combo's total 1 to 1000000 and at most 9999 above the last", retry false;
    /// The streamer sends to their own room.
    GiftToSelf = 412, "gift_to_self", "one may not send a gift to oneself", retry false;
    /// The room is not live.
    RoomNotLive = 413, "room_not_live", "the room is not live", retry false;
    /// The balance is smaller than the price.
    NotEnoughCoins = 414, "not_enough_coins", "not enough coins: recharge first", retry false;
    /// A combo id that runs in another room or with another gift.
    ComboMismatch = 415, "combo_mismatch", "this combo id belongs to another room or gift: make a new id for every combo", retry false;
    /// An account would pass its highest balance.
    BalanceLimit = 416, "balance_limit", "the account would pass the highest balance", retry false;
    /// An adjustment of nothing.
    BadAmount = 417, "bad_amount", "the amount must not be zero, nor take more than there is", retry false;
    /// No such running combo.
    UnknownCombo = 418, "unknown_combo", "no combo of that id is running", retry false;

    /// A `like.send` of none or of more than its limit.
    BadLikeCount = 420, "bad_like_count", "count must be 1 to 100", retry false;
    /// One user likes faster than anybody can tap.
    TooManyLikes = 421, "too_many_likes", "at most 200 likes a second: send the rest after a moment", retry true;

    /// One follows oneself.
    FollowSelf = 430, "follow_self", "one may not follow oneself", retry false;
    /// The list of followed streamers is full.
    FollowLimit = 431, "follow_limit", "at most 5000 streamers may be followed", retry false;
    /// One blocks oneself.
    BlockSelf = 432, "block_self", "one may not block oneself", retry false;
    /// The list of blocked users is full.
    BlockLimit = 433, "block_limit", "at most 1000 users may be blocked: unblock somebody first", retry false;
    /// The other one has blocked the user.
    BlockedBy = 434, "blocked_by", "this user has blocked you", retry false;
    /// A follow of somebody whom one blocks.
    FollowBlocked = 435, "follow_blocked", "you have blocked this user: unblock them first", retry false;
    /// A question about no users, or about too many.
    BadUsers = 436, "bad_users", "users must be 1 to 100 ids", retry false;

    /// The streamer is live already.
    AlreadyLive = 440, "already_live", "a live session is running: stop it first", retry false;
    /// The streamer is not live.
    NotLive = 441, "not_live", "no live session is running", retry false;

    /// An order of somebody who is not in charge of the room.
    NotPermitted = 450, "not_permitted", "only the streamer may do this, or a moderator where the method says so", retry false;
    /// An order about somebody who is at least as much in charge.
    NotOfEquals = 451, "not_of_equals", "nobody moderates the streamer, and only the streamer moderates a moderator", retry false;
    /// A mute of no time, or of too long.
    BadDuration = 452, "bad_duration", "seconds must be 1 to 2592000", retry false;
    /// A slow mode out of its range.
    BadSlowMode = 453, "bad_slow_mode", "seconds must be 0 to 3600", retry false;
    /// The room's list of moderators is full.
    ModeratorLimit = 454, "moderator_limit", "at most 50 moderators: remove one first", retry false;
    /// The room's list of banned users is full.
    BanLimit = 455, "ban_limit", "at most 10000 banned users: unban somebody first", retry false;
    /// Too many users are muted at once.
    MuteLimit = 456, "mute_limit", "at most 1000 users may be muted at once: unmute somebody first, or use slow mode", retry false;
    /// Somebody who is banned cannot be a moderator.
    UserBanned = 457, "user_banned", "this user is banned: unban them first", retry false;
    /// One user gives orders faster than twice a second, the burst of 20 used up.
    OrderTooFast = 458, "order_too_fast", "you order too fast: at most twice a second", retry true;

    /// The user is banned from the room.
    Banned = 460, "banned", "you are banned from this room", retry false;
    /// The user was thrown out a moment ago.
    Kicked = 461, "kicked", "you were thrown out of this room: come back after a minute", retry false;
    /// The user may not write for some time.
    Muted = 462, "muted", "you are muted in this room", retry false;
    /// The text holds a word that this platform does not carry.
    BlockedWord = 463, "blocked_word", "the text holds a blocked word", retry false;
    /// Only followers may write, and the user is none.
    FollowersOnly = 464, "followers_only", "only who follows the streamer may write here: follow first", retry false;
    /// The room is in slow mode.
    SlowMode = 465, "slow_mode", "this room is in slow mode: wait before you write again", retry true;
    /// The user wrote the same twice a moment ago.
    RepeatedText = 466, "repeated_text", "you wrote the same twice within 10 s: write something else", retry false;
    /// The user writes faster than once a second, the burst of 5 used up.
    ChatTooFast = 467, "chat_too_fast", "you write too fast: at most once a second", retry true;
    /// The room has as many chats as can be read.
    RoomChatFull = 468, "room_chat_full", "too many write in this room at once: send it again in a moment", retry true;

    /// One writes to oneself.
    MessageToSelf = 470, "message_to_self", "one may not send a message to oneself", retry false;
    /// Three messages wait for an answer of somebody with whom one does not follow each other.
    AnswerAwaited = 471, "answer_awaited", "at most 3 messages until you are answered: wait, or follow each other", retry false;
    /// One user writes faster than once a second, the burst of 5 used up.
    MessageTooFast = 472, "message_too_fast", "you send too fast: at most one message a second", retry true;
    /// A read mark on a message that was never sent.
    UnknownMessage = 473, "unknown_message", "no such message: upto must be the number of a message of the other one", retry false;
    /// A message to somebody whom one blocks.
    MessageBlocked = 474, "message_blocked", "you have blocked this user: unblock them before you write", retry false;

    /// A settlement batch that does not start where the last one ended.
    SettlementGap = 480, "settlement_gap", "this batch does not follow the last settled position", retry false;

    /// No pack of that id is for sale.
    UnknownPack = 500, "unknown_pack", "no such pack: ask recharge.packs", retry false;
    /// No order of that id, or somebody else's.
    UnknownOrder = 501, "unknown_order", "no such order", retry false;
    /// A payment of another amount or currency than the order's.
    PaymentMismatch = 502, "payment_mismatch", "amount or currency of the payment are not the order's", retry false;
    /// The order was paid by another payment.
    OrderPaidAlready = 503, "order_paid_already", "this order is paid already", retry false;
    /// What is asked for does not go together with what the order has been through.
    OrderClosed = 504, "order_closed", "this order is paid, refunded or cancelled", retry false;
    /// A refund of a payment that never came.
    UnknownPayment = 505, "unknown_payment", "no such payment: send it before its refund", retry false;
    /// A payment's id came again with another order, amount or currency.
    PaymentReused = 506, "payment_reused", "this payment id came before with another order, amount or currency", retry false;
    /// A refund of less or more than the payment.
    RefundMismatch = 507, "refund_mismatch", "only a whole payment can be refunded: correct the rest by hand", retry false;
    /// There is no such debt.
    BadDebt = 508, "bad_debt", "the amount must be 1 or more and at most the debt", retry false;

    /// Fewer or more tickets than may be withdrawn at once.
    BadTickets = 510, "bad_tickets", "so many tickets cannot be withdrawn at once: ask withdraw.terms", retry false;
    /// More tickets than are available.
    NotEnoughTickets = 511, "not_enough_tickets", "not enough tickets are available", retry false;
    /// A refund after spending is owed.
    InDebt = 512, "in_debt", "a refunded recharge was spent: recharge to pay the debt first", retry false;
    /// Too many withdrawals are under way.
    WithdrawalLimit = 513, "withdrawal_limit", "at most 16 withdrawals may be under way: wait for one to end", retry false;
    /// No withdrawal of that id, or one that ended long ago.
    UnknownWithdrawal = 514, "unknown_withdrawal", "no such withdrawal", retry false;
    /// What is asked for does not go together with what the withdrawal has been through.
    WithdrawalClosed = 515, "withdrawal_closed", "the withdrawal is not in a state that allows this", retry false;
    /// Two different people have to approve.
    SameApprover = 516, "same_approver", "you have approved this already: somebody else has to", retry false;
    /// The books do not add up: nothing is paid out until somebody has looked.
    WithdrawalsStopped = 517, "withdrawals_stopped", "withdrawals are stopped for a check: try again later", retry true;

    /// A gift without a price, or one too large to multiply by a combo.
    BadPrice = 520, "bad_price", "coins must be 1 to 1000000000 and tickets 0 to 1000000000", retry false;
    /// The list of gifts is full.
    CatalogueFull = 521, "catalogue_full", "at most 1000 gifts: delist one first", retry false;
}

impl From<Rejection> for u16 {
    fn from(rejection: Rejection) -> u16 {
        rejection.code()
    }
}

/// A number that stands for no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the code of a refusal")]
pub struct UnknownCode(pub u16);

impl TryFrom<u16> for Rejection {
    type Error = UnknownCode;
    fn try_from(code: u16) -> Result<Self, UnknownCode> {
        Self::from_code(code).ok_or(UnknownCode(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_in_the_applications_range() {
        assert!(Rejection::ALL.windows(2).all(|w| w[0].code() < w[1].code()));
        for rejection in Rejection::ALL {
            assert!((400..2000).contains(&rejection.code()));
            assert_eq!(Rejection::from_code(rejection.code()), Some(*rejection));
        }
    }
}
