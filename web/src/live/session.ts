// One user's connection and what belongs to the user wherever they are: purse, gifts, follows, commands on their way. The
// only file that makes a connection. An exception in an SDK handler would cut the connection, so handlers pass on bad data
// to nobody and throw nothing.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { Centrifuge, type Subscription } from "centrifuge";
import { realClock, type Clock } from "./clock";
import { Combos, type ComboView } from "./combo";
import { FOLLOW_PAGES_MAX } from "./limits";
import { Messages } from "./messages";
import { Money, type Away } from "./money/money";
import type { Notices } from "./notices";
import { Outbox, Refusal } from "./outbox";
import type { BalancePublication, Gift, GiftAnswer, Position, Publication, WalletAnswer } from "./protocol";
import { Wallet, type Balance } from "./wallet";
import { inWords, wantsCoins } from "./words";

/** The SDK's own code for a token that was refused. */
const UNAUTHORIZED = 1;
/** The close code of a token that the server does not accept. */
const INVALID_TOKEN = 3_500;

export type Connection =
  | { state: "connecting" }
  | { state: "online" }
  | { state: "reconnecting" }
  | { state: "refused"; why: string };

/** The purse as it is shown: the price of unconfirmed taps is off already. */
export interface Purse extends Balance { pending: number }

export interface SessionOptions {
  user: string;
  /** Asked whenever a new token is needed. */
  getToken: () => Promise<string>;
  notices: Notices;
  /** `ws://host/connection/websocket`. */
  endpoint: string;
  /** How to go to another page and find back. */
  away: Away;
  clock?: Clock;
}

