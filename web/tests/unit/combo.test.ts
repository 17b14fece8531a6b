import assert from "node:assert/strict";
import { test } from "node:test";
import { Combos } from "../../src/live/combo";
import {
  COMBO_SEND_INTERVAL_MS, COMBO_STEP_MAX, COMBO_TOTAL_MAX, COMBO_WINDOW_MS, COMBOS_OPEN_MAX,
} from "../../src/live/limits";
import { Outbox } from "../../src/live/outbox";
import type { ComboStep, Gift, GiftAnswer } from "../../src/live/protocol";
import { settled, TestClock, TestServer } from "./support";

const HEART: Gift = { id: "heart", name: "Heart", coins: 1, tickets: 1 };
const ROSE: Gift = { id: "rose", name: "Rose", coins: 10, tickets: 10 };

function setUp() {
  const clock = new TestClock();
  const server = new TestServer();
  const outbox = new Outbox(server.rpc, clock);
  outbox.online();
  const seen = { accepted: [] as GiftAnswer[], refused: [] as [number, number][], finished: [] as string[] };
  const combos = new Combos((step) => outbox.submit<GiftAnswer>(`combo ${step.combo.id}`, "gift.send", step), clock, {
    accepted: (answer) => seen.accepted.push(answer),
    refused: (refusal, _gift, lost) => seen.refused.push([refusal.code, lost]),
    finished: (id) => seen.finished.push(id),
    changed: () => {},
  });
  return { clock, server, outbox, combos, seen };
}

const step = (data: Record<string, unknown>) => data.combo as ComboStep;
const answer = (position: number, total: number) => ({ position, coins: 100 - total, combo_total: total });

test("the_first_tap_goes_out_at_once", () => {
  const { server, combos } = setUp();
  combos.tap("star", HEART);
  assert.equal(step(server.nth(0).data).total, 1);
  assert.equal(server.nth(0).data.room, "star");
});

test("taps_while_a_step_is_on_its_way_join_into_the_next_total", async () => {
  const { clock, server, combos } = setUp();
  for (let n = 0; n < 37; n += 1) combos.tap("star", HEART);
  assert.equal(server.sent.length, 1);
  await server.nth(0).answer(answer(1, 1));
  await clock.pass(COMBO_SEND_INTERVAL_MS);
  assert.equal(server.sent.length, 2);
  assert.equal(step(server.nth(1).data).total, 37);
  assert.equal(step(server.nth(1).data).id, step(server.nth(0).data).id);
  await server.nth(1).answer(answer(2, 37));
  assert.equal(combos.pendingTaps, 0);
});

test("a_held_gift_is_sent_at_most_ten_times_a_second", async () => {
  const { clock, server, combos } = setUp();
  for (let ms = 0; ms < 1_000; ms += 10) {
    combos.tap("star", HEART);
    const last = server.nth(server.sent.length - 1);
    await last.answer(answer(ms, step(last.data).total));
    await clock.pass(10);
  }
  assert.ok(server.sent.length <= 11, `${server.sent.length} sends in a second`);
  await clock.pass(COMBO_SEND_INTERVAL_MS);
  assert.equal(step(server.nth(server.sent.length - 1).data).total, 100);
});

test("a_step_lost_with_the_connection_is_repeated_unchanged_and_later_taps_follow_in_the_next_total", async () => {
  const { clock, server, outbox, combos } = setUp();
  combos.tap("star", HEART);
  outbox.offline();
  await server.nth(0).fail(11);
  combos.tap("star", HEART, 4);
  await clock.pass(1_000);
  assert.equal(server.sent.length, 1);
  outbox.online();
  assert.deepEqual(server.nth(1).data, server.nth(0).data);
  await server.nth(1).answer(answer(1, 1));
  await clock.pass(COMBO_SEND_INTERVAL_MS);
  assert.equal(step(server.nth(2).data).total, 5);
});

test("taps_apart_belong_to_different_combos", async () => {
  const { clock, server, combos } = setUp();
  combos.tap("star", HEART);
  await server.nth(0).answer(answer(1, 1));
  await clock.pass(COMBO_WINDOW_MS);
  assert.equal(combos.current, undefined);
  combos.tap("star", HEART);
  assert.notEqual(step(server.nth(1).data).id, step(server.nth(0).data).id);
  assert.equal(step(server.nth(1).data).total, 1);
});

test("another_gift_or_room_starts_another_combo_and_ends_the_first", async () => {
  const { server, combos, seen } = setUp();
  combos.tap("star", HEART);
  await server.nth(0).answer(answer(1, 1));
  combos.tap("star", ROSE);
  assert.deepEqual(seen.finished, [step(server.nth(0).data).id]);
  assert.equal(combos.current?.gift.id, "rose");
  combos.tap("moon", ROSE);
  assert.equal(combos.current?.room, "moon");
});

test("unconfirmed_taps_of_an_old_combo_are_still_sent", async () => {
  const { clock, server, combos } = setUp();
  combos.tap("star", HEART, 3);
  combos.tap("star", HEART, 2);
  combos.tap("star", ROSE);
  await server.nth(0).answer(answer(1, 3));
  await clock.pass(COMBO_SEND_INTERVAL_MS);
  const hearts = server.sent.filter(({ data }) => data.gift === "heart");
  assert.equal(step(hearts[1]?.data ?? {}).total, 5);
});

test("a_refusal_gives_the_unconfirmed_taps_back_and_closes_the_combo", async () => {
  const { clock, server, combos, seen } = setUp();
  combos.tap("star", HEART, 2);
  await server.nth(0).answer(answer(1, 2));
  combos.tap("star", HEART, 5);
  await clock.pass(COMBO_SEND_INTERVAL_MS);
  assert.equal(combos.pendingCoins, 5);
  await server.nth(1).fail(414);
  assert.deepEqual(seen.refused, [[414, 5]]);
  assert.equal(combos.pendingCoins, 0);
  assert.equal(combos.current, undefined);
  await clock.pass(10_000);
  assert.equal(server.sent.length, 2);
});

test("steps_never_pass_the_servers_largest_step_nor_combos_the_highest_total", async () => {
  const { clock, server, combos } = setUp();
  combos.tap("star", HEART, COMBO_STEP_MAX + 5);
  assert.equal(step(server.nth(0).data).total, COMBO_STEP_MAX);
  await server.nth(0).answer(answer(1, COMBO_STEP_MAX));
  await clock.pass(COMBO_SEND_INTERVAL_MS);
  assert.equal(step(server.nth(1).data).total, COMBO_STEP_MAX + 5);
  combos.tap("star", HEART, COMBO_TOTAL_MAX);
  assert.notEqual(combos.current?.id, step(server.nth(0).data).id);
});

test("too_many_unanswered_combos_take_no_more_taps", async () => {
  const { outbox, combos } = setUp();
  outbox.offline();
  for (let n = 0; n < COMBOS_OPEN_MAX; n += 1) assert.ok(combos.tap("star", n % 2 ? HEART : ROSE));
  assert.equal(combos.tap("moon", HEART), false);
  await settled();
  assert.equal(combos.pendingTaps, COMBOS_OPEN_MAX);
});

test("pending_coins_are_the_price_of_unconfirmed_taps", async () => {
  const { server, combos } = setUp();
  combos.tap("star", ROSE, 3);
  assert.equal(combos.pendingCoins, 30);
  assert.ok(combos.inFlight);
  await server.nth(0).answer(answer(1, 3));
  assert.equal(combos.pendingCoins, 0);
  assert.ok(!combos.inFlight);
});
