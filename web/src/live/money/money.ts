// A user's money as this page shows it: what it went through, orders, withdrawals. Lists are read when somebody looks, and
// looked at again when something may have changed.

import type { Cancel } from "../clock";
import { HISTORY_PAUSE_MS, PAGE_ENTRIES } from "../limits";
import type { HistoryEntry, RechargeOrder, Publication } from "../protocol";
import type { Session } from "../session";
import { Pages, type Page } from "./pages";
import { Recharge, type Memory } from "./recharge";
import { outcomeWords, Withdrawals } from "./withdrawals";

export type Host = Pick<Session, "user" | "clock" | "outbox" | "query" | "refused" | "notices">;

/** What the page around it does for the session's money. */
export interface Away { memory: Memory; leaveFor(url: string): void }

export class Money {
  readonly recharge: Recharge;
  readonly withdrawals: Withdrawals;
  readonly history: Pages<HistoryEntry>;
  readonly orders: Pages<RechargeOrder>;
  #looking = false;
  #cancelRefresh: Cancel | undefined;

  constructor(private readonly session: Host, away: Away) {
    this.recharge = new Recharge(session, away.memory, away.leaveFor);
    this.withdrawals = new Withdrawals(session);
    this.history = new Pages(async (cursor) => {
      const { entries, cursor: next } = await this.#page<{ entries: HistoryEntry[] }>("wallet.history", cursor);
      return { entries, cursor: next };
    }, ({ position, type }) => `${position} ${type}`);
    this.orders = new Pages(async (cursor): Promise<Page<RechargeOrder>> => {
      const { orders, cursor: next } = await this.#page<{ orders: RechargeOrder[] }>("recharge.list", cursor);
      return { entries: orders, cursor: next };
    }, ({ order }) => order);
  }

  /** Somebody opens the wallet, or closes it. */
  look(open: boolean): void {
    this.#looking = open;
    if (open) this.#readAll();
  }

  /** The connection is new: what was missed is asked for. */
  online(): void {
    void this.recharge.ask();
    if (this.#looking) this.#readAll();
  }

  take(publication: Publication): void {
    if (publication.type === "balance") {
      void this.recharge.ask();
      if (this.#looking) this.#refreshSoon();
    } else if (publication.type === "withdrawal") {
      this.withdrawals.take(publication);
      const words = outcomeWords(publication);
      if (words) this.session.notices.say(words);
    }
  }

  close(): void {
    this.recharge.close();
    this.#cancelRefresh?.();
  }

  /** A streamer's balance moves many times a second: the list is looked at again at a pace that people can read. */
  #refreshSoon(): void {
    this.#cancelRefresh ??= this.session.clock.after(HISTORY_PAUSE_MS, () => {
      this.#cancelRefresh = undefined;
      if (this.#looking) void this.history.refresh();
    });
  }

  #readAll(): void {
    void this.history.open();
    void this.orders.open();
    void this.withdrawals.list.open();
  }

  async #page<Answer>(method: string, cursor: string | undefined): Promise<Answer & { cursor?: string }> {
    return this.session.query<Answer & { cursor?: string }>(method, { limit: PAGE_ENTRIES, ...(cursor ? { cursor } : {}) });
  }
}
