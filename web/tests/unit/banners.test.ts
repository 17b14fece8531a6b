import assert from "node:assert/strict";
import { test } from "node:test";
import { Banners } from "../../src/live/banners";
import { BANNER_STAY_MS, BANNERS_SHOWN_MAX, BANNERS_WAITING_MAX } from "../../src/live/limits";
import { gift, TestClock } from "./support";

function setUp() {
  const clock = new TestClock();
  return { clock, banners: new Banners(clock, () => {}) };
}
const users = (banners: Banners) => banners.shown.map((banner) => banner.user);

test("a_combo_has_one_banner_that_grows", () => {
  const { banners } = setUp();
  banners.take(gift({ position: 1, combo: { id: "c", total: 3 } }));
  banners.take(gift({ position: 2, combo: { id: "c", total: 9 } }));
  assert.deepEqual(banners.shown.map((banner) => banner.total), [9]);
});

test("a_banner_leaves_after_its_last_gift", async () => {
  const { clock, banners } = setUp();
  banners.take(gift({ position: 1, combo: { id: "c", total: 1 } }));
  await clock.pass(BANNER_STAY_MS - 1);
  banners.take(gift({ position: 2, combo: { id: "c", total: 2 } }));
  await clock.pass(BANNER_STAY_MS - 1);
  assert.equal(banners.shown.length, 1);
  await clock.pass(1);
  assert.equal(banners.shown.length, 0);
});

test("who_gave_most_gets_the_next_place", async () => {
  const { clock, banners } = setUp();
  for (let n = 0; n < BANNERS_SHOWN_MAX; n += 1) banners.take(gift({ position: n, user: `first${n}` }));
  banners.take(gift({ position: 10, user: "small", coins: 1 }));
  banners.take(gift({ position: 11, user: "grand", coins: 9_999 }));
  assert.ok(!users(banners).includes("grand"));
  await clock.pass(BANNER_STAY_MS);
  assert.equal(users(banners)[0], "grand");
});

test("a_flood_keeps_the_banners_that_are_worth_most_and_the_queue_short", async () => {
  const { clock, banners } = setUp();
  for (let n = 0; n < 1_000; n += 1) banners.take(gift({ position: n, user: `u${n}`, coins: n }));
  const seen = new Set<string>();
  for (let n = 0; n < 20; n += 1) {
    for (const user of users(banners)) seen.add(user);
    await clock.pass(BANNER_STAY_MS);
  }
  assert.ok(seen.has("u999"));
  assert.ok(seen.size <= BANNERS_SHOWN_MAX + BANNERS_WAITING_MAX);
  assert.equal(banners.shown.length, 0);
});

test("a_newcomer_sees_the_combos_that_run_and_they_grow_on", () => {
  const { banners } = setUp();
  banners.take({ type: "running", user: "ann", gift: "heart", combo: { id: "c", total: 90 } });
  banners.take(gift({ position: 2, combo: { id: "c", total: 95 }, coins: 5 }));
  assert.deepEqual(banners.shown.map(({ user, total, coins }) => [user, total, coins]), [["ann", 95, 5]]);
});
