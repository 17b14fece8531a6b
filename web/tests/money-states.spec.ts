// Every state of a user's money on the page, looked at in Chromium against a fake feed: packs and debts, the way to the pay page
// and back, a long history, withdrawals in every state, refusals. Pictures go to SCREENSHOTS_DIR.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium, type Browser, type BrowserContextOptions } from "playwright-core";
import type { HistoryEntry, Pack, RechargeOrder, Withdrawal } from "../src/live/protocol";
import { FakeRoom } from "./browser/fake";
import { CHROMIUM, DESK, FLAGS, PHONE, PICTURES, WAIT_MS_MAX } from "./browser/settings";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const PACKS: Pack[] = [
  { id: "a", coins: 60, price: 600, currency: "CNY" }, { id: "b", coins: 300, price: 3_000, currency: "CNY" },
  { id: "c", coins: 980, price: 9_800, currency: "CNY" }, { id: "d", coins: 1_980, price: 19_800, currency: "CNY" },
  { id: "e", coins: 6_480, price: 64_800, currency: "CNY" }, { id: "f", coins: 100_000, price: 999_900, currency: "CNY" },
];
const TERMS = { currency: "CNY", minor_per_ticket: 10, fee_per_mille: 50, tickets_min: 100, tickets_max: 1_000_000, two_approvals_from: 100_000 };
const ORDER = "9f2c1be07d3a4e55a1b2c3d4e5f60718";
/** As long as an id may be. */
const LONG_NAME = "the.longest-name_that@this.house-allows_is.sixty-four.letters.xx";

function order(state: RechargeOrder["state"], n = 0): RechargeOrder {
  return { order: ORDER.slice(0, 30) + String(n).padStart(2, "0"), pack: "c", coins: 980, price: 9_800, currency: "CNY", state, since: Date.now() - n * DAY_MS };
}

function withdrawal(n: number, state: Withdrawal["state"], more: Partial<Withdrawal> = {}): Withdrawal {
  const since = Date.now() - n * DAY_MS * 3;
  return { withdrawal: `w${n}`, tickets: 120_000, fee: 6_000, pays: 1_140_000, currency: "CNY", account: "ICBC 6222 0212 3456 7890", state, since, changed: since, ...more };
}

const WITHDRAWALS: Withdrawal[] = [
  withdrawal(0, "requested"), withdrawal(1, "submitted"), withdrawal(2, "approved"), withdrawal(3, "paid", { reference: "SANDBOX-20261124-000183" }),
  withdrawal(4, "rejected", { reason: "The name on the account is not yours" }),
  withdrawal(5, "failed", { reason: "account closed", account: `${LONG_NAME} at a bank with a long name too` }),
];

const STORY: Partial<HistoryEntry>[] = [
  { type: "gift_sent", gift: "castle", room: "star", count: 1, coins: -9_999 },
  { type: "gift_sent", gift: "heart", room: LONG_NAME, count: 130, coins: -130 },
  { type: "withdrawal_requested", tickets: -120_000, held: 120_000, withdrawal: "w0" },
  { type: "tickets_credited", gifts: 4_096, tickets: 40_960 },
  { type: "coins_recharged", coins: 780, debt: -200, order: ORDER },
  { type: "coins_taken_back", coins: -780, debt: 200, order: ORDER },
  { type: "coins_adjusted", coins: 500, reason: "a welcome from the house" },
  { type: "withdrawal_paid", held: -120_000, withdrawal: "w3" },
  { type: "withdrawal_rejected", tickets: 120_000, held: -120_000, reason: "The name on the account is not yours" },
];

