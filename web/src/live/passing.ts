// Something that is said for a while and then goes. Saying more before it went starts the time anew.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Cancel, Clock } from "./clock";

export class Passing<Words> {
  readonly #said: Signal<Words | undefined> = signal(undefined);
  #cancel: Cancel | undefined;

  constructor(private readonly clock: Clock, private readonly stayMs: number) {}

  get said(): ReadonlySignal<Words | undefined> { return this.#said; }

  say(words: Words): void {
    this.#said.value = words;
    this.#cancel?.();
    this.#cancel = this.clock.after(this.stayMs, () => this.hush());
  }

  hush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#said.value = undefined;
  }
}
