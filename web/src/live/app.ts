// Where the user is: at the door, in the lobby, in a room. The address bar says the same (`/?user=ann&room=star1`), so that
// a link enters at once and the back button works.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import { DEMO_GRANT_COINS } from "./limits";
import { Lobby } from "./lobby";
import { Notices } from "./notices";
import { ID_PATTERN } from "./protocol";
import { Room } from "./room";
import { Session } from "./session";
import { findDemo, tokenOnce, userOfToken, type Demo } from "./tokens";

export type Place =
  | { at: "starting" }
  | { at: "door" }
  | { at: "lobby"; session: Session; lobby: Lobby }
  | { at: "room"; session: Session; room: Room };

const NAME_KEY = "livehouse.name";

export class App {
  readonly notices = new Notices();
  readonly #place: Signal<Place> = signal({ at: "starting" });
  readonly #demo: Signal<Demo | undefined> = signal(undefined);

  get place(): ReadonlySignal<Place> { return this.#place; }
  /** The demo's helpers; none on a real platform, where the page needs a token. */
  get demo(): ReadonlySignal<Demo | undefined> { return this.#demo; }
  /** The name used last on this device. */
  get rememberedName(): string { return localStorage.getItem(NAME_KEY) ?? ""; }

  async start(): Promise<void> {
    this.#demo.value = await findDemo();
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

  leave(): void {
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

  /** Goes where the address says. */
  #follow(): void {
    const query = new URLSearchParams(location.search);
    const user = query.get("user");
    const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
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
      endpoint: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/connection/websocket`,
    });
    session.connect();
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
