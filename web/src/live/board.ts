// One leaderboard as it stands now, of one kind of period: read once per connection, then kept by publications; the newest position counts.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Subscription } from "centrifuge";
import { BOARD_ENTRIES } from "./limits";
import type { BoardAnswer, BoardEntry, BoardPublication, Position, Span } from "./protocol";
import type { Session } from "./session";

type Host = Pick<Session, "subscription" | "query" | "dropSubscription">;

export interface Standing { entries: readonly BoardEntry[]; position: Position }

const EMPTY: Standing = { entries: [], position: 0 };

export class Board {
  readonly #standing: Signal<Standing> = signal(EMPTY);
  readonly #span: Signal<Span> = signal("day");
  #subscription: Subscription;
  /** The next standing counts whatever its position: the connection is new, and so may be the journal. */
  #afresh = true;

  constructor(private readonly session: Host, private readonly name: string) {
    this.#subscription = this.#watch();
  }

  get standing(): ReadonlySignal<Standing> { return this.#standing; }
  /** The kind of period whose board it is. */
  get span(): ReadonlySignal<Span> { return this.#span; }

  /** Shows another kind of period. */
  choose(span: Span): void {
    if (span === this.#span.value) return;
    this.close();
    this.#span.value = span;
    this.#standing.value = EMPTY;
    this.#afresh = true;
    this.#subscription = this.#watch();
  }

  close(): void {
    this.session.dropSubscription(this.#subscription);
  }

  #watch(): Subscription {
    const span = this.#span.value;
    // The day's channel has the board's name alone.
    const subscription = this.session.subscription(`board:${this.name}${span === "day" ? "" : `/${span}`}`);
    subscription.on("subscribed", () => {
      this.#afresh = true;
      void this.#read(span);
    });
    subscription.on("publication", ({ data }) => this.#take(data as BoardPublication));
    subscription.subscribe();
    return subscription;
  }

  async #read(span: Span): Promise<void> {
    const request = { board: this.name, period: span, limit: BOARD_ENTRIES };
    const answer = await this.session.query<BoardAnswer>("board.get", request).catch(() => undefined);
    // Another period may have been chosen meanwhile.
    if (answer && span === this.#span.value) this.#take(answer);
  }

  #take({ entries, position }: BoardAnswer | BoardPublication): void {
    if (!this.#afresh && position < this.#standing.value.position) return;
    this.#afresh = false;
    this.#standing.value = { entries, position };
  }
}