describe("the states of a user's money", { timeout: 120_000 }, () => {
  let browser: Browser;
  const broken: string[] = [];

  before(async () => {
    await mkdir(PICTURES, { recursive: true });
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  });

  after(async () => { await browser?.close(); });

  /** What `wallet.get` says, and pages of whatever there is a list of. */
  async function enter(user: string, purse: object = {}, options: BrowserContextOptions = {}, room = "star"): Promise<FakeRoom> {
    const context = await browser.newContext({ viewport: DESK, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(WAIT_MS_MAX);
    context.on("weberror", (error) => broken.push(String(error.error())));
    const fake = new FakeRoom(await context.newPage(), room, { viewers: 18_204, likes: 402_113, tickets: 96_240 });
    fake.answers.set("wallet.get", () => ({ coins: 12_480, tickets: 340_960, held: 0, debt: 0, position: 1, ...purse }));
    fake.answers.set("recharge.packs", () => ({ packs: PACKS }));
    fake.answers.set("recharge.list", () => ({ orders: [] }));
    fake.answers.set("recharge.create", () => ({ position: 9, order: ORDER, coins: 980, price: 9_800, currency: "CNY", pay: { provider: "sandbox", url: `/dev/pay?order=${ORDER}` } }));
    fake.answers.set("wallet.history", () => ({ entries: [] }));
    fake.answers.set("withdraw.list", () => ({ withdrawals: [] }));
    fake.answers.set("withdraw.terms", () => TERMS);
    fake.answers.set("gift.stats", () => ({ gifts: [], position: 1 }));
    await fake.open(user);
    return fake;
  }

  const picture = (fake: FakeRoom, name: string) => fake.page.screenshot({ path: join(PICTURES, `${name}.png`) });

  async function assertFits(fake: FakeRoom, what: string): Promise<void> {
    const wide = await fake.page.evaluate(() => {
      const over = [document.documentElement, ...document.querySelectorAll<HTMLElement>(".sheet, .sheet-body, .endless")];
      return over.map((node) => node.scrollWidth - node.clientWidth).filter((px) => px > 0);
    });
    assert.deepEqual(wide, [], `${what} is too wide`);
  }

  for (const [name, viewport] of [["desk", DESK], ["phone", PHONE]] as const) {
    test(`packs_are_offered_on_a_${name}`, async () => {
      const fake = await enter("ann", {}, { viewport });
      await fake.page.getByRole("button", { name: "Get coins" }).click();
      await fake.page.locator("[data-pack=f]").waitFor();
      await picture(fake, `recharge-${name}`);
      await assertFits(fake, "the recharge");
      await fake.page.context().close();
    });

    test(`a_debt_is_said_in_plain_words_on_a_${name}`, async () => {
      const fake = await enter("ann", { coins: 12, debt: 1_240 }, { viewport });
      await fake.page.getByTestId("owed").getByText("1,240 owed").waitFor();
      await fake.page.getByRole("button", { name: "Get coins" }).click();
      await fake.page.getByText("You owe 1,240 coins.").waitFor();
      await fake.page.locator("[data-pack=d]", { hasText: "740 after your debt" }).waitFor();
      await fake.page.locator("[data-pack=c]", { hasText: "pays debt only" }).waitFor();
      await picture(fake, `recharge-debt-${name}`);
      await assertFits(fake, "the recharge");
      await fake.page.context().close();
    });

    test(`the_wallet_tells_its_history_and_goes_on_as_one_scrolls_on_a_${name}`, async () => {
      const fake = await enter("star", { held: 120_000 }, { viewport });
      fake.answers.set("wallet.history", ({ cursor }) => {
        const from = Number(cursor ?? 0);
        const entries = Array.from({ length: 30 }, (_, n) => from + n).map((n) => ({
          position: 9_000 - n, time: Date.now() - n * 97 * MINUTE_MS, ...STORY[n % STORY.length],
        }));
        return { entries, ...(from < 60 ? { cursor: `${from + 30}` } : {}) };
      });
      fake.answers.set("recharge.list", () => ({ orders: [order("created"), order("paid", 1), order("refunded", 2), order("cancelled", 9)] }));
      fake.answers.set("withdraw.list", () => ({ withdrawals: WITHDRAWALS }));
      const { page } = fake;
      await page.getByRole("button", { name: /^Wallet/ }).click();
      await page.getByTestId("history").getByText("Castle to star").first().waitFor();
      await page.getByTestId("wallet-held").getByText("120,000").waitFor();
      await picture(fake, `wallet-${name}`);
      await assertFits(fake, "the wallet");
      const entries = page.getByTestId("history").locator("[data-type]");
      while (await page.getByTestId("history").getAttribute("data-state") !== "all") {
        await entries.last().scrollIntoViewIfNeeded();
        await page.evaluate(() => new Promise(requestAnimationFrame));
      }
      assert.equal(await entries.count(), 90);
      await page.getByRole("tab", { name: "Recharges" }).click();
      await page.getByText("Refunded").waitFor();
      await picture(fake, `wallet-orders-${name}`);
      await page.keyboard.press("ArrowRight");
      await page.getByText("Turned down").waitFor();
      await picture(fake, `wallet-withdrawals-${name}`);
      await assertFits(fake, "the list of withdrawals");
      fake.tell({ type: "withdrawal", withdrawal: "w0", state: "paid", tickets: 120_000, reference: "SANDBOX-1" });
      await page.locator("[data-withdrawal=w0][data-state=paid]").waitFor();
      await page.getByText("Your withdrawal of 120,000 tickets has been paid.").waitFor();
      await page.context().close();
    });

    test(`a_withdrawal_is_reckoned_while_one_types_on_a_${name}`, async () => {
      const fake = await enter("star", {}, { viewport });
      fake.answers.set("withdraw.list", () => ({ withdrawals: WITHDRAWALS.slice(0, 1) }));
      const { page } = fake;
      await page.getByRole("button", { name: /^Wallet/ }).click();
      await page.getByRole("button", { name: "Withdraw" }).click();
      await page.getByLabel("Tickets", { exact: true }).fill("99");
      await page.getByText("At least 100 tickets at once.").waitFor();
      await page.getByLabel("Tickets", { exact: true }).fill("340,961");
      await page.getByText("You have 340,960 tickets to withdraw.").waitFor();
      await page.getByLabel("Tickets", { exact: true }).fill("120 000");
      await page.locator("[data-testid=quote][data-fee='6000'][data-pays='1140000']").waitFor();
      await page.getByText("two of our staff").waitFor();
      await page.getByTestId("withdraw-submit").click();
      await page.getByText("Say where the money should go.").waitFor();
      assert.deepEqual(fake.asked.filter(({ method }) => method === "withdraw.request"), []);
      await page.getByLabel("Account to pay to").fill("ICBC 6222 0212 3456 7890");
      await picture(fake, `withdraw-${name}`);
      await assertFits(fake, "the form");
      fake.answers.set("withdraw.request", () => ({ code: 517, message: "withdrawals are stopped" }));
      await page.getByTestId("withdraw-submit").click();
      await page.getByText("Withdrawals are stopped for a check of the books.").waitFor();
      await picture(fake, `withdraw-refused-${name}`);
      fake.answers.set("withdraw.request", ({ tickets }) => ({ position: 7, withdrawal: "w9", tickets, fee: 6_000, pays: 1_140_000, currency: "CNY", tickets_left: 1, held: 1 }));
      await page.getByTestId("withdraw-submit").click();
      await page.getByTestId("withdraw-done").waitFor();
      const ids = fake.asked.filter(({ method }) => method === "withdraw.request").map(({ data }) => data.command_id);
      assert.equal(new Set(ids).size, 2, "a new wish after a refusal has its own id");
      await page.context().close();
    });

    test(`a_big_gift_elsewhere_is_announced_on_a_${name}`, async () => {
      const fake = await enter("ann", {}, { viewport });
      fake.publish({ type: "big_gift", user: "juno", room: "aurora", gift: "castle", count: 12, coins: 119_988, position: 77 });
      await fake.page.getByTestId("big-gift").waitFor();
      await picture(fake, `big-gift-${name}`);
      await assertFits(fake, "the announcement");
      await fake.page.context().close();
    });

    test(`an_empty_wallet_says_what_will_be_there_on_a_${name}`, async () => {
      const fake = await enter("ann", { coins: 0, tickets: 0 }, { viewport });
      await fake.page.getByRole("button", { name: /^Wallet/ }).click();
      await fake.page.getByText("Nothing has happened yet.").waitFor();
      await picture(fake, `wallet-empty-${name}`);
      await fake.page.context().close();
    });
  }

  test("a_gift_that_is_too_dear_leads_to_the_recharge", async () => {
    const fake = await enter("ann", { coins: 5 });
    await fake.page.locator("button.gift[data-gift=rose]").click();
    await fake.page.getByText("Not enough coins.").waitFor();
    await fake.page.locator(".notice").getByRole("button", { name: "Get coins" }).click();
    await fake.page.getByRole("dialog", { name: "Get coins" }).waitFor();
    await fake.page.context().close();
  });

  test("the_way_back_from_the_pay_page_waits_for_the_servers_word", async () => {
    const fake = await enter("ann");
    const { page } = fake;
    fake.answers.set("recharge.list", () => ({ orders: [{ ...order("created"), order: ORDER }] }));
    await page.getByRole("button", { name: "Get coins" }).click();
    await page.locator("[data-pack=c]").click();
    await page.getByRole("heading", { name: "Pay" }).waitFor();
    await page.goto(`http://livehouse.test/?paid=${ORDER}`);
    await page.locator("[data-testid=payment][data-state=waiting]").waitFor();
    assert.equal(page.url(), "http://livehouse.test/?user=ann&room=star");
    await page.getByText("980 coins for ¥98.00 come as soon as it is here.").waitFor();
    await picture(fake, "payment-waiting-desk");
    await page.setViewportSize(PHONE);
    await picture(fake, "payment-waiting-phone");
    fake.answers.set("recharge.list", () => ({ orders: [{ ...order("paid"), order: ORDER }] }));
    fake.tell({ type: "balance", coins: 13_460, tickets: 340_960, held: 0, debt: 0 });
    await page.getByText("Payment received.").waitFor();
    await picture(fake, "payment-received-phone");
    await page.reload();
    await page.locator("[data-testid=coins][data-position]").waitFor();
    assert.equal(await page.getByTestId("payment").count(), 0, "it is said once");
    await page.context().close();
  });

  test("who_comes_back_with_the_back_button_may_pay_or_cancel", async () => {
    const fake = await enter("ann");
    const { page } = fake;
    fake.answers.set("recharge.list", () => ({ orders: [{ ...order("created"), order: ORDER }] }));
    await page.getByRole("button", { name: "Get coins" }).click();
    await page.locator("[data-pack=c]").click();
    await page.getByRole("heading", { name: "Pay" }).waitFor();
    await page.goBack();
    await page.locator("[data-testid=payment][data-state=waiting]").waitFor();
    await page.getByRole("button", { name: "Cancel order" }).click();
    await page.getByText("Order cancelled.").waitFor();
    assert.deepEqual(fake.asked.filter(({ method }) => method === "recharge.cancel").map(({ data }) => data.order), [ORDER]);
    await page.context().close();
  });

  test("what_each_gift_has_brought_stands_beside_the_supporters", async () => {
    const fake = await enter("ann");
    fake.answers.set("gift.stats", () => ({ position: 9, gifts: [{ gift: "castle", count: 3, coins: 29_997, tickets: 29_997 }, { gift: "heart", count: 4_120, coins: 4_120, tickets: 4_120 }] }));
    await fake.page.getByRole("tab", { name: "Gifts" }).click();
    await fake.page.locator("[data-testid=gift-stats] [data-gift=heart][data-count='4120']").waitFor();
    await picture(fake, "gift-stats-desk");
    await fake.page.context().close();
  });

  test("nothing_in_the_pages_broke", () => { assert.deepEqual(broken, []); });
});
