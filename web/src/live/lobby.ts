// What is live now, asked again and again while somebody looks.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { Cancel } from "./clock";
import { LOBBY_REFRESH_MS, LOBBY_ROOMS } from "./limits";
import type { RoomCard } from "./protocol";
import type { Session } from "./session";

/** The order of the list: what is going on, or what began last. */
export type Sort = "hot" | "new";

export class Lobby {
  readonly #sort: Signal<Sort> = signal("hot");
  readonly #rooms: Signal<readonly RoomCard[] | undefined> = signal(undefined);
  readonly #followed: Signal<ReadonlySet<string>> = signal(new Set());
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(private readonly session: Session) {
    void this.#refresh();
  }

  /** Live rooms in the order asked for, then those that only the user's follows name; undefined before the first answer. */
  get rooms(): ReadonlySignal<readonly RoomCard[] | undefined> { return this.#rooms; }
  /** Those of them whose streamer the user follows. */
  get followed(): ReadonlySignal<ReadonlySet<string>> { return this.#followed; }

  get sort(): ReadonlySignal<Sort> { return this.#sort; }

  sortBy(sort: Sort): void {
    if (this.#sort.value === sort) return;
    this.#sort.value = sort;
    this.#cancel?.();
    void this.#refresh();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #refresh(): Promise<void> {
    const sort = this.#sort.value;
    const [list, followed] = await Promise.allSettled([
      this.session.query<{ rooms: RoomCard[] }>("room.list", { sort, limit: LOBBY_ROOMS }),
      this.session.query<{ rooms: RoomCard[] }>("follow.live"),
    ]);
    // Another order was asked for meanwhile: its own answer counts.
    if (this.#closed || sort !== this.#sort.value) return;
    if (followed.status === "fulfilled") this.#followed.value = new Set(followed.value.rooms.map(({ room }) => room));
    if (list.status === "fulfilled") {
      const listed = new Set(list.value.rooms.map(({ room }) => room));
      const others = followed.status === "fulfilled" ? followed.value.rooms.filter(({ room }) => !listed.has(room)) : [];
      this.#rooms.value = [...list.value.rooms, ...others];
    }
    this.#cancel = this.session.clock.after(LOBBY_REFRESH_MS, () => void this.#refresh());
  }
}
