// What tickets are worth: the same arithmetic in whole numbers as the server's, to show before it is asked. The server's
// answer is what counts.

import type { WithdrawTerms } from "../protocol";

/** What withdrawing so many tickets would come to. */
export interface Quote {
  /** The platform's part, in tickets, rounded up. */
  fee: number;
  /** What is paid for the rest, in minor units. */
  pays: number;
  approvals: 1 | 2;
}

/** The fee of so many tickets. Thousands and the rest apart: no product leaves the whole numbers. */
export function feeOf({ fee_per_mille }: WithdrawTerms, tickets: number): number {
  const fee = Math.floor(tickets / 1_000) * fee_per_mille + Math.ceil(((tickets % 1_000) * fee_per_mille) / 1_000);
  return Math.min(fee, tickets);
}

export function quote(terms: WithdrawTerms, tickets: number): Quote {
  const fee = feeOf(terms, tickets);
  return { fee, pays: (tickets - fee) * terms.minor_per_ticket, approvals: tickets >= terms.two_approvals_from ? 2 : 1 };
}

/** Why so many tickets cannot be withdrawn now; undefined when they can. */
export type Hindrance = "nothing" | "below" | "above" | "short" | "debt" | undefined;

export function hindrance(terms: WithdrawTerms, tickets: number, purse: { tickets: number; debt: number }): Hindrance {
  if (purse.debt > 0) return "debt";
  if (!Number.isSafeInteger(tickets) || tickets <= 0) return "nothing";
  if (tickets < Math.max(1, terms.tickets_min)) return "below";
  if (tickets > terms.tickets_max) return "above";
  return tickets > purse.tickets ? "short" : undefined;
}

/** A whole number as people type it: 120,000 or 120 000 is 120000. NaN for anything else. */
export function typedCount(text: string): number {
  const digits = text.replace(/[\s,_'’]/g, "");
  return /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
}

/** How a recharge of so many coins is divided while so much is owed: the debt first. */
export function afterDebt(coins: number, debt: number): { paysDebt: number; left: number } {
  const paysDebt = Math.min(coins, debt);
  return { paysDebt, left: coins - paysDebt };
}
