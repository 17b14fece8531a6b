import assert from "node:assert/strict";
import { test } from "node:test";
import { BigGifts } from "../../src/live/bigGifts";
import { BIG_GIFT_STAY_MS, BIG_GIFTS_WAITING_MAX } from "../../src/live/limits";
import { historyLine } from "../../src/live/money/history";
import { outcomeWords, Withdrawals } from "../../src/live/money/withdrawals";
import { Outbox, Refusal } from "../../src/live/outbox";
import type { BigGiftPublication, HistoryEntry, Withdrawal } from "../../src/live/protocol";
import { Trips } from "../../src/live/trips";
import { settled, TestClock, TestServer } from "./support";

const NAMES = new Map([["castle", "Castle"]]);
const line = (entry: Partial<HistoryEntry> & { type: string }) => historyLine({ position: 1, time: 0, ...entry }, NAMES);

test("every_entry_of_the_history_has_its_words_and_signed_amounts", () => {
  assert.deepEqual(line({ type: "gift_sent", gift: "castle", room: "star", count: 3, coins: -29_997 }), {
    kind: "gift", title: "Castle ×3 to star", detail: "", amounts: [{ unit: "coins", change: -29_997 }],
  });
  assert.deepEqual(line({ type: "withdrawal_requested", tickets: -500, held: 500 }).amounts, [
    { unit: "tickets", change: -500 }, { unit: "held", change: 500 },
  ]);
  assert.equal(line({ type: "coins_adjusted", coins: 5, reason: "a gift from the house" }).detail, "a gift from the house");
  assert.deepEqual(line({ type: "coins_recharged", coins: 800, debt: -200 }).amounts, [
    { unit: "coins", change: 800 }, { unit: "debt", change: -200 },
  ]);
});

test("an_entry_that_the_page_does_not_know_yet_is_shown_all_the_same", () => {
  assert.deepEqual(line({ type: "lucky_draw_won", coins: 7 }), {
    kind: "other", title: "Lucky draw won", detail: "", amounts: [{ unit: "coins", change: 7 }],
  });
});

const REQUESTED: Withdrawal = {
  withdrawal: "w1", tickets: 500, fee: 25, pays: 4_750, currency: "CNY", account: "bank 1", state: "requested", since: 10, changed: 10,
};

async function withdrawals(list: Withdrawal[]) {
  const clock = new TestClock();
  const server = new TestServer();
  const outbox = new Outbox(server.rpc, clock);
  outbox.online();
  const made = new Withdrawals({ outbox, query: <Answer>(method: string, data?: object) => server.rpc(method, data ?? {}) as Promise<Answer> });
  void made.list.open();
  await settled();
  await server.nth(0).answer({ withdrawals: list });
  return { server, withdrawals: made, states: () => made.list.listed.value.entries.map(({ state }) => state) };
}

test("a_withdrawal_moves_on_as_it_is_told_and_never_back", async () => {
  const { withdrawals: made, states } = await withdrawals([REQUESTED]);
  for (const state of ["submitted", "approved", "paid", "submitted"] as const) {
    made.take({ type: "withdrawal", withdrawal: "w1", tickets: 500, state, time: 20 });
  }
  assert.deepEqual(states(), ["paid"]);
  assert.equal(made.list.listed.value.entries[0]?.changed, 20);
  assert.equal(made.list.listed.value.entries[0]?.account, "bank 1");
});

test("a_withdrawal_that_is_not_in_the_list_is_read", async () => {
  const { server, withdrawals: made, states } = await withdrawals([]);
  made.take({ type: "withdrawal", withdrawal: "w1", tickets: 500, state: "requested" });
  await settled();
  await server.nth(1).answer({ withdrawals: [REQUESTED] });
  assert.deepEqual(states(), ["requested"]);
});

test("a_request_that_is_repeated_by_a_second_tap_is_sent_once_and_a_refusal_comes_back_with_its_number", async () => {
  const { server, withdrawals: made } = await withdrawals([]);
  const first = made.request(500, "bank 1");
  const second = await made.request(500, "bank 1");
  assert.ok(second instanceof Refusal);
  assert.equal(server.sent.filter(({ method }) => method === "withdraw.request").length, 1);
  await server.nth(1).fail(511);
  const refusal = await first;
  assert.ok(refusal instanceof Refusal && refusal.code === 511);
  assert.equal(made.requesting.value, false);
});

test("only_an_end_of_a_withdrawal_is_announced", () => {
  assert.equal(outcomeWords({ ...REQUESTED, state: "approved" }), undefined);
  assert.equal(outcomeWords({ ...REQUESTED, state: "paid" }), "Your withdrawal of 500 tickets has been paid.");
  assert.match(outcomeWords({ ...REQUESTED, state: "rejected", reason: "wrong name" }) ?? "", /turned down: wrong name\. The tickets are back/);
});

const big = (position: number, coins: number, room = "elsewhere"): BigGiftPublication => ({
  type: "big_gift", user: "ann", room, gift: "castle", count: 1, coins, position,
});

test("big_gifts_of_other_rooms_are_announced_one_after_the_other_dearest_first", async () => {
  const clock = new TestClock();
  const gifts = new BigGifts(clock, "here");
  gifts.take(big(1, 10));
  for (let n = 2; n < 20; n += 1) gifts.take(big(n, n * 10));
  gifts.take(big(19, 190));
  gifts.take(big(30, 99_999, "here"));
  assert.equal(gifts.shown.value?.position, 1);
  const announced: number[] = [];
  while (gifts.shown.value) {
    await clock.pass(BIG_GIFT_STAY_MS);
    if (gifts.shown.value) announced.push(gifts.shown.value.position);
  }
  assert.deepEqual(announced, [19, 18, 17, 16, 15].slice(0, BIG_GIFTS_WAITING_MAX));
});

test("a_trip_to_the_pay_page_is_remembered_and_rubbish_is_none", () => {
  const stored = new Map<string, string>();
  const trips = new Trips({
    getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => { stored.set(key, value); }, removeItem: (key) => { stored.delete(key); },
  });
  assert.equal(trips.now, undefined);
  const trip = { user: "ann", room: "star", bill: { order: "o1", coins: 5 } };
  trips.keep(trip);
  assert.deepEqual(trips.now, trip);
  for (const rubbish of ["{", "7", '{"user":7}', '{"user":"ann"}']) {
    stored.set("livehouse.trip", rubbish);
    assert.equal(trips.now, undefined, rubbish);
  }
  trips.keep(trip);
  trips.forget();
  assert.equal(trips.now, undefined);
});
