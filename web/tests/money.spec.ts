// Money from one end to the other, against the real server in Chromium: a viewer pays on the sandbox's page and sends gifts, the
// streamer earns and asks for a withdrawal that two of staff have to approve, and what everybody's history says adds up.
// SERVER_BIN names the server; pictures go to SCREENSHOTS_DIR.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium, type Browser, type Page } from "playwright-core";
import { RoomView, sumOfHistory } from "./browser/page";
import { Server } from "./browser/server";
import { CHROMIUM, DESK, FLAGS, PHONE, PICTURES, WAIT_MS_MAX } from "./browser/settings";

const BINARY = process.env.SERVER_BIN;
/** Enough for a withdrawal that needs two approvals; what nobody should have to buy in a test. */
const GRANTED = 120_000;
const CASTLE = 9_999;
const CASTLES = 11;
const WITHDRAWN = 105_000;

describe("money from one end to the other", { timeout: 240_000 }, () => {
  let server: Server;
  let browser: Browser;
  let ann: RoomView;
  let star: RoomView;
  let kim: Page;
  let lee: Page;
  /** What ann has, as the test counts. */
  let coins = 0;
  const broken: string[] = [];

  async function page(viewport = DESK): Promise<Page> {
    const context = await browser.newContext({ viewport, reducedMotion: "reduce" });
    context.setDefaultTimeout(WAIT_MS_MAX);
    context.on("weberror", (error) => broken.push(String(error.error())));
    return context.newPage();
  }

  /** The console, with this one of staff logged in. */
  async function desk(name: string): Promise<Page> {
    const opened = await page();
    await opened.goto(`${server.address}/admin`);
    await logIn(opened, name);
    return opened;
  }

  async function logIn(opened: Page, name: string): Promise<void> {
    await opened.getByLabel("Name").fill(name);
    await opened.getByLabel("Password").fill(await server.staffPassword());
    await opened.keyboard.press("Enter");
    await opened.getByTestId("staff").getByText(name).waitFor();
  }

  before(async () => {
    assert.ok(BINARY, "set SERVER_BIN to the server's binary");
    await mkdir(PICTURES, { recursive: true });
    server = await Server.start(resolve(BINARY));
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    star = await RoomView.open(await page(), server.address, "star", "star");
    await star.page.getByTestId("go-live").click();
    await star.live();
    ann = await RoomView.open(await page(PHONE), server.address, "ann", "star");
    await ann.live();
    [kim, lee] = await Promise.all([desk("kim"), desk("lee")]);
  });

  after(async () => {
    await browser?.close();
    await server?.remove();
  });

  test("who_has_not_enough_coins_is_led_to_the_recharge", async () => {
    await ann.coinsAre(0);
    await ann.gift("rose").click();
    await ann.page.locator(".notice").getByRole("button", { name: "Get coins" }).click();
    await ann.page.getByTestId("packs").locator("[data-pack]").first().waitFor();
    await ann.page.screenshot({ path: join(PICTURES, "money-recharge-phone.png") });
  });

  test("coming_back_without_paying_credits_nothing_and_the_order_can_be_cancelled", async () => {
    await ann.page.getByTestId("packs").locator("[data-pack]").first().click();
    await ann.page.waitForURL(/\/dev\/pay\?order=/);
    await ann.page.getByRole("button", { name: "Pay", exact: true }).waitFor();
    await ann.page.screenshot({ path: join(PICTURES, "money-pay-page-phone.png") });
    const order = new URL(ann.page.url()).searchParams.get("order");
    await ann.page.goto(`${server.address}/?paid=${order}`);
    await ann.page.locator("[data-testid=payment][data-state=waiting]").waitFor();
    assert.equal(ann.page.url(), `${server.address}/?user=ann&room=star`);
    await ann.live();
    await ann.coinsAre(0);
    await ann.page.getByRole("button", { name: "Cancel order" }).click();
    await ann.page.locator("[data-testid=payment][data-state=cancelled]").waitFor();
    await ann.page.getByTestId("payment").getByRole("button", { name: "Dismiss" }).click();
  });

  test("who_pays_comes_back_to_the_room_and_has_the_coins", async () => {
    await ann.page.getByRole("button", { name: "Get coins" }).click();
    const pack = ann.page.getByTestId("packs").locator("[data-pack]").last();
    const bought = Number((await pack.locator("b").textContent())?.replaceAll(",", ""));
    assert.ok(bought > 0);
    await pack.click();
    await ann.page.getByRole("button", { name: "Pay", exact: true }).click();
    await ann.live();
    await ann.page.locator("[data-testid=payment][data-state=paid]").waitFor();
    coins += bought;
    await ann.coinsAre(coins);
    await ann.page.screenshot({ path: join(PICTURES, "money-received-phone.png") });
  });

  test("who_presses_pay_twice_is_credited_once_and_the_other_payment_waits_for_staff", async () => {
    await ann.page.getByRole("button", { name: "Get coins" }).click();
    const pack = ann.page.getByTestId("packs").locator("[data-pack]").first();
    coins += Number((await pack.locator("b").textContent())?.replaceAll(",", ""));
    await pack.click();
    await ann.page.getByRole("button", { name: "Pay twice" }).click();
    await ann.page.locator("[data-testid=payment][data-state=paid]").waitFor();
    await ann.coinsAre(coins);
    const payments = await desk("kim");
    await payments.keyboard.press("4");
    await payments.getByText("503: The order was paid by another payment.").waitFor();
    await payments.context().close();
  });

  test("gifts_become_tickets_and_other_rooms_hear_of_a_big_one", async () => {
    const other = await RoomView.open(await page(), server.address, "mira", "mira");
    await other.page.getByTestId("go-live").click();
    await other.live();
    await server.grant("ann", GRANTED);
    coins += GRANTED;
    await ann.coinsAre(coins);
    await ann.tap("castle", CASTLES);
    coins -= CASTLES * CASTLE;
    await ann.coinsAre(coins);
    await other.page.getByTestId("big-gift").waitFor();
    await other.page.screenshot({ path: join(PICTURES, "money-big-gift-desk.png") });
    await other.page.getByTestId("big-gift").click();
    await other.page.locator("[data-testid=room][data-room=star]").waitFor();
    await other.page.getByRole("tab", { name: "Gifts" }).click();
    await other.page.locator(`[data-testid=gift-stats] [data-gift=castle][data-count="${CASTLES}"]`).waitFor();
    await other.page.context().close();
    await star.page.getByRole("button", { name: /^Wallet/ }).click();
    await star.page.getByTestId("wallet-tickets").getByText("109,989", { exact: true }).waitFor();
  });

  test("a_streamer_asks_for_a_withdrawal_and_its_tickets_are_held", async () => {
    await star.page.getByRole("button", { name: "Withdraw" }).click();
    await star.page.getByLabel("Tickets", { exact: true }).fill("200000");
    await star.page.getByText("You have 109,989 tickets to withdraw.").waitFor();
    await star.page.getByLabel("Tickets", { exact: true }).fill(`${WITHDRAWN}`);
    await star.page.getByLabel("Account to pay to").fill("ICBC 6222 0212 3456 7890");
    await star.page.locator("[data-testid=quote][data-fee='5250'][data-pays='997500']").waitFor();
    await star.page.screenshot({ path: join(PICTURES, "money-withdraw-desk.png") });
    await star.page.getByTestId("withdraw-submit").click();
    await star.page.getByTestId("withdraw-done").waitFor();
    await star.page.locator("[data-testid=newest-withdrawals] article[data-state=requested]").waitFor();
    await star.page.getByRole("button", { name: "Back to the wallet" }).click();
    await star.page.locator(`[data-testid=wallet-held][data-held="${WITHDRAWN}"]`).waitFor();
    await star.page.getByTestId("wallet-tickets").getByText("4,989", { exact: true }).waitFor();
  });

  test("one_of_staff_cannot_approve_twice_and_the_second_must_be_somebody_else", async () => {
    const row = (opened: Page) => opened.locator("tr[data-user=star]");
    await row(kim).getByText("0 of 2").waitFor();
    // The same person in two windows: both see the withdrawal before either has approved it.
    const again = await kim.context().newPage();
    await again.goto(`${server.address}/admin`);
    await logIn(again, "kim");
    await row(again).getByRole("button", { name: "Approve" }).click();
    await again.getByRole("dialog", { name: "Approve" }).waitFor();
    await row(kim).focus();
    await kim.keyboard.press("a");
    await kim.getByRole("dialog", { name: "Approve" }).waitFor();
    await kim.keyboard.press("Enter");
    await row(kim).getByText("1 of 2").waitFor();
    await kim.screenshot({ path: join(PICTURES, "money-queue-desk.png") });
    await again.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
    await again.locator("[data-testid=refused][data-code='516']").waitFor();
    await again.close();
    assert.ok(await row(kim).getByRole("button", { name: "Approve" }).isDisabled());
    await star.page.getByRole("tab", { name: "Withdrawals" }).click();
    await star.page.locator("[data-testid=withdrawals] article[data-state=requested]").waitFor();

    await row(lee).getByText("1 of 2").waitFor();
    await row(lee).getByRole("button", { name: "Approve" }).click();
    await lee.getByRole("button", { name: /^Approve, pay CNY/ }).click();
    await row(lee).waitFor({ state: "detached" });
    await lee.getByText("Paid", { exact: true }).click();
    await row(lee).waitFor();
  });

  test("the_streamer_is_told_of_the_payment_and_the_history_adds_up", async () => {
    await star.page.getByText("Your withdrawal of 105,000 tickets has been paid.").waitFor();
    await star.page.locator("[data-testid=withdrawals] article[data-state=paid]").waitFor();
    await star.page.screenshot({ path: join(PICTURES, "money-wallet-desk.png") });
    await star.page.getByTestId("wallet-held").waitFor({ state: "detached" });
    await star.page.getByRole("tab", { name: "History" }).click();
    await star.page.getByText("Withdrawal paid").waitFor();
    assert.deepEqual(await sumOfHistory(star.page), { coins: 0, tickets: CASTLES * CASTLE - WITHDRAWN, held: 0, debt: 0 });
    await ann.page.getByRole("button", { name: /^Wallet/ }).click();
    assert.deepEqual(await sumOfHistory(ann.page), { coins, tickets: 0, held: 0, debt: 0 });
    await ann.page.screenshot({ path: join(PICTURES, "money-wallet-phone.png") });
    await ann.page.getByRole("tab", { name: "Recharges" }).click();
    await ann.page.locator("[data-testid=orders] article[data-state=cancelled]").waitFor();
    assert.equal(await ann.page.locator("[data-testid=orders] article[data-state=paid]").count(), 2);
    await ann.page.keyboard.press("Escape");
  });

  test("a_rejected_withdrawal_gives_its_tickets_back_with_the_reason", async () => {
    await star.page.getByRole("button", { name: "Withdraw", exact: true }).click();
    await star.page.getByLabel("Tickets", { exact: true }).fill("1000");
    await star.page.getByLabel("Account to pay to").fill("ICBC 6222 0212 3456 7890");
    await star.page.getByTestId("withdraw-submit").click();
    await star.page.getByTestId("withdraw-done").waitFor();
    await kim.locator("tr[data-user=star]").getByText("0 of 1").waitFor();
    await kim.locator("tr[data-user=star]").focus();
    await kim.keyboard.press("r");
    await kim.getByLabel("Reason").fill("The name on the account is not yours");
    await kim.keyboard.press("Enter");
    await star.page.locator("[data-testid=newest-withdrawals] article[data-state=rejected]").getByText("The name on the account is not yours").waitFor();
    await star.page.getByRole("button", { name: "Back to the wallet" }).click();
    await star.page.getByTestId("wallet-tickets").getByText("4,989", { exact: true }).waitFor();
  });

  test("staff_correct_a_balance_and_the_user_reads_why", async () => {
    await kim.keyboard.press("2");
    await kim.getByLabel("User", { exact: true }).fill("ann");
    await kim.getByLabel("Amount").fill("-91");
    await kim.getByLabel("Reason").fill("charged by mistake on Friday");
    await kim.keyboard.press("Enter");
    await kim.getByRole("button", { name: "Take away" }).click();
    coins -= 91;
    await kim.getByRole("cell", { name: `${coins.toLocaleString("en-US")} coins` }).waitFor();
    await ann.coinsAre(coins);
    await ann.page.getByRole("button", { name: /^Wallet/ }).click();
    await ann.page.getByTestId("history").getByText("charged by mistake on Friday").waitFor();
    assert.equal((await sumOfHistory(ann.page)).coins, coins);
    await ann.page.keyboard.press("Escape");
    await kim.getByLabel("Amount").fill("-999,999,999");
    await kim.getByLabel("Reason").fill("more than there is");
    await kim.keyboard.press("Enter");
    await kim.getByRole("button", { name: "Take away" }).click();
    await kim.locator("[data-testid=refused][data-code='417']").waitFor();
    await kim.keyboard.press("Escape");
  });

  test("a_new_price_holds_from_the_next_gift_on", async () => {
    await lee.keyboard.press("3");
    await lee.locator("tr[data-gift=rose]").getByRole("button", { name: "Change" }).click();
    await lee.getByLabel("Coins it costs").fill("12");
    await lee.getByRole("dialog").getByRole("button", { name: "Change" }).click();
    await lee.locator("tr[data-gift=rose]").getByText("12", { exact: true }).waitFor();
    await ann.page.reload();
    await ann.live();
    await ann.page.locator("button.gift[data-gift=rose]", { hasText: "12" }).waitFor();
    await ann.gift("rose").click();
    coins -= 12;
    await ann.coinsAre(coins);
  });

  test("the_standing_audit_says_that_the_books_add_up", async () => {
    await kim.locator("[data-testid=audit-pill][data-ok=true]").click();
    await kim.locator("[data-testid=verdict][data-ok=true]").waitFor();
    await kim.screenshot({ path: join(PICTURES, "money-audit-desk.png") });
  });

  test("nothing_in_the_pages_broke", () => { assert.deepEqual(broken, []); });
});
