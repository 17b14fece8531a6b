// A long list read page by page, newest first, as far as somebody scrolls. Whatever is read again is the same entry: lists
// shift while one pages, and no entry may be shown twice.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { LIST_ENTRIES_MAX } from "../limits";

export interface Page<Entry> { entries: readonly Entry[]; cursor?: string | undefined }

export interface Listed<Entry> {
  entries: readonly Entry[];
  /**
   * `unread`: nobody has looked yet; `reading`: a page is on its way; `more`: there is another; `all`: that was the last;
   * `full`: older ones are not shown; `failed`: the last request did not come through.
   */
  state: "unread" | "reading" | "more" | "all" | "full" | "failed";
}

export class Pages<Entry> {
  readonly #listed: Signal<Listed<Entry>> = signal({ entries: [], state: "unread" });
  #cursor: string | undefined;
  /** Requests one after the other: what a later one finds is newer. */
  #turn: Promise<void> = Promise.resolve();
  #refreshing = false;

  constructor(
    private readonly read: (cursor: string | undefined) => Promise<Page<Entry>>,
    private readonly keyOf: (entry: Entry) => string | number,
    private readonly entriesMax = LIST_ENTRIES_MAX,
  ) {}

  get listed(): ReadonlySignal<Listed<Entry>> { return this.#listed; }

  /** Reads the next page, unless one is being read or there is none. */
  more(): Promise<void> {
    const { state } = this.#listed.peek();
    if (state === "reading" || state === "all" || state === "full") return this.#turn;
    return this.#next(async () => {
      const page = await this.read(this.#cursor);
      const known = new Set(this.#entries.map(this.keyOf));
      this.#cursor = page.cursor;
      return [...this.#entries, ...page.entries.filter((entry) => !known.has(this.keyOf(entry)))];
    });
  }

  /** Looks at the newest page again, quietly; asked for twice before it began, it is done once. */
  refresh(): Promise<void> {
    if (this.#refreshing) return this.#turn;
    this.#refreshing = true;
    return this.#next(async () => {
      this.#refreshing = false;
      const page = await this.read(undefined);
      const fresh = new Set(page.entries.map(this.keyOf));
      const older = this.#entries.filter((entry) => !fresh.has(this.keyOf(entry)));
      // Where the newest page does not reach what is shown there would be a gap: the list starts anew.
      const joins = this.#entries.length > older.length;
      if (!joins) this.#cursor = page.cursor;
      return joins ? [...page.entries, ...older] : [...page.entries];
    }, { quiet: this.#entries.length > 0 });
  }

  /** Somebody looks at the list: what is not read yet is read, what is read is looked at again. */
  open(): Promise<void> {
    return this.#listed.peek().state === "unread" ? this.more() : this.refresh();
  }

  /** Changes the entry of this key, if it is shown. */
  change(key: string | number, change: (entry: Entry) => Entry): boolean {
    const entries = this.#entries;
    const at = entries.findIndex((entry) => this.keyOf(entry) === key);
    const entry = entries[at];
    if (entry === undefined) return false;
    this.#listed.value = { ...this.#listed.peek(), entries: entries.with(at, change(entry)) };
    return true;
  }

  get #entries(): readonly Entry[] { return this.#listed.peek().entries; }

  /** `quiet`: what is shown stays as it is when the request does not come through. */
  #next(request: () => Promise<Entry[]>, { quiet = false } = {}): Promise<void> {
    if (!quiet) this.#listed.value = { ...this.#listed.peek(), state: "reading" };
    this.#turn = this.#turn.then(async () => {
      try {
        const entries = await request();
        const state = entries.length >= this.entriesMax ? "full" : this.#cursor === undefined ? "all" : "more";
        this.#listed.value = { entries: entries.slice(0, this.entriesMax), state };
      } catch {
        if (!quiet) this.#listed.value = { entries: this.#entries, state: "failed" };
      }
    });
    return this.#turn;
  }
}
