import assert from "node:assert/strict";
import { test } from "node:test";
import { Messages } from "../../src/live/messages";
import { Outbox } from "../../src/live/outbox";
import type { Message } from "../../src/live/protocol";
import { TestClock, TestServer, settled, type Sent } from "./support";

function open() {
  const clock = new TestClock();
  const server = new TestServer();
  const rpc = server.rpc;
  const outbox = new Outbox(rpc, clock);
  outbox.online();
  const session = { user: "ann", outbox, query: (method: string, data: object = {}) => rpc(method, data) as Promise<never> };
  return { server, messages: new Messages(session) };
}

/** The newest command of a method. */
function last(server: TestServer, method: string): Sent {
  const found = server.sent.findLast((sent) => sent.method === method);
  assert.ok(found, `${method} was sent`);
  return found;
}

const message = (position: number, from: string, number: number): Message => ({ position, time: position, from, number, text: `${from} ${number}` });
const pushed = (position: number, from: string, to: string, number: number) => ({ type: "message" as const, to, ...message(position, from, number) });

async function begun(answer: object) {
  const { server, messages } = open();
  messages.open("bob");
  await settled();
  await last(server, "message.list").answer({ unread: 0, read: 0, read_by: 0, ...answer });
  const thread = messages.thread.value;
  assert.ok(thread);
  return { server, messages, thread };
}

test("what_is_pushed_and_what_is_listed_is_shown_once_in_the_order_of_the_journal", async () => {
  const { server, messages, thread } = await begun({ messages: [message(30, "ann", 2), message(20, "bob", 1)], cursor: "older" });
  messages.take(pushed(40, "bob", "ann", 2));
  messages.take(pushed(40, "bob", "ann", 2));
  messages.take(pushed(41, "cat", "ann", 1));
  assert.deepEqual(thread.shown.value.map(({ position }) => position), [20, 30, 40]);
  void thread.more();
  await settled();
  assert.equal(last(server, "message.list").data.cursor, "older");
  await last(server, "message.list").answer({ messages: [message(20, "bob", 1), message(10, "ann", 1)], unread: 0, read: 0, read_by: 1 });
  assert.deepEqual(thread.shown.value.map(({ position }) => position), [10, 20, 30, 40]);
  assert.equal(thread.state.value, "all");
  assert.equal(thread.readBy.value, 1);
});

test("who_was_away_for_long_begins_anew_and_keeps_what_was_pushed_meanwhile", async () => {
  const { server, messages, thread } = await begun({ messages: [message(20, "bob", 1)] });
  messages.online();
  messages.take(pushed(90, "bob", "ann", 9));
  await settled();
  await last(server, "message.list").answer({ messages: [message(80, "bob", 8)], cursor: "between", unread: 9, read: 0, read_by: 0 });
  assert.deepEqual(thread.shown.value.map(({ position }) => position), [80, 90]);
  assert.equal(thread.state.value, "more");
});

test("a_message_is_on_its_way_until_it_is_seen_and_comes_back_when_it_is_refused", async () => {
  const { server, messages, thread } = await begun({ messages: [] });
  thread.send("hi");
  assert.deepEqual(thread.outgoing.value.map(({ text }) => text), ["hi"]);
  await last(server, "message.send").answer({ position: 50, number: 1 });
  assert.equal(thread.outgoing.value.length, 1, "the answer alone shows nothing");
  messages.take(pushed(50, "ann", "bob", 1));
  assert.deepEqual([thread.outgoing.value.length, thread.shown.value.length], [0, 1]);
  thread.send("again");
  await last(server, "message.send").fail(471);
  assert.equal(thread.outgoing.value.length, 0);
  assert.match(thread.refused.value ?? "", /wait for an answer/);
  assert.equal(thread.returned.value, "again");
});

test("what_is_looked_at_is_read_once_and_marks_go_forward_only", async () => {
  const { server, messages, thread } = await begun({ messages: [message(30, "bob", 2), message(20, "bob", 1)], unread: 2 });
  thread.look();
  thread.look();
  await settled();
  const reads = server.sent.filter(({ method }) => method === "message.read");
  assert.deepEqual(reads.map(({ data }) => [data.with, data.upto]), [["bob", 2]]);
  messages.take({ type: "message_read", position: 60, time: 60, reader: "bob", from: "ann", upto: 3 });
  messages.take({ type: "message_read", position: 61, time: 61, reader: "bob", from: "ann", upto: 2 });
  assert.equal(thread.readBy.value, 3);
});

test("the_list_tells_how_many_are_unread_and_is_read_again_when_something_comes", async () => {
  const { server, messages } = open();
  messages.online();
  await settled();
  await last(server, "conversation.list").answer({ conversations: [{ with: "bob", unread: 2, read: 0, read_by: 0, last: message(9, "bob", 2) }], unread: 2 });
  assert.equal(messages.unread.value, 2);
  messages.take(pushed(10, "bob", "ann", 3));
  await settled();
  await last(server, "conversation.list").answer({ conversations: [{ with: "bob", unread: 3, read: 0, read_by: 0, last: message(10, "bob", 3) }], unread: 3 });
  assert.equal(messages.unread.value, 3);
  assert.equal(messages.conversations.listed.value.entries[0]?.last.position, 10);
});
