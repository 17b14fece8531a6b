// A stage without a server: the built page, and a feed that says what the test tells it to. For what is hard to bring about with
// a real server, and for looking at every state of the page.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page, WebSocketRoute } from "playwright-core";
import type { Publication, RoomInfo } from "../../src/live/protocol";

const DIST = join(import.meta.dirname, "../../dist");
const ORIGIN = "http://livehouse.test";
const TYPES: Record<string, string> = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const GIFTS = [
  { id: "heart", name: "Heart", coins: 1, tickets: 1 }, { id: "rose", name: "Rose", coins: 10, tickets: 10 },
  { id: "beer", name: "Beer", coins: 66, tickets: 66 }, { id: "rocket", name: "Rocket", coins: 1_000, tickets: 1_000 },
  { id: "castle", name: "Castle", coins: 9_999, tickets: 9_999 },
];

interface Command { id?: number; connect?: object; subscribe?: { channel: string }; rpc?: { method: string; data: Record<string, unknown> } }

/** What the fake server answers to a method; an error by its code. */
export type Answer = object | { code: number; message: string };

export class FakeRoom {
  /** Every rpc that the page sent: its method and data. */
  readonly asked: { method: string; data: Record<string, unknown> }[] = [];
  readonly answers = new Map<string, (data: Record<string, unknown>) => Answer>();
  info: RoomInfo;
  #socket: WebSocketRoute | undefined;
  #position = 100;
  #user = "";

  constructor(readonly page: Page, private readonly room: string, info: Partial<RoomInfo> = {}) {
    this.info = {
      room, live: { session: 7, title: "Midnight set", since: 0 }, viewers: 0, likes: 0, tickets: 0, recent: [], top: [],
      pinned: null, slow_mode: 0, followers_only: false, moderators: [], you: {}, ...info,
    };
    this.answers.set("gift.catalog", () => ({ gifts: GIFTS }));
    this.answers.set("wallet.get", () => ({ coins: 12_480, tickets: 0, held: 0, debt: 0, position: 1 }));
    this.answers.set("follow.list", () => ({ users: [] }));
    this.answers.set("conversation.list", () => ({ conversations: [], unread: 0 }));
    this.answers.set("relation.get", () => ({ relations: [{ blocked: false }] }));
    this.answers.set("board.get", ({ board }) => ({ board, period: "2026-11-21", position: 1, entries: [] }));
  }

  /** Opens the room as this user. */
  async open(user: string): Promise<void> {
    this.#user = user;
    await this.page.route(`${ORIGIN}/**`, async (route) => {
      const { pathname } = new URL(route.request().url());
      if (pathname === "/dev/pay") return route.fulfill({ body: "<h1>Pay</h1>", contentType: "text/html" });
      if (pathname === "/dev/token") return route.fulfill({ json: { token: "e30.e30.x" } });
      const name = pathname.includes(".") ? pathname : "/index.html";
      const body = await readFile(join(DIST, name)).catch(() => undefined);
      return route.fulfill(body ? { body, contentType: TYPES[name.split(".").at(-1) ?? ""] ?? "text/plain" } : { status: 404 });
    });
    await this.page.routeWebSocket(/\/connection\/websocket/, (socket) => {
      this.#socket = socket;
      socket.onMessage((frame) => {
        for (const line of frame.toString().split("\n").filter(Boolean)) this.#take(JSON.parse(line) as Command);
      });
    });
    await this.page.goto(`${ORIGIN}/?user=${user}&room=${this.room}`);
    await this.page.locator("[data-testid=connection][data-state=online]").waitFor({ state: "attached" });
    await this.page.locator("[data-testid=coins][data-position]").waitFor();
  }

  /** Publishes in the room; what has a position gets the next one and the present time. */
  publish(publication: { type: Publication["type"] } & Record<string, unknown>): void {
    const ephemeral = ["counters", "entered", "hearts", "big_gift"].includes(publication.type);
    const data = ephemeral ? publication : { position: ++this.#position, time: Date.now(), ...publication };
    this.#push(`room:${this.room}`, { pub: { data, ...(ephemeral ? {} : { offset: this.#position }) } });
  }

  /** Tells the user something on their own channel. */
  tell(publication: { type: "balance" | "withdrawal" | "message" | "message_read" } & Record<string, unknown>): void {
    const data = { position: ++this.#position, time: Date.now(), ...publication };
    this.#push(`user:${this.#user}`, { pub: { data, offset: this.#position } });
  }

  /** Takes the page out of the room. */
  unsubscribe(code: number, reason: string): void {
    this.#push(`room:${this.room}`, { unsubscribe: { code, reason } });
  }

  #push(channel: string, push: object): void {
    this.#socket?.send(JSON.stringify({ push: { channel, ...push } }));
  }

  #take(command: Command): void {
    if (command.id === undefined) return;
    this.#socket?.send(JSON.stringify({ id: command.id, ...this.#reply(command) }));
  }

  #reply({ connect, subscribe, rpc }: Command): object {
    if (connect) return { connect: { client: "c", version: "fake", ping: 25, pong: true, subs: { [`user:${this.#user}`]: { recoverable: true, positioned: true, epoch: "e", offset: this.#position } } } };
    if (subscribe) {
      const data = subscribe.channel === `room:${this.room}` ? this.info : undefined;
      return { subscribe: { recoverable: true, positioned: true, epoch: "e", offset: this.#position, ...(data ? { data } : {}) } };
    }
    if (!rpc) return {};
    this.asked.push(rpc);
    const answer = this.answers.get(rpc.method)?.(rpc.data) ?? { position: ++this.#position };
    return "code" in answer ? { error: answer } : { rpc: { data: answer } };
  }
}
