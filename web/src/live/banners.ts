// Which gifts get a banner on the stage: a few at once, one per combo, the rest wait by what they are worth. This is a
// display: it may leave gifts out under a flood. The chat and the numbers never do.

import type { Clock } from "./clock";
import { BANNER_ENDED_STAY_MS, BANNER_STAY_MS, BANNERS_SHOWN_MAX, BANNERS_WAITING_MAX } from "./limits";
import type { ComboEndPublication, GiftPublication, RunningCombo } from "./protocol";

export interface Banner { key: string; user: string; gift: string; total: number; coins: number }

interface Timed extends Banner { leavesAt: number }

export class Banners {
  #shown: Timed[] = [];
  #waiting: Timed[] = [];
  #armedFor: number | undefined;

  constructor(private readonly clock: Clock, private readonly changed: () => void) {}

  /** The banners on the stage, in the order of their arrival. A new array after every change. */
  get shown(): readonly Banner[] {
    return this.#shown;
  }

  /** A gift, the end of a combo, or a combo that runs already when the user comes in. */
  take(event: GiftPublication | ComboEndPublication | ({ type: "running" } & RunningCombo)): void {
    const key = `${event.user} ${event.type === "running" ? event.combo.id : event.combo?.id ?? event.position}`;
    const leavesAt = this.clock.now() + (event.type === "combo_end" ? BANNER_ENDED_STAY_MS : BANNER_STAY_MS);
    const known = [...this.#shown, ...this.#waiting].find((banner) => banner.key === key);
    if (known) {
      const total = Math.max(known.total, event.combo?.total ?? 0);
      const coins = known.coins + (event.type === "gift" ? event.coins : 0);
      this.#replace({ ...known, total, coins, leavesAt });
    } else if (event.type !== "combo_end") {
      const total = event.type === "running" ? event.combo.total : event.combo?.total ?? event.count;
      const coins = event.type === "gift" ? event.coins : 0;
      this.#waiting.push({ key, user: event.user, gift: event.gift, total, coins, leavesAt });
    }
    this.#arrange();
  }

  #replace(banner: Timed): void {
    const put = (list: Timed[]) => list.map((other) => (other.key === banner.key ? banner : other));
    this.#shown = put(this.#shown);
    this.#waiting = put(this.#waiting);
  }

  #arrange(): void {
    const now = this.clock.now();
    this.#shown = this.#shown.filter((banner) => banner.leavesAt > now);
    this.#waiting.sort((a, b) => b.coins - a.coins);
    this.#waiting.length = Math.min(this.#waiting.length, BANNERS_WAITING_MAX);
    while (this.#shown.length < BANNERS_SHOWN_MAX) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#shown = [...this.#shown, { ...next, leavesAt: Math.max(next.leavesAt, now + BANNER_ENDED_STAY_MS) }];
    }
    this.#arm(now);
    this.changed();
  }

  /** One timer, for the banner that leaves first. */
  #arm(now: number): void {
    const first = Math.min(...this.#shown.map((banner) => banner.leavesAt));
    if (!Number.isFinite(first) || (this.#armedFor !== undefined && this.#armedFor <= first && this.#armedFor > now)) return;
    this.#armedFor = first;
    this.clock.after(first - now, () => {
      if (this.#armedFor !== first) return;
      this.#armedFor = undefined;
      this.#arrange();
    });
  }
}
