import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { Subscription } from "centrifuge";
import { Notices } from "../../src/live/notices";
import { PAINT_DELAY_MS } from "../../src/live/limits";
import { Outbox } from "../../src/live/outbox";
import type { BoardEntry, ChatPublication, RoomEvent, RoomInfo } from "../../src/live/protocol";
import { Room, type Host } from "../../src/live/room";
import { gift, settled, TestClock, TestServer } from "./support";

const chat = (position: number, user = "bob"): ChatPublication => ({ type: "chat", position, time: 0, user, text: `${position}` });
const info = (recent: RoomEvent[], more: Partial<RoomInfo> = {}): RoomInfo => ({
  room: "star", live: { session: 1, title: "Midnight", since: 0 }, viewers: 3, tickets: 5, recent, top: [], ...more,
});

function setUp() {
  const clock = new TestClock();
  const server = new TestServer();
  const outbox = new Outbox(server.rpc, clock);
  outbox.online();
  const channels = new Map<string, EventEmitter>();
  const host: Host = {
    user: "ann", clock, outbox, notices: new Notices(clock), refused: () => {},
    query: <Answer>(method: string, data?: object) => server.rpc(method, data ?? {}) as Promise<Answer>,
    subscription: (channel) => {
      const emitter = Object.assign(new EventEmitter(), { subscribe: () => {} });
      channels.set(channel, emitter);
      return emitter as unknown as Subscription;
    },
    dropSubscription: (subscription) => { (subscription as unknown as EventEmitter).removeAllListeners(); },
  };
  const room = new Room(host, "star");
  const say = (channel: string, event: string, context: object) => channels.get(channel)?.emit(event, context);
  return {
    clock, server, room,
    subscribed: (context: { recovered?: boolean; wasRecovering?: boolean; data?: RoomInfo; epoch?: string }) =>
      say("room:star", "subscribed", { streamPosition: { epoch: context.epoch ?? "e", offset: 0 }, ...context }),
    published: (data: object) => say("room:star", "publication", { data }),
    board: (event: string, data: object) => say("board:room:star", event, { data }),
    positions: async () => {
      await clock.pass(PAINT_DELAY_MS);
      return room.lines.value.map((line) => (line.kind === "gap" ? "gap" : line.position));
    },
  };
}

test("a_newcomer_gets_the_snapshot_and_then_what_follows", async () => {
  const { room, subscribed, published, positions } = setUp();
  subscribed({ data: info([chat(3), gift({ position: 5 })]) });
  published(chat(8));
  assert.deepEqual(await positions(), [3, 5, 8]);
  assert.deepEqual([room.live.value?.title, room.viewers.value, room.tickets.value], ["Midnight", 3, 5]);
});

test("a_recovered_room_takes_the_missed_publications_and_not_the_snapshot_that_would_overtake_them", async () => {
  const { subscribed, published, positions } = setUp();
  subscribed({ data: info([chat(3)]) });
  subscribed({ wasRecovering: true, recovered: true, data: info([chat(3), chat(6), chat(9)]) });
  for (const missed of [chat(4), chat(6), chat(9)]) published(missed);
  assert.deepEqual(await positions(), [3, 4, 6, 9]);
});

test("a_room_that_could_not_be_recovered_reads_the_snapshot_again", async () => {
  const { room, subscribed, positions } = setUp();
  subscribed({ data: info([chat(3)]) });
  const later = Array.from({ length: 50 }, (_, n) => chat(1_000 + n));
  subscribed({ wasRecovering: true, recovered: false, data: info(later, { live: null, viewers: 9 }) });
  const shown = await positions();
  assert.deepEqual(shown.slice(0, 3), [3, "gap", 1_000]);
  assert.equal(shown.length, 52);
  assert.deepEqual([room.live.value, room.viewers.value], [null, 9]);
});

test("another_epoch_is_another_journal_and_starts_the_story_anew", async () => {
  const { subscribed, positions } = setUp();
  subscribed({ data: info([chat(900)]) });
  subscribed({ wasRecovering: true, recovered: false, epoch: "other", data: info([chat(2)]) });
  assert.deepEqual(await positions(), [2]);
});

test("a_subscription_without_a_snapshot_is_asked_for_by_room_info", async () => {
  const { server, subscribed, positions } = setUp();
  subscribed({});
  const asked = server.sent.find(({ method }) => method === "room.info");
  await asked?.answer(info([chat(3)]));
  assert.deepEqual(await positions(), [3]);
});

test("the_stage_follows_the_show", () => {
  const { room, subscribed, published } = setUp();
  subscribed({ data: info([], { live: null }) });
  published({ type: "live_started", position: 4, time: 70, session: 2, title: "Late" });
  assert.deepEqual(room.live.value, { session: 2, title: "Late", since: 70 });
  published({ type: "counters", viewers: 12, tickets: 34 });
  assert.deepEqual([room.viewers.value, room.tickets.value], [12, 34]);
  published({ type: "live_ended", position: 6, time: 90, session: 2 });
  assert.equal(room.live.value, null);
});

test("publications_of_a_type_that_came_later_are_passed_over", async () => {
  const { subscribed, published, positions } = setUp();
  subscribed({ data: info([]) });
  published({ type: "notice", position: 4, text: "hello" });
  published(chat(5));
  assert.deepEqual(await positions(), [5]);
});

test("ones_own_words_are_on_their_way_until_the_room_has_them", async () => {
  const { server, room, subscribed, published, positions } = setUp();
  subscribed({ data: info([]) });
  void room.say("hello");
  assert.equal(room.pendingChat.value.length, 1);
  const sent = server.sent.find(({ method }) => method === "chat.send");
  await sent?.answer({ position: 7 });
  await positions();
  assert.equal(room.pendingChat.value.length, 1);
  published(chat(7, "ann"));
  await positions();
  assert.equal(room.pendingChat.value.length, 0);
});

test("a_board_keeps_its_newest_position_and_a_new_connection_reads_it_afresh", async () => {
  const { server, room, board } = setUp();
  const entries = (score: number): BoardEntry[] => [{ rank: 1, user: "ann", score }];
  const score = () => room.contributors.standing.value.entries[0]?.score;
  const reads = () => server.sent.filter(({ method }) => method === "board.get");
  board("subscribed", {});
  await reads()[0]?.answer({ entries: entries(10), period: "2026-11-21", position: 10 });
  board("publication", { type: "board", board: "room:star", period: "2026-11-21", entries: entries(30), position: 30 });
  board("publication", { type: "board", board: "room:star", period: "2026-11-21", entries: entries(20), position: 20 });
  assert.equal(score(), 30);
  board("subscribed", {});
  await reads()[1]?.answer({ entries: entries(2), period: "2026-11-21", position: 2 });
  await settled();
  assert.equal(score(), 2);
});
