// A clock whose hands the test turns, and a server that answers when it is told to.

import type { Clock } from "../../src/live/clock";
import type { Rpc } from "../../src/live/outbox";
import type { GiftPublication } from "../../src/live/protocol";

/** What the test's clock calls the time when it starts. */
export const START_UNIX_MS = 1_795_000_000_000;

export class TestClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  unix(): number {
    return START_UNIX_MS + this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return () => { this.#timers = this.#timers.filter((other) => other !== timer); };
  }

  /** Lets this much time pass; what falls due happens in order, and everything it promises is done. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      this.#timers.sort((a, b) => a.at - b.at);
      const next = this.#timers[0];
      if (!next || next.at > end) break;
      this.#timers.shift();
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
    await settled();
  }
}

/** Everything that waits for resolved promises has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface Sent {
  method: string;
  data: Record<string, unknown>;
  answer(data: unknown): Promise<void>;
  fail(code: number, message?: string): Promise<void>;
}

/** Keeps what is sent, so that the test decides what becomes of it. */
export class TestServer {
  readonly sent: Sent[] = [];

  readonly rpc: Rpc = (method, data) =>
    new Promise((resolve, reject) => {
      this.sent.push({
        method,
        data: data as Record<string, unknown>,
        answer: (answer) => { resolve(answer); return settled(); },
        fail: (code, message = "no") => { reject({ code, message }); return settled(); },
      });
    });

  /** The nth command that was sent. */
  nth(n: number): Sent {
    const sent = this.sent[n];
    if (!sent) throw new Error(`only ${this.sent.length} commands were sent`);
    return sent;
  }
}

/** A gift publication; what the test does not name is plain. */
export function gift(fields: Partial<GiftPublication> & { position: number }): GiftPublication {
  return { type: "gift", time: 0, user: "ann", gift: "heart", count: 1, coins: 1, tickets: 1, session: 1, ...fields };
}
