import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed, type GiftLine } from "../../src/live/feed";
import { FEED_LINES_MAX, SNAPSHOT_PUBLICATIONS_MAX } from "../../src/live/limits";
import type { ChatPublication, RoomEvent } from "../../src/live/protocol";
import { gift } from "./support";

const chat = (position: number): ChatPublication => ({ type: "chat", position, time: 0, user: "ann", text: `${position}` });
const chats = (from: number, count: number) => Array.from({ length: count }, (_, n) => chat(from + n));
const shown = (feed: Feed) => feed.lines.map((line) => (line.kind === "gap" ? "gap" : line.position));

test("a_publication_is_shown_once_however_often_it_arrives", () => {
  const feed = new Feed();
  const story: RoomEvent[] = [chat(3), gift({ position: 8 }), chat(11)];
  for (const event of story) assert.ok(feed.take(event));
  for (const event of story) assert.ok(!feed.take(event));
  assert.deepEqual(shown(feed), [3, 8, 11]);
});

test("what_a_snapshot_showed_is_not_shown_again_by_the_publications_after_it", () => {
  const feed = new Feed();
  feed.snapshot([chat(3), chat(5)]);
  assert.ok(!feed.take(chat(5)));
  assert.ok(feed.take(chat(9)));
  assert.deepEqual(shown(feed), [3, 5, 9]);
});

test("a_snapshot_that_reaches_back_far_enough_continues_the_story_without_a_gap", () => {
  const feed = new Feed();
  feed.snapshot(chats(1, 10));
  const news = feed.snapshot(chats(5, SNAPSHOT_PUBLICATIONS_MAX));
  assert.equal(news.length, SNAPSHOT_PUBLICATIONS_MAX - 6);
  assert.ok(!shown(feed).includes("gap"));
});

test("a_snapshot_that_does_not_reach_back_says_that_something_is_missing", () => {
  const feed = new Feed();
  feed.take(chat(1));
  feed.snapshot(chats(100, SNAPSHOT_PUBLICATIONS_MAX));
  assert.deepEqual(shown(feed).slice(0, 3), [1, "gap", 100]);
});

test("a_short_snapshot_is_the_whole_story_so_nothing_is_missing", () => {
  const feed = new Feed();
  feed.take(chat(1));
  feed.snapshot(chats(100, 3));
  assert.deepEqual(shown(feed), [1, 100, 101, 102]);
});

test("gifts_of_one_combo_grow_one_line_and_its_sums_count_every_gift_once", () => {
  const feed = new Feed();
  const first = gift({ position: 1, count: 2, coins: 2, tickets: 2, combo: { id: "c", total: 2 } });
  const second = gift({ position: 4, count: 5, coins: 5, tickets: 5, combo: { id: "c", total: 7 } });
  for (const event of [first, chat(2), second, second, first]) feed.take(event);
  feed.take({ type: "combo_end", position: 6, time: 0, user: "ann", gift: "heart", combo: { id: "c", total: 7 } });
  assert.deepEqual(feed.lines.map((line) => line.kind), ["gift", "chat"]);
  const line = feed.lines[0] as GiftLine;
  assert.deepEqual([line.total, line.coins, line.tickets, line.position, line.ended], [7, 7, 7, 6, true]);
});

test("the_same_combo_id_of_two_users_is_two_combos", () => {
  const feed = new Feed();
  feed.take(gift({ position: 1, user: "ann", combo: { id: "c", total: 1 } }));
  feed.take(gift({ position: 2, user: "bob", combo: { id: "c", total: 1 } }));
  assert.equal(feed.lines.length, 2);
});

test("a_combo_whose_line_has_scrolled_out_gets_a_new_line_with_its_whole_total", () => {
  const feed = new Feed();
  feed.take(gift({ position: 1, combo: { id: "c", total: 40 } }));
  for (const event of chats(2, FEED_LINES_MAX)) feed.take(event);
  feed.take(gift({ position: 5_000, combo: { id: "c", total: 41 } }));
  assert.equal((feed.lines.at(-1) as GiftLine).total, 41);
});

test("the_chat_keeps_the_newest_lines_only", () => {
  const feed = new Feed();
  for (const event of chats(1, FEED_LINES_MAX + 50)) feed.take(event);
  assert.equal(feed.lines.length, FEED_LINES_MAX);
  assert.equal(feed.lines[0]?.position, 51);
});

test("another_journal_starts_another_story", () => {
  const feed = new Feed();
  feed.take(chat(900));
  feed.clear();
  assert.ok(feed.take(chat(1)));
  assert.deepEqual(shown(feed), [1]);
});
