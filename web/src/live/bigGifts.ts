// Very large gifts of other rooms, announced one after the other. A display: under a flood the smaller ones are left out.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Cancel, Clock } from "./clock";
import { BIG_GIFT_STAY_MS, BIG_GIFTS_WAITING_MAX } from "./limits";
import type { BigGiftPublication } from "./protocol";

export class BigGifts {
  readonly #shown: Signal<BigGiftPublication | undefined> = signal(undefined);
  #waiting: BigGiftPublication[] = [];
  #cancel: Cancel | undefined;

  /** `here`: the room one is in. Its own gifts fly over its own stage already. */
  constructor(private readonly clock: Clock, private readonly here: string) {}

  get shown(): ReadonlySignal<BigGiftPublication | undefined> { return this.#shown; }

  take(gift: BigGiftPublication): void {
    if (gift.room === this.here) return;
    const known = [this.#shown.peek(), ...this.#waiting].some((other) => other?.position === gift.position && other.user === gift.user);
    if (known) return;
    this.#waiting = [...this.#waiting, gift].toSorted((a, b) => b.coins - a.coins).slice(0, BIG_GIFTS_WAITING_MAX);
    if (!this.#shown.peek()) this.#next();
  }

  close(): void {
    this.#cancel?.();
  }

  #next(): void {
    this.#shown.value = this.#waiting.shift();
    if (this.#shown.peek()) this.#cancel = this.clock.after(BIG_GIFT_STAY_MS, () => this.#next());
  }
}
