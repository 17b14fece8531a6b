// What the server refused staff, by number, with the next step. Pure.

import type { Denied } from "./api";
import type { AuditState, FiledWithdrawal } from "./protocol";

const WORDS: Record<number, string> = {
  400: "The server is busy. Try again in a moment: the same request is repeated, not doubled.",
  401: "This request was sent before with different contents. Close this and start again.",
  403: "That is not the id of a user. Ids have 1 to 64 letters, digits or . _ - @",
  405: "A reason is needed: it stays in the books for ever.",
  406: "That is too long. At most 200 characters.",
  410: "There is no such gift any more. Read the list again.",
  416: "The account would pass the highest balance. Enter a smaller amount.",
  417: "The amount must not be zero, nor take more than there is. Look at the balance.",
  502: "Amount or currency of the payment are not the order’s. Compare both with the provider’s record, then credit by hand or refund there.",
  503: "The order was paid by another payment. Refund this one at the provider.",
  504: "The order is closed. Refund the payment at the provider, or credit by hand.",
  501: "No such order. Ask the payer which account it was for, then credit by hand or refund at the provider.",
  505: "The payment is not known yet. The provider has to report it first.",
  506: "The provider used this payment’s id before, with other contents. Ask the provider.",
  507: "Only a whole payment can be refunded by itself. Correct the rest by hand.",
  508: "The debt is smaller than that. Enter at most what is owed.",
  511: "The streamer has not so many tickets.",
  512: "The streamer owes coins of a refunded recharge. Wait for it to be paid, forgive it, or reject.",
  514: "There is no such withdrawal. Read the list again.",
  515: "The withdrawal has moved on meanwhile. Read the list again.",
  516: "You have approved this already. Another person of staff has to.",
  517: "The books do not add up, so withdrawals are stopped. Look at Audit before anything else.",
  520: "Coins must be 1 to 1,000,000,000 and tickets 0 to 1,000,000,000.",
  521: "1,000 gifts are on offer. Delist one first.",
};

const STATUS: Record<number, string> = {
  401: "Your login has ended. Log in again.",
  403: "Your role does not allow this. Ask who manages roles.",
  404: "This server has no such thing. It may be older than this page: reload.",
  413: "That is too long. Shorten it.",
  422: "The server did not understand that. Check the fields.",
  429: "Too many tries. Wait a minute.",
};

/** A refusal as one sentence that says what to do next. */
export function refusalWords({ status, code, message }: Pick<Denied, "status" | "code" | "message">): string {
  const known = code < 400 || code === status ? STATUS[status] ?? WORDS[code] : WORDS[code];
  if (known) return known;
  return message ? `${message.charAt(0).toUpperCase()}${message.slice(1)}.` : "The server refused that.";
}

/** How long something has waited, in the two largest units: 3 d 4 h, 2 h 5 min, 42 s. */
export function age(sinceMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** What this person can do about a withdrawal, and why not where they cannot. */
export interface Powers { approve: boolean; reject: boolean; why?: string }

/** What to offer; the server decides. */
export function powersOver(withdrawal: FiledWithdrawal, staff: string): Powers {
  switch (withdrawal.state) {
    case "requested":
      return withdrawal.approved_by.includes(staff)
        ? { approve: false, reject: true, why: "You have approved this; somebody else has to." }
        : { approve: true, reject: true };
    case "approved": return { approve: false, reject: true, why: "Approved: about to be paid out." };
    case "submitted": return { approve: false, reject: false, why: "The payout provider has it: only the provider knows what comes of it." };
    default: return { approve: false, reject: false };
  }
}

/** Approvals so far, of how many. */
export const approvalWords = ({ approved_by, approvals_needed }: FiledWithdrawal): string => `${approved_by.length} of ${approvals_needed}`;

/** The standing audit in one line. */
export function auditWords({ ok, position, broken }: AuditState): string {
  if (ok) return `The books add up at position ${position.toLocaleString("en-US")}`;
  return broken ? `The books do not add up from position ${broken.position.toLocaleString("en-US")} on` : "The books do not add up";
}

/** A whole amount as staff type it, with its sign: "-1,000" is -1000. NaN for anything else. */
export function typedAmount(text: string): number {
  const digits = text.replace(/[\s,_]/g, "").replace("−", "-");
  return /^[+-]?\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
}
