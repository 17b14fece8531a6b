// Order in one room: its rules, who the user is in it, whether the user may speak, and the commands of those in charge. It
// must never decide what holds: the server does, and refuses in numbered words.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Refusal } from "./outbox";
import type { OrderPublication, Role, RoomInfo } from "./protocol";
import { mayModerate, NO_RULES, ordered, roleOf, rulesFrom, type Rules } from "./rules";
import type { Session } from "./session";

/** What the house needs of the session. */
type Host = Pick<Session, "user" | "clock" | "outbox" | "refused">;

/** Codes of an ended subscription, and of the refusal of one who wants to come in (docs/protocol.md). */
const BANNED: readonly number[] = [2_101, 460];
const KICKED: readonly number[] = [2_100, 461];
const BLOCKED: readonly number[] = [2_102, 434];

/** Why the user is not in the room. */
export type Out = { why: "kicked" | "banned" | "blocked" | "other"; words: string };

export class House {
  readonly #rules: Signal<Rules> = signal(NO_RULES);
  readonly #out: Signal<Out | undefined> = signal(undefined);
  readonly #mayNextSayAt: Signal<number> = signal(0);
  /** What the user is here; undefined for a viewer. */
  readonly role: ReadonlySignal<Role | undefined> = computed(() => roleOf(this.#rules.value, this.room, this.session.user));
  /** Until when the user is muted, in unix ms; it may be over. */
  readonly mutedUntil: ReadonlySignal<number | undefined> = computed(() => this.#rules.value.muted.get(this.session.user));
  /** The last order to go that named the user. */
  #sentAway: "kicked" | "banned" | undefined;

  constructor(private readonly session: Host, private readonly room: string) {}

  get rules(): ReadonlySignal<Rules> { return this.#rules; }
  /** Set while the user is not let in. */
  get out(): ReadonlySignal<Out | undefined> { return this.#out; }
  /** When slow mode lets the user speak again, on the clock. */
  get mayNextSayAt(): ReadonlySignal<number> { return this.#mayNextSayAt; }

  mayModerate(other: string): boolean {
    return mayModerate(this.#rules.value, this.room, this.session.user, other);
  }

  /** In the room (again), with its snapshot where there is one. */
  entered(info: RoomInfo | undefined): void {
    this.#sentAway = undefined;
    batch(() => {
      this.#out.value = undefined;
      if (info) this.#rules.value = rulesFrom(info, this.#rules.value, this.session.user);
    });
  }

  /** Not in the room any more, or not let in: the code of the unsubscription or of the refusal, and its words. */
  sentOut(code: number, reason: string): void {
    const why = BANNED.includes(code) ? "banned" : BLOCKED.includes(code) ? "blocked" : KICKED.includes(code) ? "kicked" : this.#sentAway ?? "other";
    this.#out.value = { why, words: reason || `${code}` };
  }

  take(order: OrderPublication): void {
    if ((order.type === "kicked" || order.type === "banned") && order.user === this.session.user) this.#sentAway = order.type;
    if (order.type === "slow_mode") this.#mayNextSayAt.value = 0;
    this.#rules.value = ordered(this.#rules.value, order);
  }

  /** The user has spoken: slow mode counts from now. */
  spoke(): void {
    const { slowModeSeconds } = this.#rules.value;
    if (slowModeSeconds > 0 && this.role.value === undefined) {
      this.#mayNextSayAt.value = this.session.clock.now() + slowModeSeconds * 1_000;
    }
  }

  mute(user: string, seconds: number): Promise<boolean> { return this.#order("room.mute", { user, seconds }); }
  unmute(user: string): Promise<boolean> { return this.#order("room.unmute", { user }); }
  kick(user: string): Promise<boolean> { return this.#order("room.kick", { user }); }
  ban(user: string): Promise<boolean> { return this.#order("room.ban", { user }); }
  unban(user: string): Promise<boolean> { return this.#order("room.unban", { user }); }
  addModerator(user: string): Promise<boolean> { return this.#order("room.moderator_add", { user }); }
  removeModerator(user: string): Promise<boolean> { return this.#order("room.moderator_remove", { user }); }
  slowMode(seconds: number): Promise<boolean> { return this.#order("room.slow_mode", { seconds }); }
  followersOnly(on: boolean): Promise<boolean> { return this.#order("room.followers_only", { on }); }
  notice(text: string): Promise<boolean> { return this.#order("room.notice", { text }); }
  /** Pins a text over the chat; an empty one takes it off. */
  pin(text: string): Promise<boolean> { return this.#order("room.pin", { text }); }

  /** Whether it was done; a refusal is told in words. */
  async #order(method: string, data: object): Promise<boolean> {
    try {
      await this.session.outbox.submit(`orders ${this.room}`, method, { room: this.room, ...data });
      return true;
    } catch (cause) {
      this.session.refused(cause as Refusal);
      return false;
    }
  }
}
