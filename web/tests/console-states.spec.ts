// The console of staff in every state, looked at in Chromium against a fake desk: the queue, refusals, lost answers, corrections,
// the catalogue, unmatched payments, books that do not add up. Pictures go to SCREENSHOTS_DIR.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium, type Browser, type BrowserContextOptions } from "playwright-core";
import type { FiledWithdrawal } from "../src/admin/protocol";
import { FakeDesk } from "./browser/desk";
import { CHROMIUM, DESK, FLAGS, PHONE, PICTURES, WAIT_MS_MAX } from "./browser/settings";

const MINUTE_MS = 60_000;
const LONG_NAME = "the.longest-name_that@this.house-allows_is.sixty-four.letters.xx";

function filed(n: number, user: string, tickets: number, more: Partial<FiledWithdrawal> = {}): FiledWithdrawal {
  const since = Date.now() - n * 97 * MINUTE_MS;
  const fee = Math.ceil(tickets * 0.05);
  return {
    user, withdrawal: `w${n}`, tickets, fee, pays: (tickets - fee) * 10, currency: "CNY", account: "ICBC 6222 0212 3456 7890", state: "requested",
    approvals_needed: tickets >= 100_000 ? 2 : 1, approved_by: [], since, changed: since, ...more,
  };
}

const QUEUE: FiledWithdrawal[] = [
  filed(40, "aurora", 820_000, { approved_by: ["lee"] }), filed(21, "mira", 120_000, { approved_by: ["kim"] }), filed(18, "otis", 45_200),
  filed(9, LONG_NAME, 1_000_000, { account: `${LONG_NAME} at a bank with a long name` }), filed(5, "juno", 3_480, { account: "Alipay juno@example.org" }),
  filed(2, "tariq", 990), filed(0, "star", 120_000),
  filed(60, "lena", 10_000, { state: "approved", approved_by: ["kim"] }), filed(80, "bo", 20_000, { state: "submitted", approved_by: ["lee"], provider: "sandbox" }),
  filed(90, "nora", 20_000, { state: "paid", approved_by: ["lee"], reference: "SANDBOX-20261124-000183" }),
  filed(91, "theo", 30_000, { state: "rejected", rejected_by: "kim", reason: "The name on the account is not the streamer’s" }),
];
const GIFTS = [
  { id: "heart", name: "Heart", coins: 1, tickets: 1 }, { id: "rose", name: "Rose", coins: 10, tickets: 10 }, { id: "beer", name: "Beer", coins: 66, tickets: 66 },
  { id: "rocket", name: "Rocket", coins: 1_000, tickets: 1_000 }, { id: "castle", name: "Castle", coins: 9_999, tickets: 9_999 },
];

