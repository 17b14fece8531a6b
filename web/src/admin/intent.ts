// One wish of one person of staff to change something. It has one command id from the first try to the last, so that a try
// whose answer got lost can be repeated and still has its effect once.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { newId } from "../live/ids";
import { Denied, Unreached } from "./api";

export type IntentState<Answer> =
  | { at: "ready" }
  | { at: "sending" }
  /** No answer: it may have been done or not. The same wish may be sent again; another must not be put in its place. */
  | { at: "unsure" }
  | { at: "refused"; denied: Denied }
  | { at: "done"; answer: Answer };

export class Intent<Answer> {
  readonly #state: Signal<IntentState<Answer>> = signal({ at: "ready" });
  #id = newId();

  constructor(private readonly send: (commandId: string) => Promise<Answer>) {}

  get state(): ReadonlySignal<IntentState<Answer>> { return this.#state; }
  get commandId(): string { return this.#id; }

  /** Sends it, or sends it again. After a refusal it is a new wish. */
  async run(): Promise<IntentState<Answer>> {
    const { at } = this.#state.peek();
    if (at === "sending" || at === "done") return this.#state.peek();
    if (at === "refused") this.#id = newId();
    this.#state.value = { at: "sending" };
    this.#state.value = await this.send(this.#id).then(
      (answer): IntentState<Answer> => ({ at: "done", answer }),
      (cause: unknown): IntentState<Answer> => {
        if (cause instanceof Denied) return { at: "refused", denied: cause };
        if (cause instanceof Unreached) return { at: "unsure" };
        throw cause;
      },
    );
    return this.#state.peek();
  }
}
