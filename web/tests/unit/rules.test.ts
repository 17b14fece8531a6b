import assert from "node:assert/strict";
import { test } from "node:test";
import { SANCTIONED_MAX } from "../../src/live/limits";
import type { OrderPublication, RoomInfo } from "../../src/live/protocol";
import { mayModerate, NO_RULES, ordered, roleOf, rulesFrom, type Rules } from "../../src/live/rules";

type Words<Of> = Of extends OrderPublication ? Omit<Of, "position" | "time" | "by"> : never;
const order = (words: Words<OrderPublication>) => ({ position: 1, time: 0, by: "star", ...words }) as OrderPublication;
const after = (...orders: Words<OrderPublication>[]) => orders.map(order).reduce(ordered, NO_RULES);
const info = (more: Partial<RoomInfo>): RoomInfo => ({ room: "star", live: null, viewers: 0, tickets: 0, recent: [], top: [], ...more });

test("the_newest_order_of_each_kind_holds", () => {
  const rules = after(
    { type: "slow_mode", seconds: 10 }, { type: "slow_mode", seconds: 0 }, { type: "followers_only", on: true },
    { type: "pinned", text: "one" }, { type: "pinned", text: "two" }, { type: "moderator_added", user: "mira" },
    { type: "moderator_added", user: "otis" }, { type: "moderator_removed", user: "mira" },
  );
  assert.deepEqual(rules, { ...NO_RULES, followersOnly: true, pinned: "two", moderators: new Set(["otis"]) });
  assert.equal(ordered(rules, order({ type: "pinned", text: null })).pinned, undefined);
});

test("a_mute_and_a_ban_end_by_their_counterparts", () => {
  const rules = after({ type: "muted", user: "bo", until: 70 }, { type: "muted", user: "bo", until: 90 }, { type: "banned", user: "kai" });
  assert.deepEqual([...rules.muted], [["bo", 90]]);
  assert.deepEqual([...rules.banned], ["kai"]);
  const pardoned = [order({ type: "unmuted", user: "bo" }), order({ type: "unbanned", user: "kai" })].reduce(ordered, rules);
  assert.deepEqual([pardoned.muted.size, pardoned.banned.size], [0, 0]);
});

test("a_snapshot_says_what_holds_and_what_of_the_user", () => {
  const before = after({ type: "slow_mode", seconds: 10 }, { type: "muted", user: "bo", until: 90 });
  const rules = rulesFrom(info({ pinned: "hello", followers_only: true, moderators: ["mira"], you: { muted_until: 50 } }), before, "ann");
  assert.deepEqual([rules.pinned, rules.slowModeSeconds, rules.followersOnly, [...rules.moderators]], ["hello", 0, true, ["mira"]]);
  assert.deepEqual([...rules.muted], [["bo", 90], ["ann", 50]]);
  assert.deepEqual([...rulesFrom(info({ you: {} }), rules, "ann").muted], [["bo", 90]]);
  assert.deepEqual([...rulesFrom(info({}), rules, "ann").muted], [["bo", 90], ["ann", 50]]);
});

test("only_so_many_sanctioned_people_are_remembered", () => {
  let rules: Rules = NO_RULES;
  for (let n = 0; n < SANCTIONED_MAX + 5; n += 1) {
    rules = ordered(ordered(rules, order({ type: "banned", user: `b${n}` })), order({ type: "muted", user: `m${n}`, until: n }));
  }
  assert.deepEqual([rules.banned.size, rules.muted.size], [SANCTIONED_MAX, SANCTIONED_MAX]);
  assert.ok(rules.banned.has(`b${SANCTIONED_MAX + 4}`) && !rules.banned.has("b0"));
});

test("the_streamer_moderates_everybody_and_moderators_only_viewers", () => {
  const rules = after({ type: "moderator_added", user: "mira" }, { type: "moderator_added", user: "otis" });
  assert.deepEqual(["star", "mira", "ann"].map((user) => roleOf(rules, "star", user)), ["streamer", "moderator", undefined]);
  const table: [string, string, boolean][] = [
    ["star", "ann", true], ["star", "mira", true], ["star", "star", false],
    ["mira", "ann", true], ["mira", "otis", false], ["mira", "star", false], ["mira", "mira", false],
    ["ann", "bo", false], ["ann", "star", false],
  ];
  for (const [user, other, may] of table) assert.equal(mayModerate(rules, "star", user, other), may, `${user} on ${other}`);
});
