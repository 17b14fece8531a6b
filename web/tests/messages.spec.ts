// Private messages on the page against the real server, in Chromium: two people write, read, are held at three, and find all of
// it again after the server was killed. SERVER_BIN names the server; pictures go to SCREENSHOTS_DIR.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium, type Browser, type Page } from "playwright-core";
import { RoomView } from "./browser/page";
import { Server } from "./browser/server";
import { CHROMIUM, DESK, FLAGS, PHONE, PICTURES, WAIT_MS_MAX } from "./browser/settings";

const BINARY = process.env.SERVER_BIN;

describe("private messages", { timeout: 240_000 }, () => {
  let server: Server;
  let browser: Browser;
  let ann: RoomView;
  let bob: RoomView;
  const broken: string[] = [];

  async function enter(user: string, viewport: { width: number; height: number }): Promise<RoomView> {
    const context = await browser.newContext({ viewport, reducedMotion: "reduce" });
    context.setDefaultTimeout(WAIT_MS_MAX);
    context.on("weberror", (error) => broken.push(String(error.error())));
    return RoomView.open(await context.newPage(), server.address, user, "star");
  }

  before(async () => {
    assert.ok(BINARY, "set SERVER_BIN to the server's binary");
    await mkdir(PICTURES, { recursive: true });
    server = await Server.start(resolve(BINARY));
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    ann = await enter("ann", DESK);
    bob = await enter("bob", PHONE);
  });

  after(async () => {
    await browser?.close();
    await server?.remove();
  });

  const unread = ({ page }: RoomView, count: number) => page.locator(`[data-testid=messages-button][data-unread="${count}"]`).waitFor();
  const bubble = ({ page }: RoomView, text: string) => page.locator("[data-testid=thread] .bubble[data-position]", { hasText: text });

  async function write(page: Page, to: string, text: string): Promise<void> {
    await page.getByRole("textbox", { name: `Write to ${to}` }).fill(text);
    await page.keyboard.press("Enter");
  }

  test("a_message_reaches_the_other_one_who_reads_it", async () => {
    await ann.page.getByTestId("messages-button").click();
    await ann.page.getByLabel("Write to somebody by name").fill("bob");
    await ann.page.keyboard.press("Enter");
    await write(ann.page, "bob", "are you coming tonight?");
    await bubble(ann, "are you coming tonight?").waitFor();
    await unread(bob, 1);
    await bob.page.getByTestId("messages-button").click();
    await bob.page.locator(".conversation[data-with=ann][data-unread='1']").click();
    await bubble(bob, "are you coming tonight?").waitFor();
    await ann.page.locator(".bubble[data-number='1'][data-read=true]").waitFor();
    await unread(bob, 0);
  });

  test("the_fourth_without_an_answer_is_held_back_until_there_is_one", async () => {
    await write(ann.page, "bob", "hello?");
    await write(ann.page, "bob", "I keep a place for you");
    await bubble(ann, "I keep a place for you").waitFor();
    await write(ann.page, "bob", "last try");
    await ann.page.getByTestId("refused").getByText("Three messages wait for an answer").waitFor();
    await ann.page.screenshot({ path: join(PICTURES, "messages-live-desk.png") });
    await write(bob.page, "ann", "on my way");
    await bubble(ann, "on my way").waitFor();
    await ann.page.getByRole("button", { name: "Send", exact: true }).last().click();
    await bubble(bob, "last try").waitFor();
    assert.equal(await ann.page.getByTestId("refused").count(), 0);
    await bob.page.screenshot({ path: join(PICTURES, "messages-live-phone.png") });
  });

  test("a_killed_server_has_kept_them_and_what_was_written_meanwhile_arrives", async () => {
    await server.kill();
    await ann.connection("reconnecting").waitFor({ state: "attached" });
    await write(ann.page, "bob", "written in the dark");
    await ann.page.locator(".bubble[data-state=waiting]").waitFor();
    await server.startAgain();
    await Promise.all([ann.online(), bob.online()]);
    for (const view of [ann, bob]) {
      await bubble(view, "written in the dark").waitFor();
      await bubble(view, "are you coming tonight?").first().waitFor();
      assert.equal(await view.page.locator("[data-testid=thread] .bubble[data-position]").count(), 6);
    }
  });

  test("no_page_broke", () => assert.deepEqual(broken, []));
});
