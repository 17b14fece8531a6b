// The wallet's history in words. Every entry has its own line and its own amounts; nothing is summed here, so what the lines
// say adds up to what the wallet holds.

import type { HistoryEntry } from "../protocol";

/** What an entry is about, for its picture. */
export type Kind = "gift" | "recharge" | "refund" | "earned" | "withdrawal" | "released" | "paid" | "correction" | "other";

export interface HistoryLine {
  kind: Kind;
  title: string;
  /** What else there is to say; may be empty. */
  detail: string;
  amounts: readonly Amount[];
}

export interface Amount { unit: "coins" | "tickets" | "held" | "debt"; change: number }

/** A name for what the page knows; the server's own, made readable, for what it does not know yet. */
export function historyLine(entry: HistoryEntry, giftNames: ReadonlyMap<string, string>): HistoryLine {
  const { kind, title } = namesOf(entry, giftNames);
  return { kind, title, detail: entry.reason ?? "", amounts: amountsOf(entry) };
}

function namesOf(entry: HistoryEntry, giftNames: ReadonlyMap<string, string>): { kind: Kind; title: string } {
  switch (entry.type) {
    case "gift_sent": case "gift": return { kind: "gift", title: giftTitle(entry, giftNames) };
    case "coins_recharged": case "recharge": return { kind: "recharge", title: "Recharge" };
    case "coins_taken_back": case "refund": return { kind: "refund", title: "Recharge refunded" };
    case "debt_forgiven": return { kind: "correction", title: "Debt let go" };
    case "coins_adjusted": case "tickets_adjusted": return { kind: "correction", title: "Correction by the house" };
    case "tickets_credited": return { kind: "earned", title: entry.gifts ? `Earned by ${plural(entry.gifts, "gift")}` : "Earned by gifts" };
    case "withdrawal_requested": return { kind: "withdrawal", title: "Withdrawal requested" };
    case "withdrawal_approved": return { kind: "withdrawal", title: "Withdrawal approved" };
    case "withdrawal_submitted": return { kind: "withdrawal", title: "Withdrawal on its way to you" };
    case "withdrawal_paid": return { kind: "paid", title: "Withdrawal paid" };
    case "withdrawal_rejected": return { kind: "released", title: "Withdrawal turned down" };
    case "withdrawal_failed": return { kind: "released", title: "Withdrawal failed" };
    default: return { kind: "other", title: readable(entry.type) };
  }
}

function giftTitle({ gift, count, room }: HistoryEntry, names: ReadonlyMap<string, string>): string {
  const name = gift === undefined ? "Gift" : names.get(gift) ?? gift;
  const times = count !== undefined && count > 1 ? ` ×${count.toLocaleString("en-US")}` : "";
  return `${name}${times}${room ? ` to ${room}` : ""}`;
}

function amountsOf(entry: HistoryEntry): Amount[] {
  const amounts: Amount[] = [];
  for (const unit of ["coins", "tickets", "held", "debt"] as const) {
    const change = entry[unit];
    if (change) amounts.push({ unit, change });
  }
  return amounts;
}

const plural = (count: number, word: string): string => `${count.toLocaleString("en-US")} ${word}${count === 1 ? "" : "s"}`;

const readable = (type: string): string => (type.charAt(0).toUpperCase() + type.slice(1)).replaceAll("_", " ");
