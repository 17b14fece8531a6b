// Where the user is: at the door, in the lobby, in a room. The address bar says the same (`/?user=ann&room=star1`), so that
// a link enters at once and the back button works.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { DEMO_GRANT_COINS } from "./limits";
import { Lobby } from "./lobby";
import type { Bill } from "./money/recharge";
import { Notices } from "./notices";
import { ID_PATTERN } from "./protocol";
import { Room } from "./room";
import { Session } from "./session";
import { findDemo, tokenOnce, userOfToken, type Demo } from "./tokens";
import { Trips } from "./trips";

export type Place =
  | { at: "starting" }
  | { at: "door" }
  | { at: "lobby"; session: Session; lobby: Lobby }
  | { at: "room"; session: Session; room: Room };

/** What lies over the place: the user's money, or their messages. */
export type UserSheet = "wallet" | "recharge" | "withdraw" | "messages";

const NAME_KEY = "livehouse.name";

export class App {
  readonly notices = new Notices();
  readonly #place: Signal<Place> = signal({ at: "starting" });
  readonly #demo: Signal<Demo | undefined> = signal(undefined);
  readonly #sheet: Signal<UserSheet | undefined> = signal(undefined);
  readonly #trips = new Trips(sessionStorage);
  /** The order that the user comes back from the pay page with. */
  #returning: Bill | undefined;
  /** The token to enter with then; used once. */
  #returningToken: string | undefined;

  get place(): ReadonlySignal<Place> { return this.#place; }
  /** The demo's helpers; none on a real platform, where the page needs a token. */
  get demo(): ReadonlySignal<Demo | undefined> { return this.#demo; }
  get sheet(): ReadonlySignal<UserSheet | undefined> { return this.#sheet; }
  /** The name used last on this device. */
  get rememberedName(): string { return localStorage.getItem(NAME_KEY) ?? ""; }

  async start(): Promise<void> {
    this.#demo.value = await findDemo();
    // Shown again as it was left, from the browser's memory: the user came back with the back button.
    addEventListener("pageshow", ({ persisted }) => { if (persisted) this.#session?.money.recharge.stayed(); });
    this.#comeHome();
    addEventListener("popstate", () => this.#follow());
    addEventListener("beforeunload", (event) => {
      // What waits here would be forgotten: the browser asks before it lets that happen.
      if (this.#session && this.#session.outbox.waiting > 0) event.preventDefault();
    });
    this.#follow();
  }

  /** Enters as this user (demo) or by a token; false when neither says who it is. */
  enter({ user, token }: { user?: string; token?: string }): boolean {
    const name = token ? userOfToken(token) : user;
    if (!name || !ID_PATTERN.test(name)) return false;
    localStorage.setItem(NAME_KEY, name);
    const room = new URLSearchParams(location.search).get("room");
    this.#open(this.#connect(name, token), room);
    this.#write(name, room, "replace");
    return true;
  }

  openRoom(room: string): void {
    const session = this.#session;
    if (!session || !ID_PATTERN.test(room)) return;
    this.#write(session.user, room, "push");
    this.#open(session, room);
  }

  openLobby(): void {
    const session = this.#session;
    if (!session) return;
    this.#write(session.user, null, "push");
    this.#open(session, null);
  }

  openSheet(sheet: UserSheet): void {
    if (this.#session) this.#sheet.value = sheet;
  }

  /** Opens the messages, with somebody if one is named. */
  openMessages(other?: string): void {
    if (other) this.#session?.messages.open(other);
    this.openSheet("messages");
  }

  closeSheet(): void {
    this.#sheet.value = undefined;
  }

  leave(): void {
    this.closeSheet();
    this.#trips.forget();
    this.#closePlace();
    this.#session?.close();
    history.pushState(null, "", "/");
    this.#place.value = { at: "door" };
  }

  async grantCoins(): Promise<void> {
    const session = this.#session;
    const granted = session && this.#demo.value?.grant(session.user, DEMO_GRANT_COINS);
    await granted?.catch(() => this.notices.say("The demo gave no coins. Is the server still running?"));
  }

  get #session(): Session | undefined {
    const place = this.#place.value;
    return "session" in place ? place.session : undefined;
  }

  /**
   * Back from the pay page the address says at most which order: who was where is remembered. It proves nothing about the
   * payment, so all that comes of it is that the server is asked.
   */
  #comeHome(): void {
    const query = new URLSearchParams(location.search);
    const order = query.get("paid");
    const handed = handedToken();
    const trip = this.#trips.now;
    const user = query.get("user");
    if (trip && (!user || user === trip.user) && (!order || order === trip.bill.order)) {
      this.#returning = trip.bill;
      this.#returningToken = handed ?? trip.token;
      this.#write(trip.user, user ? query.get("room") : trip.room, "replace");
    } else if (order) {
      this.#returning = { order };
      this.#returningToken = handed;
      if (user) this.#write(user, query.get("room"), "replace");
    }
  }

  /** Goes where the address says. */
  #follow(): void {
    const query = new URLSearchParams(location.search);
    const user = query.get("user");
    const token = this.#returningToken ?? handedToken();
    this.#returningToken = undefined;
    const session = this.#session;
    if (session && session.user === user) {
      this.#open(session, query.get("room"));
      return;
    }
    this.#closePlace();
    session?.close();
    const entered = token ? this.enter({ token }) : user && this.#demo.value ? this.enter({ user }) : false;
    if (!entered) this.#place.value = { at: "door" };
  }

  #connect(user: string, token: string | undefined): Session {
    const demo = this.#demo.value;
    const session = new Session({
      user,
      getToken: token ? tokenOnce(token) : async () => (await demo?.token(user)) ?? "",
      notices: this.notices,
      away: {
        memory: {
          keep: (bill) => this.#trips.keep({ user, bill, room: new URLSearchParams(location.search).get("room"), ...(token ? { token } : {}) }),
          forget: () => this.#trips.forget(),
        },
        leaveFor: (url) => location.assign(url),
      },
      endpoint: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/connection/websocket`,
    });
    session.connect();
    if (this.#returning) session.money.recharge.returned(this.#returning);
    this.#returning = undefined;
    return session;
  }

  #open(session: Session, room: string | null): void {
    this.#closePlace();
    this.#place.value = room && ID_PATTERN.test(room)
      ? { at: "room", session, room: new Room(session, room) }
      : { at: "lobby", session, lobby: new Lobby(session) };
  }

  #closePlace(): void {
    const place = this.#place.value;
    if (place.at === "room") place.room.close();
    if (place.at === "lobby") place.lobby.close();
  }

  /** Writes the address; a token in it is taken out, because addresses are copied and logged. */
  #write(user: string, room: string | null, how: "push" | "replace"): void {
    const query = new URLSearchParams({ user, ...(room ? { room } : {}) });
    const address = `/?${query}`;
    if (how === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  }
}

/** The token in the address' fragment, as a platform hands it to the page. */
function handedToken(): string | undefined {
  return new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
}
