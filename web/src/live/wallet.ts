// What the user owns, by position: an answer, a publication or a query may come late, and only the newest counts. While a
// gift is on its way the published balance waits, because the page has already taken the gift's price off.

import type { Position } from "./protocol";

/** `held`: tickets in withdrawals under way; `debt`: coins owed. */
export interface Balance { position: Position; coins: number; tickets: number; held: number; debt: number }

export class Wallet {
  #known: Balance | undefined;
  #held: Partial<Balance> & { position: Position } | undefined;

  /** The newest balance, none before the first. */
  get balance(): Balance | undefined {
    return this.#known;
  }

  /** The answer of a gift: coins left at its position. */
  answered(position: Position, coins: number): void {
    this.#take({ position, coins });
  }

  /** A published or queried balance; `inFlight` tells whether a gift is unanswered. */
  seen(balance: Balance, inFlight: boolean): void {
    if (this.#held && this.#held.position > balance.position) return;
    if (inFlight && this.#known) this.#held = balance;
    else this.#take(balance);
  }

  /** No gift is on its way any more: what was held counts. */
  settle(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held) this.#take(held);
  }

  /** Another journal: its positions say nothing about the old ones. */
  clear(): void {
    this.#known = undefined;
    this.#held = undefined;
  }

  #take(news: Partial<Balance> & { position: Position }): void {
    if (this.#known && news.position < this.#known.position) return;
    this.#known = { coins: 0, tickets: 0, held: 0, debt: 0, ...this.#known, ...news };
  }
}
