// The room's story as lines. Every publication counts once, in the order of its position, however often and on however many
// connections it arrives. Gifts of one combo share a line that grows.

import { FEED_LINES_MAX, SNAPSHOT_PUBLICATIONS_MAX } from "./limits";
import type { OrderPublication, Position, Role, RoomEvent } from "./protocol";

export interface ChatLine {
  kind: "chat"; key: string; position: Position; time: number; user: string; text: string; role: Role | undefined;
}
export interface GiftLine {
  kind: "gift"; key: string;
  /** Of its newest gift. */
  position: Position;
  time: number; user: string; gift: string;
  /** Gifts so far: the combo's total, or the count of a single gift. */
  total: number;
  coins: number; tickets: number;
  combo: string | undefined;
  ended: boolean;
}
export interface StageLine {
  kind: "live_started" | "live_ended"; key: string; position: Position; time: number; title: string;
}
/** Somebody in charge did something. */
export interface OrderLine { kind: "order"; key: string; position: Position; time: number; order: OrderPublication }
/** Something happened here that the server no longer holds. */
export interface GapLine { kind: "gap"; key: string; position: Position; time: number }
export type Line = ChatLine | GiftLine | StageLine | OrderLine | GapLine;

export class Feed {
  #lines: Line[] = [];
  #top: Position = 0;

  /** The lines, oldest first. A new array after every change. */
  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** The newest position that is shown. */
  get top(): Position {
    return this.#top;
  }

  /** Takes one publication; false when it was shown already. */
  take(event: RoomEvent): boolean {
    if (event.position <= this.#top) return false;
    this.#top = event.position;
    switch (event.type) {
      case "chat":
        this.#add({ kind: "chat", key: `${event.position}`, position: event.position, time: event.time, user: event.user, text: event.text, role: event.role });
        break;
      case "gift":
        this.#takeGift(event);
        break;
      case "combo_end":
        this.#update(event.user, event.combo.id, (line) => ({
          ...line, position: event.position, total: Math.max(line.total, event.combo.total), ended: true,
        }));
        break;
      case "live_started":
        this.#add({ kind: "live_started", key: `${event.position}`, position: event.position, time: event.time, title: event.title });
        break;
      case "live_ended":
        this.#add({ kind: "live_ended", key: `${event.position}`, position: event.position, time: event.time, title: "" });
        break;
      case "pinned":
        // It stands over the chat, not in it.
        break;
      default:
        this.#add({ kind: "order", key: `${event.position}`, position: event.position, time: event.time, order: event });
        break;
    }
    return true;
  }

  /**
   * Takes the newest publications of the room, oldest first, and returns those that are new. Where it does not reach back
   * to what is shown already, a gap line says so.
   */
  snapshot(recent: RoomEvent[]): RoomEvent[] {
    const oldest = recent[0];
    const full = recent.length >= SNAPSHOT_PUBLICATIONS_MAX;
    if (oldest && full && this.#top > 0 && oldest.position > this.#top) {
      this.#add({ kind: "gap", key: `gap-${oldest.position}`, position: oldest.position, time: oldest.time });
    }
    return recent.filter((event) => this.take(event));
  }

  /** Another journal: nothing shown belongs to it. */
  clear(): void {
    this.#lines = [];
    this.#top = 0;
  }

  #takeGift(event: RoomEvent & { type: "gift" }): void {
    const grown = event.combo && this.#update(event.user, event.combo.id, (line) => ({
      ...line,
      position: event.position,
      total: Math.max(line.total, event.combo?.total ?? 0),
      coins: line.coins + event.coins,
      tickets: line.tickets + event.tickets,
      ended: false,
    }));
    if (grown) return;
    this.#add({
      kind: "gift", key: `${event.position}`, position: event.position, time: event.time, user: event.user, gift: event.gift,
      total: event.combo?.total ?? event.count, coins: event.coins, tickets: event.tickets,
      combo: event.combo?.id, ended: event.combo === undefined,
    });
  }

  #update(user: string, combo: string, change: (line: GiftLine) => GiftLine): boolean {
    const at = this.#lines.findLastIndex((line) => line.kind === "gift" && line.user === user && line.combo === combo);
    if (at < 0) return false;
    this.#lines = this.#lines.with(at, change(this.#lines[at] as GiftLine));
    return true;
  }

  #add(line: Line): void {
    const kept = this.#lines.length >= FEED_LINES_MAX ? this.#lines.slice(1 - FEED_LINES_MAX) : this.#lines;
    this.#lines = [...kept, line];
  }
}
