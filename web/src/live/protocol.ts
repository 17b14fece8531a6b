// The public protocol as types (docs/protocol.md). Nothing here decides anything.

/** A place in the journal: a whole number that only grows. */
export type Position = number;

export interface ComboStep { id: string; total: number }

export interface ChatPublication { type: "chat"; position: Position; time: number; user: string; text: string }
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
export interface CountersPublication { type: "counters"; viewers: number; tickets: number }
export interface BalancePublication {
  type: "balance"; position: Position; time: number; coins: number; tickets: number;
}
export interface BoardEntry { rank: number; user: string; score: number }
export interface BoardPublication {
  type: "board"; board: string; period: string; entries: BoardEntry[]; position: Position;
}

/** What has a position and is shown in a room. */
export type RoomEvent =
  | ChatPublication | GiftPublication | ComboEndPublication | LiveStartedPublication | LiveEndedPublication;

/** Everything that may arrive. Fields and types are added over time: unknown types are passed over. */
export type Publication = RoomEvent | CountersPublication | BalancePublication | BoardPublication;

export interface LiveInfo { session: number; title: string; since: number }
export interface RoomInfo {
  room: string; live: LiveInfo | null; viewers: number; tickets: number; recent: RoomEvent[]; top: BoardEntry[];
}
/** A live room of a list; `follow.live` names no numbers. */
export interface RoomCard { room: string; title: string; viewers?: number; tickets?: number; since: number }
export interface Gift { id: string; name: string; coins: number; tickets: number }
export interface GiftAnswer { position: Position; coins: number; combo_total?: number }
export interface WalletAnswer { coins: number; tickets: number; held: number; position: Position }
export interface BoardAnswer { entries: BoardEntry[]; period: string; position: Position }

/** An id as the server accepts it: 1 to 64 letters, digits and . _ - @ */
export const ID_PATTERN = /^[A-Za-z0-9._@-]{1,64}$/;
