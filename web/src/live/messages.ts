// The user's private messages: with whom, how many are unread, and the one conversation that is open. What the server pushes
// and what lists say is joined by position, so nothing is shown twice or out of order.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { PAGE_ENTRIES, THREAD_MESSAGES_MAX } from "./limits";
import { Pages } from "./money/pages";
import type { Refusal } from "./outbox";
import type { ConversationLine, ConversationListAnswer, Message, MessageListAnswer, Publication } from "./protocol";
import type { Session } from "./session";
import { inWords } from "./words";

export type Host = Pick<Session, "user" | "outbox" | "query">;

/** A message on its way: shown, and not sent for sure yet. */
export interface Outgoing { id: number; text: string }

export class Messages {
  readonly conversations: Pages<ConversationLine>;
  readonly #unread: Signal<number> = signal(0);
  readonly #thread: Signal<Thread | undefined> = signal(undefined);

  constructor(private readonly session: Host) {
    this.conversations = new Pages(async (cursor) => {
      const answer = await session.query<ConversationListAnswer>("conversation.list", {
        limit: PAGE_ENTRIES, ...(cursor ? { cursor } : {}),
      });
      this.#unread.value = answer.unread;
      return { entries: answer.conversations, cursor: answer.cursor };
    }, ({ with: other }) => other);
  }

  /** Over all conversations. */
  get unread(): ReadonlySignal<number> { return this.#unread; }
  /** The conversation that somebody looks at. */
  get thread(): ReadonlySignal<Thread | undefined> { return this.#thread; }

  open(other: string): void {
    if (this.#thread.value?.other === other) return;
    const thread = new Thread(this.session, other);
    this.#thread.value = thread;
    void thread.refresh();
  }

  close(): void {
    this.#thread.value = undefined;
  }

  /** The connection is new: what was missed is asked for. */
  online(): void {
    void this.conversations.refresh();
    void this.#thread.value?.refresh();
  }

  take(publication: Publication): void {
    if (publication.type !== "message" && publication.type !== "message_read") return;
    this.#thread.value?.take(publication);
    void this.conversations.refresh();
  }
}

/** What is said between the user and another one. */
export class Thread {
  readonly #known = new Map<number, Message>();
  readonly #shown: Signal<readonly Message[]> = signal([]);
  readonly #state: Signal<"reading" | "more" | "all" | "failed"> = signal("reading");
  readonly #readBy: Signal<number> = signal(0);
  readonly #outgoing: Signal<readonly Outgoing[]> = signal([]);
  readonly #refused: Signal<string | undefined> = signal(undefined);
  readonly #returned: Signal<string | undefined> = signal(undefined);
  /** Sent, and not seen yet, by their positions. */
  readonly #awaited = new Map<number, () => void>();
  #begun = false;
  #cursor: string | undefined;
  /** How many of the other one's messages are read, as the server knows or is being told. */
  #read = 0;
  #ids = 0;
  /** Requests one after the other: what a later one finds is newer. */
  #turn: Promise<void> = Promise.resolve();

  constructor(private readonly session: Host, /** The other one. */ readonly other: string) {}

  /** Oldest first. */
  get shown(): ReadonlySignal<readonly Message[]> { return this.#shown; }
  get state(): ReadonlySignal<"reading" | "more" | "all" | "failed"> { return this.#state; }
  /** How many of the user's messages the other one has read. */
  get readBy(): ReadonlySignal<number> { return this.#readBy; }
  get outgoing(): ReadonlySignal<readonly Outgoing[]> { return this.#outgoing; }
  /** Why the last message was not taken, in words. */
  get refused(): ReadonlySignal<string | undefined> { return this.#refused; }
  /** The text of it: it is not lost. */
  get returned(): ReadonlySignal<string | undefined> { return this.#returned; }

  takeBack(): void {
    this.#returned.value = undefined;
  }

  /** Reads the newest messages; where they do not reach those that are shown, what is shown begins anew. */
  refresh(): Promise<void> {
    return this.#next(undefined, (answer) => {
      if (this.#begun && answer.messages.some(({ position }) => this.#known.has(position))) return;
      this.#begun = true;
      // What was pushed meanwhile is newer than the page, and stays.
      const newest = answer.messages[0]?.position ?? 0;
      for (const position of [...this.#known.keys()]) if (position < newest) this.#known.delete(position);
      this.#cursor = answer.cursor;
    });
  }

  /** Reads older ones. */
  more(): Promise<void> {
    if (this.#state.value === "reading" || this.#state.value === "all") return this.#turn;
    return this.#next(this.#cursor, (answer) => { this.#cursor = answer.cursor; });
  }

  /** Somebody looks at it: what has come is read. */
  look(): void {
    const upto = this.#shown.value.reduce((last, message) => (message.from === this.other ? Math.max(last, message.number) : last), 0);
    if (upto <= this.#read) return;
    this.#read = upto;
    this.session.outbox.submit(`message ${this.other}`, "message.read", { with: this.other, upto }).catch(() => {});
  }

  send(text: string): void {
    const id = ++this.#ids;
    this.#refused.value = undefined;
    this.#outgoing.value = [...this.#outgoing.value, { id, text }];
    const done = () => { this.#outgoing.value = this.#outgoing.value.filter((other) => other.id !== id); };
    this.session.outbox.submit<{ position: number; number: number }>(`message ${this.other}`, "message.send", { to: this.other, text })
      // The publication brings it, cleaned as the server keeps it; perhaps before the answer.
      .then(({ position }) => { if (this.#known.has(position)) done(); else this.#awaited.set(position, done); })
      .catch((refusal: Refusal) => {
        done();
        this.#refused.value = inWords(refusal);
        this.#returned.value = text;
      });
  }

  take(publication: Publication): void {
    if (publication.type === "message") {
      const { from, to, position, time, number, text } = publication;
      if (from !== this.other && to !== this.other) return;
      this.#known.set(position, { position, time, from, number, text });
      this.#show();
    } else if (publication.type === "message_read") {
      const { reader, from, upto } = publication;
      if (reader === this.other && from === this.session.user) this.#readBy.value = Math.max(this.#readBy.value, upto);
      if (reader === this.session.user && from === this.other) this.#read = Math.max(this.#read, upto);
    }
  }

  #show(): void {
    const all = [...this.#known.values()].sort((a, b) => a.position - b.position);
    for (const dropped of all.splice(0, Math.max(0, all.length - THREAD_MESSAGES_MAX))) this.#known.delete(dropped.position);
    for (const [position, done] of this.#awaited) {
      if (!this.#known.has(position)) continue;
      this.#awaited.delete(position);
      done();
    }
    this.#shown.value = all;
  }

  #next(cursor: string | undefined, taken: (answer: MessageListAnswer) => void): Promise<void> {
    this.#state.value = "reading";
    this.#turn = this.#turn.then(async () => {
      try {
        const answer = await this.session.query<MessageListAnswer>("message.list", {
          with: this.other, limit: PAGE_ENTRIES, ...(cursor ? { cursor } : {}),
        });
        taken(answer);
        for (const message of answer.messages) this.#known.set(message.position, message);
        this.#read = Math.max(this.#read, answer.read);
        this.#readBy.value = Math.max(this.#readBy.value, answer.read_by);
        this.#show();
        const full = this.#known.size >= THREAD_MESSAGES_MAX;
        this.#state.value = this.#cursor === undefined || full ? "all" : "more";
      } catch {
        this.#state.value = "failed";
      }
    });
    return this.#turn;
  }
}
