// Turning tickets into money: the terms, the wish, and what becomes of it. Every change is told by the server; this page
// never guesses that something has been paid.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { PAGE_ENTRIES } from "../limits";
import { Refusal } from "../outbox";
import type { WithdrawAnswer, Withdrawal, WithdrawalPublication, WithdrawalState, WithdrawTerms } from "../protocol";
import type { Session } from "../session";
import { Pages } from "./pages";

export type Host = Pick<Session, "outbox" | "query">;

const OVER: readonly WithdrawalState[] = ["paid", "rejected", "failed"];

/** Whether nothing can come of it any more. */
export const isOver = (state: WithdrawalState): boolean => OVER.includes(state);

/** How far each state is on its way; what is over stays over. */
const ORDER: Record<WithdrawalState, number> = { requested: 0, approved: 1, submitted: 2, paid: 3, rejected: 3, failed: 3 };

/** What has come of a withdrawal, for who asked for it; undefined while nothing has. */
export function outcomeWords({ state, tickets, reason }: Pick<Withdrawal, "state" | "tickets" | "reason">): string | undefined {
  const what = `Your withdrawal of ${tickets.toLocaleString("en-US")} tickets`;
  switch (state) {
    case "paid": return `${what} has been paid.`;
    case "rejected": return `${what} was turned down${reason ? `: ${reason}` : ""}. The tickets are back in your wallet.`;
    case "failed": return `${what} could not be paid${reason ? `: ${reason}` : ""}. The tickets are back in your wallet.`;
    default: return undefined;
  }
}

export class Withdrawals {
  readonly #terms: Signal<WithdrawTerms | "failed" | undefined> = signal(undefined);
  readonly #requesting: Signal<boolean> = signal(false);
  readonly list: Pages<Withdrawal>;

  constructor(private readonly session: Host) {
    this.list = new Pages(
      async (cursor) => {
        const request = { limit: PAGE_ENTRIES, ...(cursor ? { cursor } : {}) };
        const answer = await session.query<{ withdrawals: Withdrawal[]; cursor?: string }>("withdraw.list", request);
        return { entries: answer.withdrawals, cursor: answer.cursor };
      },
      ({ withdrawal }) => withdrawal,
    );
  }

  get terms(): ReadonlySignal<WithdrawTerms | "failed" | undefined> { return this.#terms; }
  /** Whether a request is on its way. */
  get requesting(): ReadonlySignal<boolean> { return this.#requesting; }

  async readTerms(): Promise<void> {
    try {
      this.#terms.value = await this.session.query<WithdrawTerms>("withdraw.terms");
    } catch {
      if (typeof this.#terms.value !== "object") this.#terms.value = "failed";
    }
  }

  /** Asks for so many tickets in money; resolves with the answer or the refusal. */
  async request(tickets: number, account: string): Promise<WithdrawAnswer | Refusal> {
    if (this.#requesting.value) return new Refusal(0, "a request is on its way");
    this.#requesting.value = true;
    try {
      const answer = await this.session.outbox.submit<WithdrawAnswer>("withdraw", "withdraw.request", { tickets, account });
      void this.list.open();
      return answer;
    } catch (cause) {
      // The terms may have changed while somebody filled in the form.
      void this.readTerms();
      return cause as Refusal;
    } finally {
      this.#requesting.value = false;
    }
  }

  /** A change of one of the user's own. Publications may overtake answers: nothing goes back. */
  take({ type: _, position: __, time, ...news }: WithdrawalPublication): void {
    const known = this.list.change(news.withdrawal, (old) => (
      ORDER[news.state] < ORDER[old.state] ? old : { ...old, ...news, changed: news.changed ?? time ?? old.changed }
    ));
    if (!known && this.list.listed.peek().state !== "unread") void this.list.refresh();
  }
}
