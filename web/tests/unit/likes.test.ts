import assert from "node:assert/strict";
import { test } from "node:test";
import { HEARTS_ECHO_MS, LIKE_SEND_INTERVAL_MS, LIKES_SEND_MAX, LIKES_WAITING_MAX } from "../../src/live/limits";
import { Likes } from "../../src/live/likes";
import type { Refusal } from "../../src/live/outbox";
import { settled, TestClock } from "./support";

function setUp() {
  const clock = new TestClock();
  const sent: { count: number; answer(likes: number): Promise<void>; fail(): Promise<void> }[] = [];
  const counted: number[] = [];
  const refused: Refusal[] = [];
  const likes = new Likes((count) => new Promise((resolve, reject) => {
    sent.push({
      count,
      answer: (sum) => { resolve({ likes: sum }); return settled(); },
      fail: () => { reject({ code: 111 }); return settled(); },
    });
  }), clock, { counted: (sum) => counted.push(sum), refused: (refusal) => refused.push(refusal) });
  const tap = (taps: number) => { for (let n = 0; n < taps; n += 1) likes.tap(); };
  return { clock, likes, sent, counted, refused, tap };
}

test("taps_are_joined_and_none_is_sent_twice", async () => {
  const { clock, sent, counted, tap } = setUp();
  tap(3);
  await clock.pass(LIKE_SEND_INTERVAL_MS);
  tap(2);
  await clock.pass(LIKE_SEND_INTERVAL_MS);
  assert.deepEqual(sent.map(({ count }) => count), [3]);
  await sent[0]?.answer(103);
  await clock.pass(LIKE_SEND_INTERVAL_MS);
  assert.deepEqual(sent.map(({ count }) => count), [3, 2]);
  assert.deepEqual(counted, [103]);
});

test("a_flood_of_taps_is_bounded_and_goes_in_pieces_that_the_server_takes", async () => {
  const { clock, sent, tap } = setUp();
  tap(LIKES_WAITING_MAX + 50);
  for (let n = 0; n < 10; n += 1) {
    await clock.pass(LIKE_SEND_INTERVAL_MS);
    await sent.at(-1)?.answer(0);
  }
  assert.ok(sent.every(({ count }) => count <= LIKES_SEND_MAX));
  assert.equal(sent.reduce((sum, { count }) => sum + count, 0), LIKES_WAITING_MAX);
});

test("refused_likes_are_let_go_and_the_next_tap_begins_anew", async () => {
  const { clock, sent, refused, tap } = setUp();
  tap(150);
  await clock.pass(LIKE_SEND_INTERVAL_MS);
  await sent[0]?.fail();
  await clock.pass(LIKE_SEND_INTERVAL_MS * 3);
  assert.deepEqual([sent.length, refused.length], [1, 1]);
  tap(1);
  await clock.pass(LIKE_SEND_INTERVAL_MS);
  assert.deepEqual(sent.map(({ count }) => count), [LIKES_SEND_MAX, 1]);
});

test("ones_own_hearts_are_not_drawn_again_when_the_room_shows_them", async () => {
  const { clock, likes, tap } = setUp();
  tap(5);
  assert.equal(likes.others(3), 0);
  assert.equal(likes.others(10), 8);
  assert.equal(likes.others(10), 10);
  tap(5);
  await clock.pass(HEARTS_ECHO_MS);
  assert.equal(likes.others(10), 10);
});
