// Likes: every tap is a heart on the screen at once; the server hears of them a few times a second, as one number. Likes are
// no money: what cannot be sent soon is let go, in contrast to gifts.

import type { Cancel, Clock } from "./clock";
import { HEARTS_ECHO_MS, LIKE_SEND_INTERVAL_MS, LIKES_SEND_MAX, LIKES_WAITING_MAX } from "./limits";
import type { Refusal } from "./outbox";

/** Sends this many; resolves with the room's new sum where the server tells it. */
export type SendLikes = (count: number) => Promise<{ likes?: number } | undefined>;

export class Likes {
  #waiting = 0;
  #sending = false;
  #cancelSend: Cancel | undefined;
  /** Own hearts that the room has not shown yet: they will arrive among its hearts and are on the screen already. */
  #echo = 0;
  #cancelEcho: Cancel | undefined;

  constructor(
    private readonly send: SendLikes,
    private readonly clock: Clock,
    private readonly events: { counted(likes: number): void; refused(refusal: Refusal): void },
  ) {}

  tap(): void {
    if (this.#waiting >= LIKES_WAITING_MAX) return;
    this.#waiting += 1;
    this.#echo += 1;
    this.#cancelEcho?.();
    this.#cancelEcho = this.clock.after(HEARTS_ECHO_MS, () => { this.#echo = 0; });
    if (!this.#sending && !this.#cancelSend) this.#arm();
  }

  /** How many of the room's hearts are other people's. */
  others(count: number): number {
    const own = Math.min(this.#echo, count);
    this.#echo -= own;
    return count - own;
  }

  close(): void {
    this.#cancelSend?.();
    this.#cancelEcho?.();
    this.#waiting = 0;
  }

  #arm(): void {
    this.#cancelSend = this.clock.after(LIKE_SEND_INTERVAL_MS, () => {
      this.#cancelSend = undefined;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const count = Math.min(this.#waiting, LIKES_SEND_MAX);
    if (count === 0) return;
    this.#waiting -= count;
    this.#sending = true;
    try {
      const answer = await this.send(count);
      if (answer?.likes !== undefined) this.events.counted(answer.likes);
    } catch (cause) {
      this.#waiting = 0;
      this.events.refused(cause as Refusal);
    }
    this.#sending = false;
    if (this.#waiting > 0) this.#arm();
  }
}