export class Session {
  readonly user: string;
  readonly notices: Notices;
  readonly clock: Clock;
  readonly combos: Combos;
  readonly outbox: Outbox;
  /** Recharge, wallet, withdrawals. */
  readonly money: Money;
  /** Private messages. */
  readonly messages: Messages;
  readonly #connection: Signal<Connection> = signal({ state: "connecting" });
  readonly #purse: Signal<Purse | undefined> = signal(undefined);
  readonly #gifts: Signal<readonly Gift[]> = signal([]);
  readonly #combo: Signal<ComboView | undefined> = signal(undefined);
  readonly #waiting: Signal<number> = signal(0);
  readonly #following: Signal<ReadonlySet<string>> = signal(new Set());
  readonly #wallet = new Wallet();
  readonly #sdk: Centrifuge;
  #wasOnline = false;
  /** Where the last change of whom the user blocks stands. */
  #blockedAt: Position | undefined;
  /** The last such change, on its way or answered. */
  #blocking: Promise<void> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.user = options.user;
    this.notices = options.notices;
    this.clock = options.clock ?? realClock;
    this.#sdk = new Centrifuge(options.endpoint, {
      getToken: options.getToken,
      name: "livehouse-web",
      minReconnectDelay: 300,
      maxReconnectDelay: 5_000,
    });
    this.outbox = new Outbox((method, data) => this.query(method, data), this.clock, () => this.#show());
    this.combos = new Combos(
      (step) => this.outbox.submit<GiftAnswer>(`combo ${step.combo.id}`, "gift.send", step),
      this.clock,
      {
        accepted: (answer) => this.#wallet.answered(answer.position, answer.coins),
        refused: (refusal) => this.refused(refusal),
        finished: (id) => void this.outbox.submit(`combo ${id}`, "gift.combo_end", { combo: id }).catch(() => {}),
        changed: () => this.#show(),
      },
    );
    this.money = new Money(this, options.away);
    this.messages = new Messages(this);
    this.#listen();
  }

  get connection(): ReadonlySignal<Connection> { return this.#connection; }
  get purse(): ReadonlySignal<Purse | undefined> { return this.#purse; }
  get gifts(): ReadonlySignal<readonly Gift[]> { return this.#gifts; }
  /** The combo that the next tap goes on. */
  get combo(): ReadonlySignal<ComboView | undefined> { return this.#combo; }
  /** Commands without an answer. */
  get waiting(): ReadonlySignal<number> { return this.#waiting; }
  get following(): ReadonlySignal<ReadonlySet<string>> { return this.#following; }

  connect(): void {
    this.#sdk.connect();
  }

  close(): void {
    this.money.close();
    this.#sdk.disconnect();
  }

  /** A query, or one try of a command. Rejects when the connection is gone. */
  async query<Answer>(method: string, data: object = {}): Promise<Answer> {
    const { data: answer } = await this.#sdk.rpc(method, data);
    return answer as Answer;
  }

  /** A new subscription, not started yet. */
  subscription(channel: string): Subscription {
    return this.#sdk.getSubscription(channel) ?? this.#sdk.newSubscription(channel);
  }

  /** Ends a subscription and forgets its position. */
  dropSubscription(subscription: Subscription): void {
    this.#sdk.removeSubscription(subscription);
  }

  /** Tells people about a refusal. */
  refused(refusal: Refusal): void {
    this.notices.say(inWords(refusal), { coins: wantsCoins(refusal) });
  }

  /** One or more taps on a gift. False when it could not be taken. */
  tap(room: string, gift: Gift, taps = 1): boolean {
    const purse = this.#purse.value;
    if (!purse || purse.coins < gift.coins * taps) {
      this.refused(new Refusal(414, ""));
      return false;
    }
    if (this.combos.tap(room, gift, taps)) return true;
    this.refused(new Refusal(0, ""));
    return false;
  }

  async follow(streamer: string, follow: boolean): Promise<void> {
    try {
      await this.outbox.submit(`follow ${streamer}`, follow ? "follow.add" : "follow.remove", { streamer });
      const next = new Set(this.#following.value);
      if (follow) next.add(streamer);
      else next.delete(streamer);
      this.#following.value = next;
    } catch (cause) {
      this.refused(cause as Refusal);
    }
  }

  /** Blocks somebody, which ends the follows between the two, or takes it back. */
  block(user: string, block: boolean): Promise<void> {
    this.#blocking = this.#block(user, block);
    return this.#blocking;
  }

  async #block(user: string, block: boolean): Promise<void> {
    try {
      const { position } = await this.outbox.submit<{ position: Position }>(`block ${user}`, block ? "block.add" : "block.remove", { user });
      this.#blockedAt = position;
      if (block) this.#following.value = new Set([...this.#following.value].filter((other) => other !== user));
    } catch (cause) {
      this.refused(cause as Refusal);
    }
  }

  /** Whether the user blocks somebody; one's own last change is seen. */
  async blocks(user: string): Promise<boolean> {
    await this.#blocking;
    const asked = { users: [user], ...(this.#blockedAt === undefined ? {} : { min_position: this.#blockedAt }) };
    const { relations } = await this.query<{ relations: { blocked: boolean }[] }>("relation.get", asked);
    return relations[0]?.blocked ?? false;
  }

  #listen(): void {
    this.#sdk.on("connected", () => {
      this.#wasOnline = true;
      this.#connection.value = { state: "online" };
      this.outbox.online();
      this.money.online();
      this.messages.online();
      void this.#catchUp();
    });
    this.#sdk.on("connecting", () => {
      this.outbox.offline();
      this.#connection.value = { state: this.#wasOnline ? "reconnecting" : "connecting" };
    });
    this.#sdk.on("disconnected", ({ code, reason }) => {
      this.outbox.offline();
      const why = code === UNAUTHORIZED ? "your access has ended, open the room again from your app" : reason;
      this.#connection.value = { state: "refused", why };
      // The token is worth nothing any more: the next try asks for a new one.
      if (code === INVALID_TOKEN) this.#sdk.setToken("");
    });
    this.#sdk.on("publication", ({ data }) => {
      const publication = data as Publication;
      if (publication.type === "balance") this.#balance(publication);
      this.money.take(publication);
      this.messages.take(publication);
    });
    this.#sdk.on("subscribed", ({ wasRecovering, recovered }) => {
      // The balances in between are lost, but only the newest counts, and `#catchUp` asks for it.
      if (wasRecovering && !recovered) this.#wallet.clear();
    });
  }

  #balance(balance: BalancePublication | WalletAnswer): void {
    const { coins, tickets, held = 0, debt = 0, position } = balance;
    this.#wallet.seen({ coins, tickets, held, debt, position }, this.combos.inFlight);
    this.#show();
  }

  /** What every new connection asks for. */
  async #catchUp(): Promise<void> {
    const wallet = this.query<WalletAnswer>("wallet.get").then((answer) => this.#balance(answer));
    const gifts = this.query<{ gifts: Gift[] }>("gift.catalog").then((answer) => { this.#gifts.value = answer.gifts; });
    await Promise.allSettled([wallet, gifts, this.#readFollowing()]);
  }

  async #readFollowing(): Promise<void> {
    const following = new Set<string>();
    let cursor: string | undefined;
    for (let page = 0; page < FOLLOW_PAGES_MAX; page += 1) {
      const answer = await this.query<{ users: { user: string }[]; cursor?: string }>("follow.list", {
        limit: 100, ...(cursor ? { cursor } : {}),
      });
      for (const { user } of answer.users) following.add(user);
      cursor = answer.cursor;
      if (!cursor) break;
    }
    this.#following.value = following;
  }

  #show(): void {
    if (!this.combos.inFlight) this.#wallet.settle();
    const balance = this.#wallet.balance;
    batch(() => {
      const pending = this.combos.pendingCoins;
      this.#purse.value = balance && { ...balance, coins: Math.max(0, balance.coins - pending), pending };
      const combo = this.combos.current;
      this.#combo.value = combo && { ...combo };
      this.#waiting.value = this.outbox.waiting;
    });
  }
}
