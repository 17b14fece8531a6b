import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Api, Denied, Unreached } from "../../src/admin/api";
import { Console } from "../../src/admin/console";
import { Intent } from "../../src/admin/intent";
import type { FiledWithdrawal } from "../../src/admin/protocol";
import { Rows } from "../../src/admin/rows";
import { age, auditWords, powersOver, refusalWords, typedAmount } from "../../src/admin/words";
import { settled, TestClock } from "./support";

/** A browser's storage and a server whose next answers are laid out. */
function setUp() {
  const stored = new Map<string, string>();
  const store = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => { stored.set(key, value); },
    removeItem: (key: string) => { stored.delete(key); },
  };
  const answers: (Response | Error)[] = [];
  const asked: { url: string; method: string; authorization: string | undefined; body: unknown }[] = [];
  const fetch = (async (url: string, init: RequestInit) => {
    const headers = init.headers as Record<string, string>;
    asked.push({ url, method: init.method ?? "", authorization: headers.authorization, body: init.body ? JSON.parse(String(init.body)) : undefined });
    const answer = answers.shift() ?? new TypeError("no network");
    if (answer instanceof Error) throw answer;
    return answer;
  }) as typeof globalThis.fetch;
  let ended = 0;
  return { answers, asked, store, fetch, api: new Api(fetch, store, () => { ended += 1; }), ended: () => ended };
}

const json = (body: object, status = 200): Response => new Response(JSON.stringify(body), { status });

test("who_logs_in_is_known_by_a_token_until_the_logout", async () => {
  const { api, answers, asked } = setUp();
  answers.push(json({ token: "t1", roles: ["finance"], expires: 9 }), json({ ok: 1 }), json({}));
  await api.login("kim", "secret");
  await api.read("/me");
  assert.deepEqual(asked.map(({ url, authorization }) => [url, authorization]), [["/admin/api/login", undefined], ["/admin/api/me", "Bearer t1"]]);
  await api.logout();
  assert.equal(asked[2]?.authorization, "Bearer t1");
  assert.equal(api.isLoggedIn, false);
});

test("a_login_that_no_longer_counts_is_forgotten_and_said", async () => {
  const { api, answers, store, ended } = setUp();
  store.setItem("livehouse.admin.token", "old");
  answers.push(json({ code: 401, message: "log in" }, 401));
  await assert.rejects(api.read("/me"), Denied);
  assert.deepEqual([api.isLoggedIn, ended()], [false, 1]);
});

test("a_login_that_is_missing_is_told_apart_from_a_role_that_is", async () => {
  const { api, answers, store, ended } = setUp();
  store.setItem("livehouse.admin.token", "t");
  answers.push(json({ code: 103, message: "you lack the role finance" }, 403), json({ code: 101, message: "log in first" }, 401));
  const forbidden = await api.read("/withdrawals").catch((cause: unknown) => cause);
  assert.ok(forbidden instanceof Denied);
  assert.match(refusalWords(forbidden), /role/);
  assert.deepEqual([api.isLoggedIn, ended()], [true, 0]);
  await assert.rejects(api.read("/me"), Denied);
  assert.deepEqual([api.isLoggedIn, ended()], [false, 1]);
});

test("a_stop_of_withdrawals_and_too_many_logins_are_refusals_and_not_a_lost_answer", async () => {
  const { api, answers } = setUp();
  answers.push(json({ code: 517, message: "stopped" }, 503), json({ code: 111, message: "too many" }, 429));
  await assert.rejects(api.change("POST", "/x", { command_id: "c" }), (cause) => cause instanceof Denied && cause.code === 517);
  const slowed = await api.login("kim", "x").catch((cause: unknown) => cause);
  assert.ok(slowed instanceof Denied);
  assert.equal(refusalWords(slowed), "Too many tries. Wait a minute.");
});

test("a_reused_command_is_no_ended_login", async () => {
  const { api, answers, store, ended } = setUp();
  store.setItem("livehouse.admin.token", "t");
  answers.push(json({ error: { code: 401, message: "this command_id was used" } }, 422));
  await assert.rejects(api.change("POST", "/x", { command_id: "c" }), (cause) => cause instanceof Denied && cause.code === 401 && cause.status === 422);
  assert.deepEqual([api.isLoggedIn, ended()], [true, 0]);
});

test("a_refusal_keeps_its_number_in_whatever_form_it_comes", async () => {
  for (const answer of [
    json({ code: 516, message: "no" }, 409), json({ error: { code: 516, message: "no" } }, 422), new Response("516: no\n", { status: 422 }),
  ]) {
    const { api, answers } = setUp();
    answers.push(answer);
    await assert.rejects(api.read("/x"), (cause) => cause instanceof Denied && cause.code === 516 && cause.message === "no");
  }
});

test("no_answer_and_an_overloaded_server_leave_it_open_whether_it_was_done", async () => {
  for (const answer of [new TypeError("no network"), new Response("", { status: 502 }), new Response("starting", { status: 503 })]) {
    const { api, answers } = setUp();
    answers.push(answer);
    await assert.rejects(api.change("POST", "/x", { command_id: "c" }), Unreached);
  }
});

test("a_wish_that_got_no_answer_is_repeated_with_the_id_it_has", async () => {
  const ids: string[] = [];
  const intent = new Intent(async (id) => {
    ids.push(id);
    if (ids.length < 3) throw new Unreached("no answer");
    return { position: 7 };
  });
  assert.equal((await intent.run()).at, "unsure");
  assert.equal((await intent.run()).at, "unsure");
  assert.deepEqual(await intent.run(), { at: "done", answer: { position: 7 } });
  assert.equal(new Set(ids).size, 1);
  await intent.run();
  assert.equal(ids.length, 3, "what is done is not sent again");
});

