// The public protocol as types (docs/protocol.md). Nothing here decides anything.

/** A place in the journal: a whole number that only grows. */
export type Position = number;

export interface ComboStep { id: string; total: number }

/** Who somebody is in a room; none of these: a viewer. */
export type Role = "streamer" | "moderator";

export interface ChatPublication {
  type: "chat"; position: Position; time: number; user: string; text: string; role?: Role;
}
export interface GiftPublication {
  type: "gift"; position: Position; time: number; user: string; gift: string; count: number;
  coins: number; tickets: number; session: number; combo?: ComboStep;
}
export interface ComboEndPublication {
  type: "combo_end"; position: Position; time: number; user: string; gift: string; combo: ComboStep;
}
export interface LiveStartedPublication {
  type: "live_started"; position: Position; time: number; session: number; title: string;
}
export interface LiveEndedPublication { type: "live_ended"; position: Position; time: number; session: number }
/** What somebody in charge did. `by` is who. */
interface Order<Type extends string> { type: Type; position: Position; time: number; by: string }
export interface NoticePublication extends Order<"notice"> { text: string }
export interface PinnedPublication extends Order<"pinned"> { text: string | null }
export interface MutedPublication extends Order<"muted"> { user: string; /** Unix ms. */ until: number }
export interface PersonPublication extends Order<
  "unmuted" | "kicked" | "banned" | "unbanned" | "moderator_added" | "moderator_removed"
> { user: string }
export interface SlowModePublication extends Order<"slow_mode"> { /** Between two messages of one user; 0 is off. */ seconds: number }
export interface FollowersOnlyPublication extends Order<"followers_only"> { on: boolean }
export type OrderPublication =
  | NoticePublication | PinnedPublication | MutedPublication | PersonPublication | SlowModePublication | FollowersOnlyPublication;

/** What this connection lost in this room since it was told last, by class. */
export interface Skipped { ephemeral?: number; state?: number }
export interface CountersPublication {
  type: "counters"; viewers: number; likes?: number; tickets: number; skipped?: Skipped;
}
/** Some of those who came in, and how many more. */
export interface EnteredPublication { type: "entered"; users: string[]; more: number }
export interface HeartsPublication { type: "hearts"; count: number; users?: string[] }
/** `held`: tickets that withdrawals hold; `debt`: coins owed. Older servers tell neither. */
export interface BalancePublication {
  type: "balance"; position: Position; time: number; coins: number; tickets: number; held?: number; debt?: number;
}
/** A change of one of the user's own withdrawals. */
export interface WithdrawalPublication extends Partial<Omit<Withdrawal, "withdrawal" | "state" | "tickets">> {
  type: "withdrawal"; position?: Position; time?: number; withdrawal: string; state: WithdrawalState; tickets: number;
}
/** A private message, to both of the two. `number`: the how-manieth of `from` to `to`. */
export interface MessagePublication {
  type: "message"; position: Position; time: number; from: string; to: string; number: number; text: string;
}
/** How far one of the two has read the messages of the other (`from`). */
export interface MessageReadPublication {
  type: "message_read"; position: Position; time: number; reader: string; from: string; upto: number;
}
/** A gift so large that every live room hears of it. Ephemeral. */
export interface BigGiftPublication {
  type: "big_gift"; user: string; room: string; gift: string; count: number; coins: number; position: Position;
}
/** A kind of period of a board; sessions only rooms have. */
export type Span = "hour" | "day" | "week" | "month" | "all" | "session";
export interface BoardEntry { rank: number; user: string; score: number }
export interface BoardPublication {
  type: "board"; board: string; span?: Span; period: string; entries: BoardEntry[]; position: Position;
}

/** What has a position and is shown in a room. */
export type RoomEvent =
  | ChatPublication | GiftPublication | ComboEndPublication | LiveStartedPublication | LiveEndedPublication | OrderPublication;

