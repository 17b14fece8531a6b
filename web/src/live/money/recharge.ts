// Buying coins: a pack becomes an order, the order is paid somewhere else, and the coins come when the payment does. Coming
// back from there says nothing: only the server knows whether money has come, so until it says so the page waits.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Cancel } from "../clock";
import { PAYMENT_ASK_MS, PAYMENT_WAIT_MS_MAX, RECEIPT_STAY_MS } from "../limits";
import type { Refusal } from "../outbox";
import type { OrderAnswer, Pack, Position, RechargeOrder } from "../protocol";
import type { Session } from "../session";

/** What the recharge needs of the session. */
export type Host = Pick<Session, "user" | "clock" | "outbox" | "query" | "refused">;

/** An order that the user is about to pay, or comes back from. What a link alone does not tell is undefined. */
export interface Bill {
  order: string; coins?: number; price?: number; currency?: string;
  /** Where to pay. */
  url?: string;
  /** Where the order stands: a list that has not come so far does not know it yet. */
  position?: Position;
}

/** What has become of the order that the user went to pay. */
export interface Awaited {
  bill: Bill;
  /**
   * `waiting`: no payment has come yet; `late`: still none after a long time; `paid`: the server has it; `cancelled`, `refunded`:
   * as the server says; `unknown`: no order of this user.
   */
  state: "waiting" | "late" | "paid" | "cancelled" | "refunded" | "unknown";
  /** The user does not want to read of it while nothing has become of it. */
  hidden: boolean;
}

/** Where the way to the pay page is remembered while this page is away. */
export interface Memory { keep(bill: Bill): void; forget(): void }

export type Step = { at: "packs" } | { at: "ordering"; pack: string } | { at: "leaving"; bill: Bill };

/** An order that this user's newest orders do not name is somebody else's, or very old. */
const ORDERS_ASKED = 100;

export class Recharge {
  readonly #packs: Signal<readonly Pack[] | "failed" | undefined> = signal(undefined);
  readonly #step: Signal<Step> = signal({ at: "packs" });
  readonly #awaited: Signal<Awaited | undefined> = signal(undefined);
  readonly #refused: Signal<Refusal | undefined> = signal(undefined);
  #asking = false;
  #cancelAsk: Cancel | undefined;
  #waitingSince = 0;

  constructor(
    private readonly session: Host,
    private readonly memory: Memory,
    /** Goes to another page. */
    private readonly leaveFor: (url: string) => void,
  ) {}

  /** What is for sale; undefined before the first answer. */
  get packs(): ReadonlySignal<readonly Pack[] | "failed" | undefined> { return this.#packs; }
  get step(): ReadonlySignal<Step> { return this.#step; }
  get awaited(): ReadonlySignal<Awaited | undefined> { return this.#awaited; }

  /** Why the last pack could not be ordered. */
  get refused(): ReadonlySignal<Refusal | undefined> { return this.#refused; }

  async readPacks(): Promise<void> {
    this.#refused.value = undefined;
    try {
      const { packs } = await this.session.query<{ packs: Pack[] }>("recharge.packs");
      this.#packs.value = packs;
    } catch {
      if (!Array.isArray(this.#packs.value)) this.#packs.value = "failed";
    }
  }

  /** Orders a pack and goes to where it is paid. One order at a time: a second tap is the same wish. */
  async buy(pack: Pack): Promise<void> {
    if (this.#step.value.at !== "packs") return;
    batch(() => {
      this.#refused.value = undefined;
      this.#step.value = { at: "ordering", pack: pack.id };
    });
    try {
      const { position, order, coins, price, currency, pay } = await this.session.outbox.submit<OrderAnswer>("recharge", "recharge.create", { pack: pack.id });
      this.pay({ order, coins, price, currency, url: pay.url, position });
    } catch (cause) {
      batch(() => {
        this.#refused.value = cause as Refusal;
        this.#step.value = { at: "packs" };
      });
    }
  }

  /** Goes to where this order is paid (again). */
  pay(bill: Bill): void {
    if (!bill.url) return;
    this.memory.keep(bill);
    this.#wait(bill);
    this.#step.value = { at: "leaving", bill };
    this.leaveFor(bill.url);
  }

  /** The page did not leave after all, or is shown again as it was. */
  stayed(): void {
    this.#step.value = { at: "packs" };
    void this.ask();
  }

  /** The user is back from the pay page with this order. It may be paid or not. */
  returned(bill: Bill): void {
    this.#wait(bill);
    void this.ask();
  }

  /** The user does not want the order any more. A payment that was faster counts. */
  async cancel(): Promise<void> {
    const awaited = this.#awaited.value;
    if (awaited?.state !== "waiting" && awaited?.state !== "late") return;
    try {
      await this.session.outbox.submit("recharge", "recharge.cancel", { order: awaited.bill.order });
      this.#became(awaited.bill, "cancelled");
    } catch (cause) {
      this.session.refused(cause as Refusal);
      void this.ask();
    }
  }

  /** The words about the order have been read. While it is open they come back once something has become of it. */
  dismiss(): void {
    const awaited = this.#awaited.value;
    if (awaited?.state === "waiting" || awaited?.state === "late") {
      this.#awaited.value = { ...awaited, hidden: true };
      return;
    }
    this.#cancelAsk?.();
    this.memory.forget();
    this.#awaited.value = undefined;
  }

  /** Asks what has become of the awaited order. Called whenever something may have changed, too. */
  async ask(): Promise<void> {
    const awaited = this.#awaited.value;
    if (!awaited || this.#asking || (awaited.state !== "waiting" && awaited.state !== "late")) return;
    this.#asking = true;
    this.#cancelAsk?.();
    const { position } = awaited.bill;
    const request = { limit: ORDERS_ASKED, ...(position === undefined ? {} : { min_position: position }) };
    const answer = await this.session.query<{ orders: RechargeOrder[] }>("recharge.list", request).catch(() => undefined);
    this.#asking = false;
    const now = this.#awaited.value;
    if (!now || now.bill.order !== awaited.bill.order || !answer) return this.#askLater();
    const order = answer.orders.find((known) => known.order === now.bill.order);
    if (!order) return this.#became(now.bill, "unknown");
    const bill = { ...now.bill, coins: order.coins, price: order.price, currency: order.currency };
    if (order.state === "created") this.#stillWaiting({ ...now, bill });
    else this.#became(bill, order.state);
  }

  close(): void {
    this.#cancelAsk?.();
  }

  #wait(bill: Bill): void {
    this.#waitingSince = this.session.clock.now();
    this.#awaited.value = { bill, state: "waiting", hidden: false };
    this.#askLater();
  }

  #stillWaiting(awaited: Awaited): void {
    const late = this.session.clock.now() - this.#waitingSince >= PAYMENT_WAIT_MS_MAX;
    this.#awaited.value = { ...awaited, state: late ? "late" : "waiting" };
    if (!late) this.#askLater();
  }

  #became(bill: Bill, state: "paid" | "cancelled" | "refunded" | "unknown"): void {
    this.#cancelAsk?.();
    this.memory.forget();
    batch(() => {
      this.#awaited.value = { bill, state, hidden: false };
      this.#step.value = { at: "packs" };
    });
    this.#cancelAsk = this.session.clock.after(RECEIPT_STAY_MS, () => this.dismiss());
  }

  #askLater(): void {
    this.#cancelAsk?.();
    this.#cancelAsk = this.session.clock.after(PAYMENT_ASK_MS, () => void this.ask());
  }
}
