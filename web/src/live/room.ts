// One room as one user sees it: its story, its numbers, its stage. Built from the snapshot of the subscription and the
// publications after it; what a reconnect recovers continues the same story.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { PublicationContext, SubscribedContext, Subscription } from "centrifuge";
import { Banners, type Banner } from "./banners";
import { Board } from "./board";
import type { Cancel } from "./clock";
import { Feed, type Line } from "./feed";
import { PAINT_DELAY_MS } from "./limits";
import type { Refusal } from "./outbox";
import type { LiveInfo, Position, Publication, RoomEvent, RoomInfo } from "./protocol";
import type { Session } from "./session";

/** A chat message of one's own that has not come back yet. */
export interface PendingChat { id: number; text: string; position: Position | undefined }

/** One gift that flies over the stage. */
export interface Flight { key: number; gift: string; coins: number; user: string }

/** What a room needs of the session. */
export type Host = Pick<
  Session, "user" | "clock" | "notices" | "outbox" | "query" | "subscription" | "dropSubscription" | "refused"
>;

export class Room {
  readonly #live: Signal<LiveInfo | null | undefined> = signal(undefined);
  readonly #viewers: Signal<number> = signal(0);
  readonly #tickets: Signal<number> = signal(0);
  readonly #lines: Signal<readonly Line[]> = signal([]);
  readonly #pendingChat: Signal<readonly PendingChat[]> = signal([]);
  readonly #shownBanners: Signal<readonly Banner[]> = signal([]);
  readonly #flight: Signal<Flight | undefined> = signal(undefined);
  readonly #feed = new Feed();
  readonly #banners: Banners;
  readonly #subscription: Subscription;
  /** Who spent most in this room today. */
  readonly contributors: Board;
  /** Who earned most today, on the whole platform. */
  readonly earners: Board;
  #epoch: string | undefined;
  #nextKey = 1;
  #cancelPaint: Cancel | undefined;

  constructor(private readonly session: Host, readonly id: string) {
    this.#banners = new Banners(session.clock, () => { this.#shownBanners.value = this.#banners.shown; });
    this.#subscription = session.subscription(`room:${id}`);
    this.#subscription.on("subscribed", (context) => this.#subscribed(context));
    this.#subscription.on("publication", (context) => this.#published(context));
    this.#subscription.on("unsubscribed", ({ code, reason }) => {
      if (code > 0) session.notices.say(`You left the room: ${reason || code}. Open it again to come back.`);
    });
    this.#subscription.subscribe();
    this.contributors = new Board(session, `room:${id}`);
    this.earners = new Board(session, "tickets");
  }

  /** The live session; null when the stage is dark, undefined while unknown. */
  get live(): ReadonlySignal<LiveInfo | null | undefined> { return this.#live; }
  get viewers(): ReadonlySignal<number> { return this.#viewers; }
  /** Tickets earned in this live session. */
  get tickets(): ReadonlySignal<number> { return this.#tickets; }
  get lines(): ReadonlySignal<readonly Line[]> { return this.#lines; }
  get pendingChat(): ReadonlySignal<readonly PendingChat[]> { return this.#pendingChat; }
  get banners(): ReadonlySignal<readonly Banner[]> { return this.#shownBanners; }
  /** The newest gift that happened before the user's eyes. */
  get flight(): ReadonlySignal<Flight | undefined> { return this.#flight; }
  get isOwn(): boolean { return this.id === this.session.user; }

  close(): void {
    this.#cancelPaint?.();
    this.session.dropSubscription(this.#subscription);
    this.contributors.close();
    this.earners.close();
  }

  /** Says something. The text is shown as on its way until the room has it. */
  async say(text: string): Promise<void> {
    const id = this.#nextKey++;
    this.#pendingChat.value = [...this.#pendingChat.value, { id, text, position: undefined }];
    try {
      const lane = `chat ${this.id}`;
      const { position } = await this.session.outbox.submit<{ position: Position }>(lane, "chat.send", { room: this.id, text });
      this.#pendingChat.value = this.#pendingChat.value.map((chat) => (chat.id === id ? { ...chat, position } : chat));
      this.#paint();
    } catch (cause) {
      this.#pendingChat.value = this.#pendingChat.value.filter((chat) => chat.id !== id);
      this.session.refused(cause as Refusal);
    }
  }

  async goLive(title: string): Promise<void> {
    await this.#command("live.start", title ? { title } : {});
  }

  async stopLive(): Promise<void> {
    await this.#command("live.stop", {});
  }

  async #command(method: string, data: object): Promise<void> {
    await this.session.outbox.submit("live", method, data).catch((cause: Refusal) => this.session.refused(cause));
  }

  #subscribed(context: SubscribedContext): void {
    const epoch = context.streamPosition?.epoch;
    if (this.#epoch !== undefined && epoch !== this.#epoch) this.#feed.clear();
    this.#epoch = epoch;
    const info = context.data as RoomInfo | undefined;
    if (info) {
      batch(() => {
        this.#live.value = info.live;
        this.#viewers.value = info.viewers;
        this.#tickets.value = info.tickets;
      });
      // What was recovered follows as publications, in order; the snapshot would overtake it.
      if (!context.recovered) this.#feed.snapshot(info.recent);
    } else {
      void this.#readInfo();
    }
    this.#paint();
  }

  /** A server that sends no snapshot with the subscription is asked for it. */
  async #readInfo(): Promise<void> {
    const info = await this.session.query<RoomInfo>("room.info", { room: this.id }).catch(() => undefined);
    if (!info) return;
    batch(() => {
      this.#live.value = info.live;
      this.#viewers.value = info.viewers;
      this.#tickets.value = info.tickets;
    });
    if (this.#feed.top === 0) this.#feed.snapshot(info.recent);
    this.#paint();
  }

  #published(context: PublicationContext): void {
    const publication = context.data as Publication;
    switch (publication.type) {
      case "counters":
        batch(() => {
          this.#viewers.value = publication.viewers;
          this.#tickets.value = publication.tickets;
        });
        break;
      case "chat": case "gift": case "combo_end": case "live_started": case "live_ended":
        if (this.#feed.take(publication)) this.#happened(publication);
        break;
      default:
        break;
    }
  }

  #happened(event: RoomEvent): void {
    if (event.type === "gift") {
      this.#banners.take(event);
      this.#flight.value = { key: this.#nextKey++, gift: event.gift, coins: event.coins, user: event.user };
    } else if (event.type === "combo_end") {
      this.#banners.take(event);
    } else if (event.type === "live_started") {
      this.#live.value = { session: event.session, title: event.title, since: event.time };
      this.#tickets.value = 0;
    } else if (event.type === "live_ended") {
      this.#live.value = null;
    }
    this.#paint();
  }

  /** Shows what has come in, at most once per paint delay. */
  #paint(): void {
    this.#cancelPaint ??= this.session.clock.after(PAINT_DELAY_MS, () => {
      this.#cancelPaint = undefined;
      batch(() => {
        this.#lines.value = this.#feed.lines;
        const top = this.#feed.top;
        const pending = this.#pendingChat.value;
        if (pending.some((chat) => chat.position !== undefined && chat.position <= top)) {
          this.#pendingChat.value = pending.filter((chat) => chat.position === undefined || chat.position > top);
        }
      });
    });
  }
}
