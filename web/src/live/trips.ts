// The way to the pay page and back, in one tab: who was where, and which order they went to pay. Kept for this tab only, and
// gone once the order has an outcome.

import type { Bill } from "./money/recharge";

export interface Trip {
  user: string;
  room: string | null;
  bill: Bill;
  /** The token that the platform handed to the page, where there was one: the way back brings none. */
  token?: string;
}

const KEY = "livehouse.trip";

/** The part of a browser's storage that is needed. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Trips {
  constructor(private readonly store: Store) {}

  keep(trip: Trip): void {
    this.store.setItem(KEY, JSON.stringify(trip));
  }

  forget(): void {
    this.store.removeItem(KEY);
  }

  /** The trip that this tab is on; none when there is none, or when what is stored cannot be read. */
  get now(): Trip | undefined {
    try {
      const trip = JSON.parse(this.store.getItem(KEY) ?? "null") as Trip | null;
      return typeof trip?.user === "string" && typeof trip.bill?.order === "string" ? trip : undefined;
    } catch {
      return undefined;
    }
  }
}