/** Everything that may arrive. Fields and types are added over time: unknown types are passed over. */
export type Publication =
  | RoomEvent | CountersPublication | EnteredPublication | HeartsPublication | BigGiftPublication | BoardPublication
  | BalancePublication | WithdrawalPublication | MessagePublication | MessageReadPublication;

export interface LiveInfo { session: number; title: string; since: number }
/** A combo that runs while somebody comes in. */
export interface RunningCombo { user: string; gift: string; combo: ComboStep }
export interface RoomInfo {
  room: string; live: LiveInfo | null; viewers: number; likes?: number; tickets: number; recent: RoomEvent[]; top: BoardEntry[];
  combos?: RunningCombo[]; pinned?: string | null; slow_mode?: number; followers_only?: boolean; moderators?: string[];
  /** Only in the answer to a subscription. */
  you?: { role?: Role | "viewer" | null; muted_until?: number | null };
}
/** A live room of a list. */
export interface RoomCard { room: string; title: string; viewers?: number; tickets?: number; since: number }
export interface Gift { id: string; name: string; coins: number; tickets: number }
export interface GiftAnswer { position: Position; coins: number; combo_total?: number }
/** `tickets` can be withdrawn, `held` are in withdrawals under way, `debt` is coins owed. */
export interface WalletAnswer { coins: number; tickets: number; held: number; debt?: number; position: Position }

/** Coins for money. Prices everywhere are in minor units of their currency (fen, cents). */
export interface Pack { id: string; coins: number; price: number; currency: string }
export type OrderState = "created" | "cancelled" | "paid" | "refunded";
export interface RechargeOrder {
  order: string; pack: string; coins: number; price: number; currency: string; state: OrderState; /** Unix ms. */ since: number;
}
export interface OrderAnswer {
  position: Position; order: string; coins: number; price: number; currency: string;
  /** Where the user pays. */
  pay: { provider: string; url: string };
}

/** One entry of the wallet's history; changes are signed. `type` is the event's, and grows over time. */
export interface HistoryEntry {
  position: Position; time: number; type: string;
  coins?: number; tickets?: number; held?: number; debt?: number;
  coins_left?: number; tickets_left?: number; held_left?: number; debt_left?: number;
  gift?: string; room?: string; count?: number; combo?: string;
  /** How many gifts of others a credit is for. */
  gifts?: number;
  order?: string; withdrawal?: string; reason?: string;
}

/** How tickets become money. */
export interface WithdrawTerms {
  currency: string; minor_per_ticket: number; fee_per_mille: number; tickets_min: number; tickets_max: number;
  /** From so many tickets on two of staff have to approve. */
  two_approvals_from: number;
}
export type WithdrawalState = "requested" | "approved" | "submitted" | "paid" | "rejected" | "failed";
export interface Withdrawal {
  withdrawal: string; tickets: number; fee: number; /** In minor units. */ pays: number; currency: string; account: string;
  state: WithdrawalState; /** Unix ms. */ since: number; /** Unix ms. */ changed: number; reason?: string; reference?: string;
}
export interface WithdrawAnswer {
  position: Position; withdrawal: string; tickets: number; fee: number; pays: number; currency: string;
  tickets_left: number; held: number;
}

export interface Message { position: Position; time: number; from: string; number: number; text: string }
/** `read`: how many of theirs the user has read; `read_by`: how many of the user's they have. */
export interface Marks { unread: number; read: number; read_by: number }
export interface MessageListAnswer extends Marks { messages: Message[]; cursor?: string }
export interface ConversationLine extends Marks { with: string; last: Message }
export interface ConversationListAnswer { conversations: ConversationLine[]; unread: number; cursor?: string }

/** What one gift has brought in a room. */
export interface GiftStat { gift: string; count: number; coins: number; tickets: number }
export interface GiftStatsAnswer { gifts: GiftStat[]; position: Position }
export interface BoardAnswer { entries: BoardEntry[]; period: string; position: Position }

/** An id as the server accepts it: 1 to 64 letters, digits and . _ - @ */
export const ID_PATTERN = /^[A-Za-z0-9._@-]{1,64}$/;
