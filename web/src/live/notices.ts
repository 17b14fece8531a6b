// Short notes to the user: refusals in words, and what to do. A few at once; the oldest goes first.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { realClock, type Clock } from "./clock";
import { NOTICE_STAY_MS, NOTICES_MAX } from "./limits";

export interface Notice { id: number; text: string; /** Whether more coins would help. */ coins: boolean }

export class Notices {
  #list: Signal<readonly Notice[]> = signal([]);
  #next = 1;

  constructor(private readonly clock: Clock = realClock) {}

  get list(): ReadonlySignal<readonly Notice[]> { return this.#list; }

  /** Shows a note; one with the same text that is still there stays instead. */
  say(text: string, { coins = false } = {}): void {
    if (this.#list.value.some((notice) => notice.text === text)) return;
    const notice = { id: this.#next++, text, coins };
    this.#list.value = [...this.#list.value, notice].slice(-NOTICES_MAX);
    this.clock.after(NOTICE_STAY_MS, () => this.dismiss(notice.id));
  }

  dismiss(id: number): void {
    this.#list.value = this.#list.value.filter((notice) => notice.id !== id);
  }
}
