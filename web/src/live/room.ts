// One room as one user sees it: its story, its numbers, its stage. Built from the snapshot of the subscription and the
// publications after it; what a reconnect recovers continues the same story.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { PublicationContext, SubscribedContext, Subscription } from "centrifuge";
import { Banners, type Banner } from "./banners";
import { BigGifts } from "./bigGifts";
import { Board } from "./board";
import type { Cancel } from "./clock";
import { Feed, type Line } from "./feed";
import { GiftStats } from "./giftStats";
import { House } from "./house";
import { Likes } from "./likes";
import { ENTERED_STAY_MS, MISSED_STAY_MS, PAINT_DELAY_MS } from "./limits";
import type { Refusal } from "./outbox";
import { Passing } from "./passing";
import type {
  CountersPublication, EnteredPublication, LiveInfo, Position, Publication, RoomEvent, RoomInfo, Skipped,
} from "./protocol";
import type { Session } from "./session";

/** A chat message of one's own that has not come back yet. */
export interface PendingChat { id: number; text: string; position: Position | undefined }

/** One gift that flies over the stage. */
export interface Flight { key: number; gift: string; coins: number; user: string }

/** What this connection was too slow for, since it was told of it first. */
/** Hearts and entrances come by the handful: how many such moments were left out. */
export interface Missed { ephemeral: number }

/** What a room needs of the session. */
export type Host = Pick<
  Session, "user" | "clock" | "notices" | "outbox" | "query" | "subscription" | "dropSubscription" | "refused"
>;

export class Room {
  readonly #live: Signal<LiveInfo | null | undefined> = signal(undefined);
  readonly #viewers: Signal<number> = signal(0);
  readonly #likes: Signal<number> = signal(0);
  readonly #tickets: Signal<number> = signal(0);
  readonly #lines: Signal<readonly Line[]> = signal([]);
  readonly #pendingChat: Signal<readonly PendingChat[]> = signal([]);
  readonly #shownBanners: Signal<readonly Banner[]> = signal([]);
  readonly #flight: Signal<Flight | undefined> = signal(undefined);
  readonly #hearts: Signal<number> = signal(0);
  readonly #returned: Signal<string | undefined> = signal(undefined);
  readonly #entered: Passing<EnteredPublication>;
  readonly #missed: Passing<Missed>;
  readonly #tapped: Likes;
  readonly #feed = new Feed();
  readonly #banners: Banners;
  readonly #subscription: Subscription;
  /** Its rules and who is in charge. */
  readonly house: House;
  /** Who spent most in this room, today or in another period. */
  readonly contributors: Board;
  /** Who earned most on the whole platform, today or in another period. */
  readonly earners: Board;
  /** What each gift has brought here. */
  readonly giftStats: GiftStats;
  /** Very large gifts of other rooms. */
  readonly bigGifts: BigGifts;
  #epoch: string | undefined;
  #nextKey = 1;
  #cancelPaint: Cancel | undefined;

