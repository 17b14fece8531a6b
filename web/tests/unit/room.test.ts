import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { Subscription } from "centrifuge";
import { Notices } from "../../src/live/notices";
import { ENTERED_STAY_MS, MISSED_STAY_MS, PAINT_DELAY_MS } from "../../src/live/limits";
import { Outbox } from "../../src/live/outbox";
import type { BoardEntry, ChatPublication, RoomEvent, RoomInfo } from "../../src/live/protocol";
import { Room, type Host } from "../../src/live/room";
import { gift, settled, START_UNIX_MS, TestClock, TestServer } from "./support";

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
    left: (code: number, reason: string) => say("room:star", "unsubscribed", { code, reason }),
    subscribed: (context: { recovered?: boolean; wasRecovering?: boolean; data?: RoomInfo; epoch?: string }) =>
      say("room:star", "subscribed", { streamPosition: { epoch: context.epoch ?? "e", offset: 0 }, ...context }),
    published: (data: object) => say("room:star", "publication", { data }),
    board: (event: string, data: object, span = "") => say(`board:room:star${span}`, event, { data }),
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

test("a_recovered_room_comes_without_a_snapshot_and_asks_for_none", async () => {
  const { server, subscribed, published, positions } = setUp();
  subscribed({ data: info([chat(3)]) });
  subscribed({ wasRecovering: true, recovered: true });
  published(chat(4));
  assert.deepEqual(await positions(), [3, 4]);
  assert.equal(server.sent.filter(({ method }) => method === "room.info").length, 0);
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
  published({ type: "fireworks", position: 4, text: "hello" });
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

test("another_period_of_a_board_begins_empty_and_hears_nothing_of_the_one_before", async () => {
  const { server, room, board } = setUp();
  const entries = (score: number): BoardEntry[] => [{ rank: 1, user: "ann", score }];
  const scores = () => room.contributors.standing.value.entries.map((entry) => entry.score);
  const reads = () => server.sent.filter(({ method }) => method === "board.get");
  board("subscribed", {});
  room.contributors.choose("week");
  board("subscribed", {}, "/week");
  assert.deepEqual(scores(), []);
  await reads()[0]?.answer({ entries: entries(10), period: "2026-11-21", position: 10 });
  board("publication", { type: "board", board: "room:star", period: "2026-11-21", entries: entries(20), position: 20 });
  await settled();
  assert.deepEqual(scores(), [], "what is told of the day is not the week's");
  await reads()[1]?.answer({ entries: entries(5), period: "2026-W47", position: 5 });
  board("publication", { type: "board", board: "room:star", span: "week", period: "2026-W47", entries: entries(7), position: 7 }, "/week");
  await settled();
  assert.deepEqual([room.contributors.span.value, ...scores()], ["week", 7]);
});

test("the_crowd_is_counted_and_its_hearts_rise", () => {
  const { room, subscribed, published } = setUp();
  subscribed({ data: info([], { likes: 40 }) });
  published({ type: "counters", viewers: 9, likes: 60, tickets: 1 });
  published({ type: "hearts", count: 7, users: ["bob"] });
  room.like();
  assert.deepEqual([room.viewers.value, room.likes.value, room.hearts.value], [9, 60, 8]);
  published({ type: "live_ended", position: 6, time: 90, session: 1 });
  published({ type: "live_started", position: 7, time: 91, session: 2, title: "" });
  assert.equal(room.likes.value, 0);
});

test("who_came_in_is_said_for_a_while", async () => {
  const { clock, room, subscribed, published } = setUp();
  subscribed({ data: info([]) });
  published({ type: "entered", users: ["bob"], more: 4 });
  assert.deepEqual(room.entered.value?.users, ["bob"]);
  await clock.pass(ENTERED_STAY_MS);
  assert.equal(room.entered.value, undefined);
});

test("what_was_missed_adds_up_while_it_is_shown_and_then_starts_anew", async () => {
  const { clock, room, subscribed, published } = setUp();
  subscribed({ data: info([]) });
  const lost = (skipped: object) => published({ type: "counters", viewers: 1, tickets: 0, skipped });
  lost({ ephemeral: 400, state: 3 });
  lost({ ephemeral: 12 });
  assert.deepEqual(room.missed.value, { ephemeral: 412 });
  await clock.pass(MISSED_STAY_MS);
  lost({ state: 3 });
  assert.equal(room.missed.value, undefined);
  lost({ ephemeral: 2 });
  assert.deepEqual(room.missed.value, { ephemeral: 2 });
});

test("orders_are_lines_of_the_story_and_the_rules_follow_them", async () => {
  const { room, subscribed, published, positions } = setUp();
  subscribed({ data: info([chat(3)], { slow_mode: 5 }) });
  assert.equal(room.house.rules.value.slowModeSeconds, 5);
  published({ type: "slow_mode", position: 4, time: 0, seconds: 30, by: "star" });
  published({ type: "pinned", position: 5, time: 0, text: "hello", by: "star" });
  published({ type: "muted", position: 6, time: 0, user: "ann", until: START_UNIX_MS + 60_000, by: "star" });
  assert.deepEqual(await positions(), [3, 4, 6]);
  assert.deepEqual([room.house.rules.value.slowModeSeconds, room.house.rules.value.pinned], [30, "hello"]);
  assert.equal(room.house.mutedUntil.value, START_UNIX_MS + 60_000);
});

test("who_is_sent_out_knows_why_and_may_come_back", () => {
  const { room, subscribed, published, left } = setUp();
  subscribed({ data: info([]) });
  published({ type: "kicked", position: 4, time: 0, user: "ann", by: "star" });
  left(2_000, "unsubscribed");
  const why = () => room.house.out.value?.why;
  assert.equal(why(), "kicked");
  subscribed({ data: info([]) });
  assert.equal(why(), undefined);
  left(460, "you are banned from this room");
  assert.equal(why(), "banned");
  for (const [code, expected] of [[2_100, "kicked"], [2_101, "banned"], [2_102, "blocked"], [434, "blocked"], [461, "kicked"], [2_000, "other"]] as const) {
    subscribed({ data: info([]) });
    left(code, "unsubscribed");
    assert.equal(why(), expected);
  }
});

test("slow_mode_counts_from_the_accepted_message_and_not_for_those_in_charge", async () => {
  const { clock, server, room, subscribed } = setUp();
  subscribed({ data: info([], { slow_mode: 10 }) });
  void room.say("one");
  assert.equal(room.house.mayNextSayAt.value, 0);
  await clock.pass(50);
  await server.sent.find(({ method }) => method === "chat.send")?.answer({ position: 7 });
  assert.equal(room.house.mayNextSayAt.value, 10_050);
  subscribed({ data: info([], { slow_mode: 10, moderators: ["ann"] }) });
  await clock.pass(20_000);
  room.house.spoke();
  assert.equal(room.house.mayNextSayAt.value, 10_050);
});

test("refused_words_come_back_to_the_writer", async () => {
  const { server, room, subscribed } = setUp();
  subscribed({ data: info([]) });
  void room.say("something rude");
  await server.sent.find(({ method }) => method === "chat.send")?.fail(460);
  assert.deepEqual([room.returned.value, room.pendingChat.value.length], ["something rude", 0]);
  room.takeBack();
  assert.equal(room.returned.value, undefined);
});