describe("the console of staff", { timeout: 120_000 }, () => {
  let browser: Browser;
  const broken: string[] = [];

  before(async () => {
    await mkdir(PICTURES, { recursive: true });
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  });

  after(async () => { await browser?.close(); });

  async function desk(section = "withdrawals", { roles, ...options }: BrowserContextOptions & { roles?: string[] } = {}): Promise<FakeDesk> {
    const context = await browser.newContext({ viewport: DESK, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(WAIT_MS_MAX);
    context.on("weberror", (error) => broken.push(String(error.error())));
    const made = new FakeDesk(await context.newPage(), "kim", roles);
    made.withdrawals = QUEUE;
    made.gifts = GIFTS;
    await made.open(section);
    return made;
  }

  const picture = ({ page }: FakeDesk, name: string) => page.screenshot({ path: join(PICTURES, `${name}.png`) });
  const row = ({ page }: FakeDesk, user: string) => page.locator(`tr[data-user="${user}"]`);

  async function assertFits({ page }: FakeDesk, what: string): Promise<void> {
    const wide = await page.evaluate(() => Math.max(...[document.documentElement, ...document.querySelectorAll("main, dialog")].map((node) => node.scrollWidth - node.clientWidth)));
    assert.ok(wide <= 0, `${what} is ${wide} px too wide`);
  }

  for (const [name, viewport] of [["desk", DESK], ["phone", PHONE]] as const) {
    test(`the_queue_is_fit_to_be_seen_on_a_${name}`, async () => {
      const made = await desk("withdrawals", { viewport });
      await picture(made, `console-login-${name}`);
      await made.login();
      await row(made, "star").waitFor();
      await row(made, "otis").focus();
      await picture(made, `console-queue-${name}`);
      await assertFits(made, "the queue");
      await made.page.keyboard.press("a");
      await made.page.getByRole("dialog", { name: "Approve and pay out" }).waitFor();
      await picture(made, `console-approve-${name}`);
      await assertFits(made, "the approval");
      await made.page.context().close();
    });

    test(`every_other_section_is_fit_to_be_seen_on_a_${name}`, async () => {
      const made = await desk("users", { viewport });
      made.payments = [
        { provider: "sandbox", payment: "pay_9f2c1be07d3a4e55", order: "9f2c1be07d3a4e55a1b2c3d4e5f60718", amount: 9_900, currency: "CNY", code: 502, reason: "amount or currency are not the order's", since: Date.now() - 40 * MINUTE_MS },
        { provider: "sandbox", payment: "pay_77aa", order: LONG_NAME, amount: 64_800, currency: "USD", code: 501, reason: "no such order", since: Date.now() - 4_000 * MINUTE_MS },
      ];
      await made.login();
      await made.page.getByLabel("User", { exact: true }).fill("ann");
      await made.page.getByLabel("Amount").fill("-1,000");
      await made.page.getByLabel("Reason").fill("charged twice by mistake on Nov 24, ticket 8812");
      await made.page.getByRole("button", { name: "Review…" }).click();
      await made.page.getByRole("button", { name: "Take away" }).click();
      await made.page.getByRole("cell", { name: "12,980 coins" }).waitFor();
      await picture(made, `console-users-${name}`);
      await assertFits(made, "corrections");
      for (const [n, section, ready] of [[3, "gifts", "9,999"], [4, "payments", "502: "], [5, "audit", "Every coin"]] as const) {
        await made.page.locator("main h1").click();
        await made.page.keyboard.press(`${n}`);
        await made.page.getByText(ready).first().waitFor();
        await picture(made, `console-${section}-${name}`);
        await assertFits(made, section);
      }
      made.audit = { ok: false, position: 1_300_000, records: 3, broken: { position: 1_204_519, invariant: 2, words: "no account is overdrawn", what: "coins of ann stand at -40" } };
      await made.page.locator("[data-testid=verdict][data-ok=false]").waitFor();
      await picture(made, `console-broken-${name}`);
      await assertFits(made, "the audit");
      await made.page.context().close();
    });
  }

  test("nobody_comes_in_without_the_right_password", async () => {
    const made = await desk();
    await made.login("guess");
    await made.page.getByText("Name or password are not right.").waitFor();
    assert.equal(await made.page.getByLabel("Password").inputValue(), "");
    await made.login();
    await row(made, "star").waitFor();
    await made.page.reload();
    await row(made, "star").waitFor();
    await made.page.getByRole("button", { name: "Log out" }).click();
    await made.page.getByLabel("Password").waitFor();
    await made.page.reload();
    await made.page.getByLabel("Password").waitFor();
    await made.page.context().close();
  });

  test("the_keyboard_does_the_whole_work", async () => {
    const made = await desk();
    const { page } = made;
    await made.login();
    await row(made, "star").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    assert.equal(await page.evaluate(() => (document.activeElement as HTMLElement).dataset.user), "otis");
    await page.keyboard.press("a");
    await page.getByRole("button", { name: /^Approve, pay CNY/ }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("Approved: otis").waitFor();
    assert.equal(await page.evaluate(() => (document.activeElement as HTMLElement).dataset.user), "otis", "one goes on where one was");
    await page.keyboard.press("r");
    await page.getByRole("dialog", { name: "Reject" }).waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("Say why: the streamer reads it.").waitFor();
    await page.keyboard.type("wrong name");
    await page.keyboard.press("Enter");
    await page.getByText("Rejected: otis.").waitFor();
    assert.deepEqual(made.asked.map(({ path, body: { command_id, ...body } }) => [path, body, typeof command_id]), [
      ["/withdrawals/otis/w18/approve", {}, "string"], ["/withdrawals/otis/w18/reject", { reason: "wrong name" }, "string"],
    ]);
    await page.keyboard.press("3");
    await page.getByRole("heading", { name: "Gifts" }).waitFor();
    await page.context().close();
  });

  test("what_one_has_approved_is_not_offered_to_oneself_again", async () => {
    const made = await desk();
    await made.login();
    assert.ok(await row(made, "mira").getByRole("button", { name: "Approve" }).isDisabled());
    await row(made, "mira").focus();
    await made.page.keyboard.press("a");
    await made.page.getByText("You have approved this; somebody else has to.").waitFor();
    assert.equal(await made.page.getByRole("dialog").count(), 0);
    await made.page.context().close();
  });

  test("a_refusal_is_told_by_its_number_with_the_next_step", async () => {
    const made = await desk();
    await made.login();
    made.troubles.push({ status: 422, code: 516, message: "no" });
    await row(made, "otis").getByRole("button", { name: "Approve" }).click();
    await made.page.getByRole("button", { name: /^Approve, pay/ }).click();
    await made.page.locator("[data-testid=refused][data-code='516']", { hasText: "Another person of staff has to." }).waitFor();
    await picture(made, "console-refused-desk");
    await made.page.context().close();
  });

  test("an_answer_that_got_lost_is_asked_for_again_under_the_same_id", async () => {
    const made = await desk();
    await made.login();
    made.troubles.push("broken");
    await row(made, "otis").getByRole("button", { name: "Approve" }).click();
    await made.page.getByRole("button", { name: /^Approve, pay/ }).click();
    await made.page.getByTestId("unsure").waitFor();
    await picture(made, "console-unsure-desk");
    await made.page.getByRole("button", { name: "Try again" }).click();
    await made.page.getByText("Approved: otis").waitFor();
    const ids = made.asked.map(({ body }) => body.command_id);
    assert.deepEqual([ids.length, new Set(ids).size], [2, 1]);
    await made.page.context().close();
  });

  test("prices_are_changed_gifts_added_and_delisted", async () => {
    const made = await desk("gifts");
    const { page } = made;
    await made.login();
    await page.locator("tr[data-gift=rose]").getByRole("button", { name: "Change" }).click();
    await page.getByLabel("Coins it costs").fill("0");
    await page.getByRole("dialog").getByRole("button", { name: "Change" }).click();
    await page.getByText("Coins must be 1 to 1,000,000,000.").waitFor();
    await page.getByLabel("Coins it costs").fill("12");
    await page.getByRole("dialog").getByRole("button", { name: "Change" }).click();
    await page.getByText("Rose has its new price.").waitFor();
    await page.getByRole("button", { name: "Add a gift" }).click();
    await page.getByLabel("Id", { exact: false }).first().fill("moon");
    await page.getByLabel("Name").fill("Moon");
    await page.getByLabel("Coins it costs").fill("500");
    await page.getByLabel("Tickets it gives").fill("450");
    await page.getByRole("button", { name: "Put on offer" }).click();
    await page.getByText("The gift is on offer.").waitFor();
    await page.locator("tr[data-gift=beer]").getByRole("button", { name: "Delist" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delist" }).click();
    await page.getByText("Beer is off offer.").waitFor();
    assert.deepEqual(made.asked.map(({ method, path, body: { command_id: _, ...body } }) => [method, path, body]), [
      ["PUT", "/gifts/rose", { name: "Rose", coins: 12, tickets: 10 }], ["PUT", "/gifts/moon", { name: "Moon", coins: 500, tickets: 450 }], ["DELETE", "/gifts/beer", {}],
    ]);
    await page.context().close();
  });

  test("who_lacks_a_role_is_told_which", async () => {
    const made = await desk("withdrawals", { roles: ["catalogue"] });
    await made.login();
    await made.page.getByText("It needs the role finance.").waitFor();
    await made.page.context().close();
  });

  test("empty_lists_say_so", async () => {
    const made = await desk();
    made.withdrawals = [];
    await made.login();
    await made.page.getByText("Nothing waits for you.").waitFor();
    await picture(made, "console-empty-desk");
    await made.page.context().close();
  });

  test("nothing_in_the_pages_broke", () => { assert.deepEqual(broken, []); });
});
