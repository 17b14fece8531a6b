// What each gift has brought in one room: read while somebody looks, and again after gifts, at a pace that spares the server.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Cancel } from "./clock";
import { GIFT_STATS_PAUSE_MS } from "./limits";
import type { GiftStat, GiftStatsAnswer } from "./protocol";
import type { Session } from "./session";

type Host = Pick<Session, "query" | "clock">;

export class GiftStats {
  readonly #gifts: Signal<readonly GiftStat[] | undefined> = signal(undefined);
  #looking = false;
  #position = 0;
  #cancel: Cancel | undefined;

  constructor(private readonly session: Host, private readonly room: string) {}

  /** By coins, most first; undefined before the first answer. */
  get gifts(): ReadonlySignal<readonly GiftStat[] | undefined> { return this.#gifts; }

  look(open: boolean): void {
    this.#looking = open;
    if (open) void this.#read();
    else this.close();
  }

  /** A gift was given in the room. */
  given(): void {
    if (!this.#looking) return;
    this.#cancel ??= this.session.clock.after(GIFT_STATS_PAUSE_MS, () => {
      this.#cancel = undefined;
      void this.#read();
    });
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #read(): Promise<void> {
    const answer = await this.session.query<GiftStatsAnswer>("gift.stats", { room: this.room }).catch(() => undefined);
    if (!answer || answer.position < this.#position) return;
    this.#position = answer.position;
    this.#gifts.value = answer.gifts;
  }
}
