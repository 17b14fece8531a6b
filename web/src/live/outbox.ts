// Commands on their way. Each is sent with one command_id until the server has answered it, accepted or refused,
// through lost connections and restarts; so it has its effect exactly once. It must never make a new id for a retry.

import type { Cancel, Clock } from "./clock";
import { newId } from "./ids";
import { OUTBOX_COMMANDS_MAX, RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN } from "./limits";

/** The server's final no. Codes from 400 are Livehouse's, below 400 the protocol's, 0 is the page's own. */
export class Refusal extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

/** Sends one command over the present connection; rejects with `{code, message, temporary?}` as the SDK does. */
export type Rpc = (method: string, data: object) => Promise<unknown>;

interface Waiting {
  lane: string;
  method: string;
  data: object;
  tries: number;
  sending: boolean;
  cancelRetry: Cancel | undefined;
  resolve(answer: unknown): void;
  reject(refusal: Refusal): void;
}

const TOO_MANY_REQUESTS = 111;
const INTERNAL = 100;
const BUSY = 400;
const WITHDRAWALS_STOPPED = 517;

/**
 * Whether the same command may succeed later: the connection failed, or the server is overloaded. A stop of withdrawals is
 * temporary too, but lasts for hours: whoever asked decides whether to ask again.
 */
function mayRetry(error: { code?: number; temporary?: boolean }): boolean {
  const code = error.code ?? 0;
  if (code === WITHDRAWALS_STOPPED) return false;
  return code < INTERNAL || code === INTERNAL || code === TOO_MANY_REQUESTS || code === BUSY || error.temporary === true;
}

export class Outbox {
  #waiting: Waiting[] = [];
  #online = false;

  constructor(private readonly rpc: Rpc, private readonly clock: Clock, private readonly changed: () => void = () => {}) {}

  /** How many commands have no answer yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Sends a command and resolves with its answer, however many connections that takes. Commands of one `lane` go one
   * after the other, in order. Rejects with a `Refusal` only.
   */
  submit<Answer>(lane: string, method: string, data: object): Promise<Answer> {
    if (this.#waiting.length >= OUTBOX_COMMANDS_MAX) {
      return Promise.reject(new Refusal(0, "too much is waiting to be sent"));
    }
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({
        lane,
        method,
        data: { command_id: newId(), ...data },
        tries: 0,
        sending: false,
        cancelRetry: undefined,
        resolve: resolve as (answer: unknown) => void,
        reject,
      });
      this.changed();
      this.#pump();
    });
  }

  /** The connection stands: everything unanswered goes out (again), with the ids it has. */
  online(): void {
    this.#online = true;
    for (const command of this.#waiting) {
      command.cancelRetry?.();
      command.cancelRetry = undefined;
      command.tries = 0;
    }
    this.#pump();
  }

  /** The connection is gone: what is unanswered waits for the next. */
  offline(): void {
    this.#online = false;
  }

  #pump(): void {
    if (!this.#online) return;
    const lanes = new Set<string>();
    for (const command of this.#waiting) {
      const first = !lanes.has(command.lane);
      lanes.add(command.lane);
      if (first && !command.sending && !command.cancelRetry) void this.#send(command);
    }
  }

  async #send(command: Waiting): Promise<void> {
    command.sending = true;
    try {
      const answer = await this.rpc(command.method, command.data);
      this.#settle(command);
      command.resolve(answer);
    } catch (cause) {
      command.sending = false;
      const error = cause as { code?: number; message?: string; temporary?: boolean };
      if (mayRetry(error)) {
        this.#retryLater(command);
      } else {
        this.#settle(command);
        command.reject(new Refusal(error.code ?? 0, error.message ?? "refused"));
      }
    }
    this.#pump();
  }

  #settle(command: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== command);
    this.changed();
  }

  #retryLater(command: Waiting): void {
    const delayMs = Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN * 2 ** command.tries);
    command.tries += 1;
    command.cancelRetry = this.clock.after(delayMs, () => {
      command.cancelRetry = undefined;
      this.#pump();
    });
  }
}