test("after_a_refusal_it_is_a_new_wish", async () => {
  const ids: string[] = [];
  const intent = new Intent(async (id): Promise<object> => { ids.push(id); throw new Denied(422, 516, "no"); });
  assert.equal((await intent.run()).at, "refused");
  await intent.run();
  assert.equal(new Set(ids).size, 2);
});

test("two_presses_at_once_are_one_request", async () => {
  let sent = 0;
  const intent = new Intent(async () => { sent += 1; return {}; });
  await Promise.all([intent.run(), intent.run()]);
  assert.equal(sent, 1);
});

test("rows_that_left_the_list_leave_the_table_and_pages_stay_open", async () => {
  let list = Array.from({ length: 7 }, (_, n) => n);
  const rows = new Rows<number>((cursor) => {
    const from = Number(cursor ?? 0);
    const next = from + 3 < list.length ? `${from + 3}` : undefined;
    return Promise.resolve({ entries: list.slice(from, from + 3), cursor: next });
  });
  await rows.refresh();
  assert.deepEqual(rows.shown.value, { rows: [0, 1, 2], state: "more" });
  await rows.more();
  assert.deepEqual(rows.shown.value.rows, [0, 1, 2, 3, 4, 5]);
  list = list.filter((n) => n !== 1);
  await rows.refresh();
  assert.deepEqual(rows.shown.value, { rows: [0, 2, 3, 4, 5, 6], state: "all" });
});

test("a_table_that_cannot_be_read_keeps_what_it_showed_and_says_so", async () => {
  let down = false;
  const rows = new Rows<number>(() => (down ? Promise.reject(new Unreached("no")) : Promise.resolve({ entries: [1] })));
  await rows.refresh();
  down = true;
  await rows.refresh();
  assert.deepEqual(rows.shown.value, { rows: [1], state: "failed" });
});

const WAITING: FiledWithdrawal = {
  user: "star", withdrawal: "w", tickets: 1, fee: 0, pays: 10, currency: "CNY", account: "a", state: "requested", approvals_needed: 2,
  approved_by: ["kim"], since: 0, changed: 0,
};

test("nobody_is_offered_to_approve_twice_or_what_is_out_of_our_hands", () => {
  assert.deepEqual([powersOver(WAITING, "kim").approve, powersOver(WAITING, "lee").approve], [false, true]);
  assert.deepEqual([powersOver({ ...WAITING, state: "approved" }, "lee").approve, powersOver({ ...WAITING, state: "approved" }, "lee").reject], [false, true]);
  for (const state of ["submitted", "paid", "rejected", "failed"] as const) {
    const { approve, reject } = powersOver({ ...WAITING, state }, "lee");
    assert.deepEqual([approve, reject], [false, false], state);
  }
});

test("an_age_is_told_in_its_largest_units", () => {
  const told = [0, 59, 60, 3_599, 3_600, 86_399, 90_000].map((seconds) => age(0, seconds * 1_000));
  assert.deepEqual(told, ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "23 h 59 min", "1 d 1 h"]);
});

test("an_amount_may_have_a_sign_and_must_be_whole", () => {
  assert.deepEqual(["-1,000", "+5", "−7", "12"].map(typedAmount), [-1_000, 5, -7, 12]);
  for (const text of ["", "1.5", "--1", "many"]) assert.ok(Number.isNaN(typedAmount(text)), text);
});

test("the_audit_names_the_first_position_that_does_not_add_up", () => {
  assert.equal(auditWords({ ok: true, position: 12_345, records: 0 }), "The books add up at position 12,345");
  assert.equal(auditWords({ ok: false, position: 20_000, records: 1, broken: { position: 12_346, invariant: 2, what: "-40" } }), "The books do not add up from position 12,346 on");
});

test("every_refusal_about_money_has_a_next_step_for_staff", async () => {
  const protocol = await readFile(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
  const codes = [...protocol.matchAll(/^\| *(5[0-2]\d) *\|/gm)].map(([, code]) => Number(code));
  assert.ok(codes.length > 10);
  // Of buying and asking for money: no request of staff is refused with them.
  const users = [500, 510, 513];
  for (const code of codes.filter((code) => !users.includes(code))) {
    assert.ok(!refusalWords(new Denied(422, code, "fallback")).includes("Fallback"), `no words for ${code}`);
  }
});

test("the_console_goes_on_with_a_login_that_counts_and_watches_the_audit", async () => {
  const { fetch, store, answers, asked } = setUp();
  const clock = new TestClock();
  store.setItem("livehouse.admin.token", "t");
  answers.push(json({ name: "kim", roles: ["finance"], expires: 9 }), json({ ok: true, position: 4 }));
  const console = new Console(fetch, store, clock);
  await console.start();
  await settled();
  await settled();
  assert.deepEqual([console.staff.value?.name, console.may("finance"), console.may("catalogue")], ["kim", true, false]);
  assert.equal(console.audit.value?.position, 4);
  answers.push(json({ ok: false, position: 9, broken: { position: 5 } }));
  await clock.pass(5_000);
  assert.equal(console.audit.value?.ok, false);
  await clock.pass(5_000);
  assert.equal(console.unreached.value, true);
  const before = asked.length;
  await console.logout();
  await clock.pass(60_000);
  assert.equal(asked.length, before + 1, "after the logout nothing is asked");
});
