// Taps become combos: cumulative totals under one id, so that a lost, repeated or overtaken send is harmless. Taps
// between two sends are joined; nothing a user tapped is dropped unless the server refuses it.

import type { Cancel, Clock } from "./clock";
import { newId } from "./ids";
import {
  COMBO_SEND_INTERVAL_MS, COMBO_STEP_MAX, COMBO_TOTAL_MAX, COMBO_WINDOW_MS, COMBOS_OPEN_MAX,
} from "./limits";
import { Refusal } from "./outbox";
import type { ComboStep, Gift, GiftAnswer } from "./protocol";

/** Sends one step; resolves with the server's answer, rejects with a `Refusal`. */
export type SendStep = (step: { room: string; gift: string; count: number; combo: ComboStep }) => Promise<GiftAnswer>;

/** A combo as the page shows it. */
export interface ComboView {
  id: string;
  room: string;
  gift: Gift;
  /** Taps so far. */
  total: number;
  /** Of these, what the server has confirmed. */
  confirmed: number;
  /** When it ends unless tapped again, on the clock. */
  endsAt: number;
}

interface Combo extends ComboView {
  sending: boolean;
  /** Nothing is sent before this time. */
  nextSendAt: number;
  cancelSend: Cancel | undefined;
  cancelEnd: Cancel | undefined;
  over: boolean;
}

export interface ComboEvents {
  /** A step was accepted. */
  accepted(answer: GiftAnswer): void;
  /** The unconfirmed taps of a combo were refused; `lost` of them. */
  refused(refusal: Refusal, gift: Gift, lost: number): void;
  /** A combo of which everything is confirmed is over, because another began. */
  finished(id: string): void;
  /** Something that is shown has changed. */
  changed(): void;
}

export class Combos {
  #open: Combo[] = [];

  constructor(private readonly send: SendStep, private readonly clock: Clock, private readonly events: ComboEvents) {}

  /** The combo that the next tap would go on, if any. */
  get current(): ComboView | undefined {
    return this.#open.findLast((combo) => !combo.over);
  }

  /** Coins of all taps that the server has not confirmed yet. */
  get pendingCoins(): number {
    return this.#open.reduce((sum, combo) => sum + (combo.total - combo.confirmed) * combo.gift.coins, 0);
  }

  /** Taps that the server has not confirmed yet. */
  get pendingTaps(): number {
    return this.#open.reduce((sum, combo) => sum + combo.total - combo.confirmed, 0);
  }

  /** Whether a step is on its way: its price may or may not be in a balance that arrives meanwhile. */
  get inFlight(): boolean {
    return this.#open.some((combo) => combo.sending);
  }

  /** `taps` more of this gift. False when too much waits already. */
  tap(room: string, gift: Gift, taps = 1): boolean {
    const now = this.clock.now();
    let combo = this.#running(room, gift, taps);
    if (!combo) {
      if (this.#open.length >= COMBOS_OPEN_MAX) return false;
      for (const other of this.#open) this.#finish(other);
      combo = {
        id: newId(), room, gift, total: 0, confirmed: 0, endsAt: 0, sending: false, nextSendAt: now,
        cancelSend: undefined, cancelEnd: undefined, over: false,
      };
      this.#open.push(combo);
    }
    combo.total += taps;
    this.#keepOpen(combo, now);
    this.#pump(combo);
    this.events.changed();
    return true;
  }

  #running(room: string, gift: Gift, taps: number): Combo | undefined {
    return this.#open.find(
      (combo) => !combo.over && combo.room === room && combo.gift.id === gift.id && combo.total + taps <= COMBO_TOTAL_MAX,
    );
  }

  #keepOpen(combo: Combo, now: number): void {
    combo.endsAt = now + COMBO_WINDOW_MS;
    combo.cancelEnd?.();
    combo.cancelEnd = this.clock.after(COMBO_WINDOW_MS, () => this.#close(combo));
  }

  /** Over before its time: the server is told once everything is confirmed. */
  #finish(combo: Combo): void {
    if (combo.over) return;
    this.#close(combo);
    if (combo.confirmed === combo.total && combo.total > 0) this.events.finished(combo.id);
  }

  #close(combo: Combo): void {
    combo.cancelEnd?.();
    combo.over = true;
    this.#forgetIfDone(combo);
    this.events.changed();
  }

  #forgetIfDone(combo: Combo): void {
    if (combo.over && !combo.sending && combo.confirmed === combo.total) {
      this.#open = this.#open.filter((other) => other !== combo);
    }
  }

  #pump(combo: Combo): void {
    if (combo.sending || combo.cancelSend || combo.confirmed === combo.total) return;
    const waitMs = combo.nextSendAt - this.clock.now();
    if (waitMs > 0) {
      combo.cancelSend = this.clock.after(waitMs, () => {
        combo.cancelSend = undefined;
        this.#pump(combo);
      });
      return;
    }
    void this.#sendStep(combo);
  }

  async #sendStep(combo: Combo): Promise<void> {
    const total = Math.min(combo.total, combo.confirmed + COMBO_STEP_MAX);
    combo.sending = true;
    combo.nextSendAt = this.clock.now() + COMBO_SEND_INTERVAL_MS;
    try {
      const count = total - combo.confirmed;
      const answer = await this.send({ room: combo.room, gift: combo.gift.id, count, combo: { id: combo.id, total } });
      combo.sending = false;
      combo.confirmed = Math.max(combo.confirmed, total);
      this.events.accepted(answer);
    } catch (cause) {
      combo.sending = false;
      const lost = combo.total - combo.confirmed;
      combo.total = combo.confirmed;
      this.#close(combo);
      this.events.refused(cause as Refusal, combo.gift, lost);
    }
    this.#pump(combo);
    this.#forgetIfDone(combo);
    this.events.changed();
  }
}
