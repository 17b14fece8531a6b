// What is live now, asked again and again while somebody looks.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Cancel } from "./clock";
import { LOBBY_REFRESH_MS } from "./limits";
import type { RoomCard } from "./protocol";
import type { Session } from "./session";

export class Lobby {
  readonly #rooms: Signal<readonly RoomCard[] | undefined> = signal(undefined);
  readonly #followed: Signal<ReadonlySet<string>> = signal(new Set());
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(private readonly session: Session) {
    void this.#refresh();
  }

  /** Live rooms, hottest first, then those that only the user's follows name; undefined before the first answer. */
  get rooms(): ReadonlySignal<readonly RoomCard[] | undefined> { return this.#rooms; }
  /** Those of them whose streamer the user follows. */
  get followed(): ReadonlySignal<ReadonlySet<string>> { return this.#followed; }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #refresh(): Promise<void> {
    const [hot, followed] = await Promise.allSettled([
      this.session.query<{ rooms: RoomCard[] }>("room.list", { sort: "hot", limit: 50 }),
      this.session.query<{ rooms: RoomCard[] }>("follow.live"),
    ]);
    if (this.#closed) return;
    if (followed.status === "fulfilled") this.#followed.value = new Set(followed.value.rooms.map(({ room }) => room));
    if (hot.status === "fulfilled") {
      const listed = new Set(hot.value.rooms.map(({ room }) => room));
      const others = followed.status === "fulfilled" ? followed.value.rooms.filter(({ room }) => !listed.has(room)) : [];
      this.#rooms.value = [...hot.value.rooms, ...others];
    }
    this.#cancel = this.session.clock.after(LOBBY_REFRESH_MS, () => void this.#refresh());
  }
}
