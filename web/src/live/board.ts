// One leaderboard as it stands now: read once per connection, then kept by publications; the newest position counts.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Subscription } from "centrifuge";
import { BOARD_ENTRIES } from "./limits";
import type { BoardAnswer, BoardEntry, BoardPublication, Position } from "./protocol";
import type { Session } from "./session";

type Host = Pick<Session, "subscription" | "query" | "dropSubscription">;

export interface Standing { entries: readonly BoardEntry[]; position: Position }

export class Board {
  readonly #standing: Signal<Standing> = signal({ entries: [], position: 0 });
  readonly #subscription: Subscription;
  /** The next standing counts whatever its position: the connection is new, and so may be the journal. */
  #afresh = true;

  constructor(private readonly session: Host, private readonly name: string) {
    this.#subscription = session.subscription(`board:${name}`);
    this.#subscription.on("subscribed", () => {
      this.#afresh = true;
      void this.#read();
    });
    this.#subscription.on("publication", ({ data }) => this.#take(data as BoardPublication));
    this.#subscription.subscribe();
  }

  get standing(): ReadonlySignal<Standing> { return this.#standing; }

  close(): void {
    this.session.dropSubscription(this.#subscription);
  }

  async #read(): Promise<void> {
    const request = { board: this.name, limit: BOARD_ENTRIES };
    const answer = await this.session.query<BoardAnswer>("board.get", request).catch(() => undefined);
    if (answer) this.#take(answer);
  }

  #take({ entries, position }: BoardAnswer | BoardPublication): void {
    if (!this.#afresh && position < this.#standing.value.position) return;
    this.#afresh = false;
    this.#standing.value = { entries, position };
  }
}
