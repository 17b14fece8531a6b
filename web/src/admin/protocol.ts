// The console's own interface of the server, `/admin/api/*`, as types. Nothing here decides anything.

import type { Gift, WithdrawalState } from "../live/protocol";

export type Role = "finance" | "catalogue";

/** Who is logged in, and until when (unix ms). */
export interface Staff { name: string; roles: readonly string[]; expires: number }
export interface LoginAnswer { token: string; name?: string; roles: string[]; expires: number }

export interface FiledWithdrawal {
  user: string; withdrawal: string; tickets: number; fee: number; /** In minor units. */ pays: number; currency: string; account: string;
  state: WithdrawalState; approvals_needed: number; approved_by: string[]; rejected_by?: string;
  /** Unix ms. */ since: number; /** Unix ms. */ changed: number; reason?: string; reference?: string; provider?: string;
}

/** Money that came for no order it fits. */
export interface UnmatchedPayment {
  provider: string; payment: string; order: string; /** In minor units. */ amount: number; currency: string;
  /** Why it fits none: the number of the refusal, and its words. */
  code: number; reason: string; /** Unix ms. */ since: number;
}

/** What the standing audit has found so far. */
export interface AuditState {
  ok: boolean; /** How far it has looked. */ position: number;
  /** How many records broke a promise. */ records: number;
  /** The first of them. */ broken?: Break;
}
export interface Break {
  /** 0 where it is about no record. */ position: number;
  /** The number of the promise that is broken (docs/ledger.md). */ invariant: number;
  /** The promise in words. */ words?: string;
  /** The numbers that do not fit. */ what: string;
}

export interface Corrected { position: number; coins?: number; tickets?: number; debt?: number }
export interface Listed { gifts: Gift[] }
