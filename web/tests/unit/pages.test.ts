import assert from "node:assert/strict";
import { test } from "node:test";
import { Pages, type Page } from "../../src/live/money/pages";

/** A list of numbers, newest first, that grows at its head while it is read. */
function setUp(newest: number, size = 3, entriesMax = 1_000) {
  const server = { newest, down: false, asked: [] as (string | undefined)[] };
  const pages = new Pages<number>((cursor): Promise<Page<number>> => {
    server.asked.push(cursor);
    if (server.down) return Promise.reject(new Error("gone"));
    const from = cursor === undefined ? server.newest : Number(cursor);
    const entries = Array.from({ length: Math.min(size, from) }, (_, n) => from - n);
    const next = from - entries.length;
    return Promise.resolve({ entries, cursor: next > 0 ? `${next}` : undefined });
  }, (entry) => entry, entriesMax);
  return { server, pages };
}

test("a_list_is_read_page_by_page_to_its_end", async () => {
  const { pages, server } = setUp(5);
  assert.equal(pages.listed.value.state, "unread");
  await pages.open();
  assert.deepEqual(pages.listed.value, { entries: [5, 4, 3], state: "more" });
  await pages.more();
  assert.deepEqual(pages.listed.value, { entries: [5, 4, 3, 2, 1], state: "all" });
  await pages.more();
  assert.equal(server.asked.length, 2);
});

test("entries_that_come_twice_because_the_list_has_shifted_are_shown_once", async () => {
  const { pages, server } = setUp(5);
  await pages.open();
  server.newest = 7;
  await pages.refresh();
  assert.deepEqual(pages.listed.value.entries, [7, 6, 5, 4, 3]);
  await pages.more();
  assert.deepEqual(pages.listed.value.entries, [7, 6, 5, 4, 3, 2, 1]);
});

test("a_newest_page_that_does_not_reach_what_is_shown_starts_the_list_anew_without_a_gap", async () => {
  const { pages, server } = setUp(5);
  await pages.open();
  server.newest = 20;
  await pages.refresh();
  assert.deepEqual(pages.listed.value.entries, [20, 19, 18]);
  await pages.more();
  assert.deepEqual(pages.listed.value.entries, [20, 19, 18, 17, 16, 15]);
});

test("a_failed_page_is_said_and_can_be_asked_for_again", async () => {
  const { pages, server } = setUp(5);
  server.down = true;
  await pages.open();
  assert.deepEqual(pages.listed.value, { entries: [], state: "failed" });
  server.down = false;
  await pages.more();
  assert.deepEqual(pages.listed.value.entries, [5, 4, 3]);
});

test("a_look_at_the_newest_that_fails_leaves_what_is_shown", async () => {
  const { pages, server } = setUp(5);
  await pages.open();
  server.down = true;
  await pages.refresh();
  assert.deepEqual(pages.listed.value, { entries: [5, 4, 3], state: "more" });
});

test("two_wishes_for_the_next_page_are_one_request", async () => {
  const { pages, server } = setUp(9);
  await Promise.all([pages.more(), pages.more()]);
  assert.equal(server.asked.length, 1);
});

test("looks_at_the_newest_that_have_not_begun_are_one_request", async () => {
  const { pages, server } = setUp(9);
  await pages.open();
  await Promise.all([pages.refresh(), pages.refresh(), pages.refresh()]);
  assert.equal(server.asked.length, 2);
});

test("a_list_that_grows_without_end_stops_and_says_so", async () => {
  const { pages } = setUp(50, 3, 5);
  await pages.open();
  await pages.more();
  assert.deepEqual(pages.listed.value, { entries: [50, 49, 48, 47, 46], state: "full" });
});

test("a_change_touches_only_its_own_entry", async () => {
  const { pages } = setUp(3);
  await pages.open();
  assert.ok(pages.change(2, () => 20));
  assert.ok(!pages.change(9, () => 90));
  assert.deepEqual(pages.listed.value.entries, [3, 20, 1]);
});