  constructor(private readonly session: Host, readonly id: string) {
    this.#banners = new Banners(session.clock, () => { this.#shownBanners.value = this.#banners.shown; });
    this.house = new House(session, id);
    this.giftStats = new GiftStats(session, id);
    this.bigGifts = new BigGifts(session.clock, id);
    this.#entered = new Passing(session.clock, ENTERED_STAY_MS);
    this.#missed = new Passing(session.clock, MISSED_STAY_MS);
    this.#tapped = new Likes(
      (count) => session.outbox.submit(`like ${id}`, "like.send", { room: id, count }),
      session.clock,
      { counted: (likes) => this.#count({ likes }), refused: (refusal) => session.refused(refusal) },
    );
    this.#subscription = session.subscription(`room:${id}`);
    this.#subscription.on("subscribed", (context) => this.#subscribed(context));
    this.#subscription.on("publication", (context) => this.#published(context));
    this.#subscription.on("unsubscribed", ({ code, reason }) => {
      if (code > 0) this.house.sentOut(code, reason);
    });
    this.#subscription.subscribe();
    this.contributors = new Board(session, `room:${id}`);
    this.earners = new Board(session, "tickets");
  }

  /** The live session; null when the stage is dark, undefined while unknown. */
  get live(): ReadonlySignal<LiveInfo | null | undefined> { return this.#live; }
  get viewers(): ReadonlySignal<number> { return this.#viewers; }
  /** Hearts given in this live session. */
  get likes(): ReadonlySignal<number> { return this.#likes; }
  /** Tickets earned in this live session. */
  get tickets(): ReadonlySignal<number> { return this.#tickets; }
  get lines(): ReadonlySignal<readonly Line[]> { return this.#lines; }
  get pendingChat(): ReadonlySignal<readonly PendingChat[]> { return this.#pendingChat; }
  get banners(): ReadonlySignal<readonly Banner[]> { return this.#shownBanners; }
  /** The newest gift that happened before the user's eyes. */
  get flight(): ReadonlySignal<Flight | undefined> { return this.#flight; }
  /** All hearts, one's own and others', that have risen before the user's eyes. */
  get hearts(): ReadonlySignal<number> { return this.#hearts; }
  /** Who came in just now. */
  get entered(): ReadonlySignal<EnteredPublication | undefined> { return this.#entered.said; }
  get missed(): ReadonlySignal<Missed | undefined> { return this.#missed.said; }
  /** One's own words that were refused, to be changed and sent again. */
  get returned(): ReadonlySignal<string | undefined> { return this.#returned; }
  get isOwn(): boolean { return this.id === this.session.user; }

  close(): void {
    this.#cancelPaint?.();
    this.#tapped.close();
    this.#entered.hush();
    this.#missed.hush();
    this.giftStats.close();
    this.bigGifts.close();
    this.session.dropSubscription(this.#subscription);
    this.contributors.close();
    this.earners.close();
  }

  /** One heart for the streamer. */
  like(): void {
    this.#tapped.tap();
    this.#rise(1);
  }

  /** Tries to come in again after one was sent out. */
  comeBack(): void {
    this.#subscription.subscribe();
  }

  /** The refused words are in the user's hands again. */
  takeBack(): void {
    this.#returned.value = undefined;
  }

  /** Says something. The text is shown as on its way until the room has it. */
  async say(text: string): Promise<void> {
    const id = this.#nextKey++;
    this.#pendingChat.value = [...this.#pendingChat.value, { id, text, position: undefined }];
    try {
      const lane = `chat ${this.id}`;
      const { position } = await this.session.outbox.submit<{ position: Position }>(lane, "chat.send", { room: this.id, text });
      this.#pendingChat.value = this.#pendingChat.value.map((chat) => (chat.id === id ? { ...chat, position } : chat));
      this.house.spoke();
      this.#paint();
    } catch (cause) {
      this.#pendingChat.value = this.#pendingChat.value.filter((chat) => chat.id !== id);
      this.#returned.value = text;
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
    this.house.entered(info);
    if (info) {
      this.#show(info);
      // What was recovered follows as publications, in order; the snapshot would overtake it.
      if (!context.recovered) this.#feed.snapshot(info.recent);
      for (const combo of info.combos ?? []) this.#banners.take({ type: "running", ...combo });
    } else if (!context.recovered) {
      void this.#readInfo();
    }
    this.#paint();
  }

  /** A server that sends no snapshot with the subscription is asked for it. */
  async #readInfo(): Promise<void> {
    const info = await this.session.query<RoomInfo>("room.info", { room: this.id }).catch(() => undefined);
    if (!info) return;
    this.house.entered(info);
    this.#show(info);
    if (this.#feed.top === 0) this.#feed.snapshot(info.recent);
    this.#paint();
  }

  #show(info: RoomInfo): void {
    batch(() => {
      if (info.live?.session !== this.#live.value?.session) this.#likes.value = 0;
      this.#live.value = info.live;
      this.#count(info);
    });
  }

  #count({ viewers, likes, tickets }: Partial<Pick<CountersPublication, "viewers" | "likes" | "tickets">>): void {
    batch(() => {
      if (viewers !== undefined) this.#viewers.value = viewers;
      // Answers and counters may cross; within one show likes only grow.
      if (likes !== undefined) this.#likes.value = Math.max(this.#likes.value, likes);
      if (tickets !== undefined) this.#tickets.value = tickets;
    });
  }

  #rise(count: number): void {
    this.#hearts.value += count;
  }

  #miss({ ephemeral = 0 }: Skipped): void {
    if (ephemeral === 0) return;
    this.#missed.say({ ephemeral: ephemeral + (this.#missed.said.value?.ephemeral ?? 0) });
  }

  #published(context: PublicationContext): void {
    const publication = context.data as Publication;
    switch (publication.type) {
      case "counters":
        this.#count(publication);
        if (publication.skipped) this.#miss(publication.skipped);
        break;
      case "entered":
        this.#entered.say(publication);
        break;
      case "hearts":
        this.#rise(this.#tapped.others(publication.count));
        break;
      case "big_gift":
        this.bigGifts.take(publication);
        break;
      case "chat": case "gift": case "combo_end": case "live_started": case "live_ended":
      case "notice": case "pinned": case "muted": case "unmuted": case "kicked": case "banned": case "unbanned":
      case "slow_mode": case "followers_only": case "moderator_added": case "moderator_removed":
        if (this.#feed.take(publication)) this.#happened(publication);
        break;
      default:
        break;
    }
  }

  #happened(event: RoomEvent): void {
    switch (event.type) {
      case "gift":
        this.#banners.take(event);
        this.giftStats.given();
        this.#flight.value = { key: this.#nextKey++, gift: event.gift, coins: event.coins, user: event.user };
        break;
      case "combo_end":
        this.#banners.take(event);
        break;
      case "live_started":
        batch(() => {
          this.#live.value = { session: event.session, title: event.title, since: event.time };
          this.#tickets.value = 0;
          this.#likes.value = 0;
        });
        break;
      case "live_ended":
        this.#live.value = null;
        break;
      case "chat":
        break;
      default:
        this.house.take(event);
        break;
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
