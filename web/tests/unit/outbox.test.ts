import assert from "node:assert/strict";
import { test } from "node:test";
import { OUTBOX_COMMANDS_MAX, RETRY_DELAY_MS_MIN } from "../../src/live/limits";
import { Outbox, Refusal } from "../../src/live/outbox";
import { settled, TestClock, TestServer } from "./support";

const CONNECTION_CLOSED = 11;
const TIMEOUT = 1;
const BUSY = 400;

function setUp() {
  const clock = new TestClock();
  const server = new TestServer();
  return { clock, server, outbox: new Outbox(server.rpc, clock) };
}

test("a_command_made_offline_waits_and_goes_out_with_the_connection", async () => {
  const { server, outbox } = setUp();
  const answer = outbox.submit("a", "chat.send", { text: "hi" });
  assert.equal(server.sent.length, 0);
  assert.equal(outbox.waiting, 1);
  outbox.online();
  await server.nth(0).answer({ position: 7 });
  assert.deepEqual(await answer, { position: 7 });
  assert.equal(outbox.waiting, 0);
});

test("a_command_cut_off_by_a_lost_connection_is_repeated_with_the_same_id_and_body", async () => {
  const { server, outbox } = setUp();
  outbox.online();
  const answer = outbox.submit("a", "gift.send", { gift: "heart" });
  outbox.offline();
  await server.nth(0).fail(CONNECTION_CLOSED);
  assert.equal(server.sent.length, 1);
  outbox.online();
  assert.deepEqual(server.nth(1).data, server.nth(0).data);
  await server.nth(1).answer({ position: 1 });
  assert.deepEqual(await answer, { position: 1 });
});

test("different_commands_have_different_ids", () => {
  const { server, outbox } = setUp();
  outbox.online();
  for (let n = 0; n < 20; n += 1) void outbox.submit(`lane ${n}`, "chat.send", {});
  assert.equal(new Set(server.sent.map(({ data }) => data.command_id)).size, 20);
});

test("a_timed_out_or_busy_command_is_repeated_later_with_the_same_id", async () => {
  for (const code of [TIMEOUT, BUSY, 100, 111]) {
    const { clock, server, outbox } = setUp();
    outbox.online();
    void outbox.submit("a", "chat.send", {});
    await server.nth(0).fail(code);
    assert.equal(server.sent.length, 1, `code ${code} is not repeated at once`);
    await clock.pass(RETRY_DELAY_MS_MIN);
    assert.equal(server.nth(1).data.command_id, server.nth(0).data.command_id);
  }
});

test("a_refusal_is_final", async () => {
  for (const code of [401, 413, 414, 107, 104, 517]) {
    const { clock, server, outbox } = setUp();
    outbox.online();
    const answer = outbox.submit("a", "gift.send", {});
    const refused = assert.rejects(answer, (error) => error instanceof Refusal && error.code === code);
    await server.nth(0).fail(code, "no");
    await refused;
    await clock.pass(60_000);
    assert.equal(server.sent.length, 1);
    assert.equal(outbox.waiting, 0);
  }
});

test("commands_of_a_lane_keep_their_order_and_other_lanes_do_not_wait", async () => {
  const { server, outbox } = setUp();
  outbox.online();
  void outbox.submit("a", "first", {});
  void outbox.submit("a", "second", {});
  void outbox.submit("b", "other", {});
  assert.deepEqual(server.sent.map(({ method }) => method), ["first", "other"]);
  await server.nth(0).answer({});
  assert.deepEqual(server.sent.map(({ method }) => method), ["first", "other", "second"]);
});

test("a_new_connection_does_not_send_what_is_still_being_sent_twice", async () => {
  const { server, outbox } = setUp();
  outbox.online();
  void outbox.submit("a", "chat.send", {});
  outbox.online();
  await settled();
  assert.equal(server.sent.length, 1);
});

test("a_full_outbox_refuses_at_once", async () => {
  const { outbox } = setUp();
  for (let n = 0; n < OUTBOX_COMMANDS_MAX; n += 1) void outbox.submit("a", "chat.send", {});
  await assert.rejects(outbox.submit("a", "chat.send", {}), Refusal);
  assert.equal(outbox.waiting, OUTBOX_COMMANDS_MAX);
});
