// The rows of a table that others change too: as many pages as were asked for, read again as a whole, so that what left the
// list is gone from the table as well.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Page } from "../live/money/pages";

/** Pages that one table shows at most; who needs more narrows the list down. */
const PAGES_MAX = 20;

export interface RowsShown<Row> {
  rows: readonly Row[];
  /** `more`: the list goes on; `full`: it goes on, but not here; `failed`: what is shown may be old. */
  state: "unread" | "reading" | "all" | "more" | "full" | "failed";
}

export class Rows<Row> {
  readonly #shown: Signal<RowsShown<Row>> = signal({ rows: [], state: "unread" });
  #pages = 1;
  #turn: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(private readonly read: (cursor: string | undefined) => Promise<Page<Row>>) {}

  get shown(): ReadonlySignal<RowsShown<Row>> { return this.#shown; }

  /** Reads all shown pages again. Asked for twice before it began, it is done once. */
  refresh(): Promise<void> {
    if (this.#waiting) return this.#turn;
    this.#waiting = true;
    this.#turn = this.#turn.then(() => {
      this.#waiting = false;
      return this.#readAll();
    });
    return this.#turn;
  }

  more(): Promise<void> {
    this.#pages = Math.min(PAGES_MAX, this.#pages + 1);
    return this.refresh();
  }

  async #readAll(): Promise<void> {
    const before = this.#shown.peek();
    if (before.state === "unread") this.#shown.value = { ...before, state: "reading" };
    try {
      const rows: Row[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < this.#pages; page += 1) {
        const answer = await this.read(cursor);
        rows.push(...answer.entries);
        cursor = answer.cursor;
        if (cursor === undefined) break;
      }
      const state = cursor === undefined ? "all" : this.#pages >= PAGES_MAX ? "full" : "more";
      this.#shown.value = { rows, state };
    } catch {
      this.#shown.value = { rows: before.rows, state: "failed" };
    }
  }
}
