import assert from "node:assert/strict";
import { test } from "node:test";
import { PAYMENT_ASK_MS, PAYMENT_WAIT_MS_MAX, RECEIPT_STAY_MS } from "../../src/live/limits";
import { Outbox, type Refusal } from "../../src/live/outbox";
import type { OrderState } from "../../src/live/protocol";
import { Recharge, type Bill } from "../../src/live/money/recharge";
import { settled, TestClock, TestServer } from "./support";

const PACK = { id: "small", coins: 1_000, price: 1_000, currency: "CNY" };
const BILL: Bill = { order: "o1", coins: 1_000, price: 1_000, currency: "CNY", url: "/dev/pay?order=o1", position: 1 };

function setUp() {
  const clock = new TestClock();
  const server = new TestServer();
  const outbox = new Outbox(server.rpc, clock);
  outbox.online();
  const kept: (Bill | undefined)[] = [];
  const visited: string[] = [];
  const refusals: Refusal[] = [];
  const recharge = new Recharge(
    {
      user: "ann", clock, outbox, refused: (refusal) => { refusals.push(refusal); },
      query: <Answer>(method: string, data?: object) => server.rpc(method, data ?? {}) as Promise<Answer>,
    },
    { keep: (bill) => { kept.push(bill); }, forget: () => { kept.push(undefined); } },
    (url) => { visited.push(url); },
  );
  /** Answers the last question about orders. */
  const orders = async (state?: OrderState) => {
    const asked = server.nth(server.sent.length - 1);
    assert.equal(asked.method, "recharge.list");
    await asked.answer({ orders: state ? [{ ...PACK, pack: PACK.id, order: "o1", state, since: 0 }] : [] });
  };
  return { clock, server, recharge, kept, visited, refusals, orders };
}

test("a_pack_becomes_an_order_and_the_page_goes_to_where_it_is_paid", async () => {
  const { server, recharge, kept, visited } = setUp();
  void recharge.buy(PACK);
  void recharge.buy(PACK);
  assert.equal(server.sent.length, 1, "a second tap is the same wish");
  const { command_id, ...data } = server.nth(0).data;
  assert.equal(typeof command_id, "string");
  assert.deepEqual([server.nth(0).method, data], ["recharge.create", { pack: "small" }]);
  await server.nth(0).answer({ position: 1, order: "o1", coins: 1_000, price: 1_000, currency: "CNY", pay: { provider: "sandbox", url: BILL.url } });
  assert.deepEqual(visited, [BILL.url]);
  assert.deepEqual(kept, [BILL]);
  assert.equal(recharge.step.value.at, "leaving");
});

test("a_refused_order_leads_nowhere", async () => {
  const { server, recharge, visited } = setUp();
  void recharge.buy(PACK);
  await server.nth(0).fail(500);
  assert.deepEqual([visited, recharge.refused.value?.code, recharge.step.value.at], [[], 500, "packs"]);
});

test("the_return_credits_nothing_until_the_server_says_that_the_payment_came", async () => {
  const { clock, server, recharge, orders, kept } = setUp();
  recharge.returned(BILL);
  assert.equal(server.nth(0).data.min_position, 1, "a list that does not know the order yet says nothing about it");
  await orders("created");
  assert.equal(recharge.awaited.value?.state, "waiting");
  await clock.pass(PAYMENT_ASK_MS);
  assert.equal(server.sent.length, 2);
  await orders("paid");
  assert.equal(recharge.awaited.value?.state, "paid");
  assert.deepEqual(kept.at(-1), undefined);
  await clock.pass(PAYMENT_ASK_MS * 3);
  assert.equal(server.sent.length, 2, "what has an outcome is not asked for again");
  await clock.pass(RECEIPT_STAY_MS);
  assert.equal(recharge.awaited.value, undefined, "the words go by themselves");
});

test("a_return_link_alone_finds_out_what_the_order_was", async () => {
  const { recharge, orders } = setUp();
  recharge.returned({ order: "o1" });
  await orders("paid");
  assert.deepEqual(recharge.awaited.value, { state: "paid", hidden: false, bill: { order: "o1", coins: 1_000, price: 1_000, currency: "CNY" } });
});

test("somebody_elses_order_is_unknown", async () => {
  const { recharge, orders } = setUp();
  recharge.returned({ order: "o1" });
  await orders();
  assert.equal(recharge.awaited.value?.state, "unknown");
});

test("a_payment_that_is_not_answered_for_is_asked_about_again", async () => {
  const { clock, server, recharge, orders } = setUp();
  recharge.returned(BILL);
  await server.nth(0).fail(11);
  assert.equal(recharge.awaited.value?.state, "waiting");
  await clock.pass(PAYMENT_ASK_MS);
  await orders("paid");
  assert.equal(recharge.awaited.value?.state, "paid");
});

test("a_payment_that_does_not_come_is_late_and_asked_about_only_when_something_happens", async () => {
  const { clock, server, recharge, orders } = setUp();
  recharge.returned(BILL);
  for (let waited = 0; waited <= PAYMENT_WAIT_MS_MAX; waited += PAYMENT_ASK_MS) {
    await orders("created");
    await clock.pass(PAYMENT_ASK_MS);
  }
  const asked = server.sent.length;
  assert.equal(recharge.awaited.value?.state, "late");
  await clock.pass(PAYMENT_WAIT_MS_MAX);
  assert.equal(server.sent.length, asked);
  void recharge.ask();
  await orders("paid");
  assert.equal(recharge.awaited.value?.state, "paid");
});

test("a_cancelled_order_is_over_unless_the_payment_was_faster", async () => {
  const first = setUp();
  first.recharge.returned(BILL);
  await first.orders("created");
  void first.recharge.cancel();
  await first.server.nth(1).answer({ position: 2, order: "o1" });
  assert.equal(first.recharge.awaited.value?.state, "cancelled");

  const second = setUp();
  second.recharge.returned(BILL);
  await second.orders("created");
  void second.recharge.cancel();
  await second.server.nth(1).fail(504);
  await second.orders("paid");
  await settled();
  assert.equal(second.recharge.awaited.value?.state, "paid");
  assert.deepEqual(second.refusals.map(({ code }) => code), [504]);
});

test("words_that_were_put_away_come_back_when_something_has_become_of_the_order", async () => {
  const { clock, recharge, orders } = setUp();
  recharge.returned(BILL);
  await orders("created");
  recharge.dismiss();
  await clock.pass(PAYMENT_ASK_MS);
  await orders("created");
  assert.deepEqual([recharge.awaited.value?.state, recharge.awaited.value?.hidden], ["waiting", true]);
  await clock.pass(PAYMENT_ASK_MS);
  await orders("paid");
  assert.deepEqual([recharge.awaited.value?.state, recharge.awaited.value?.hidden], ["paid", false]);
});
