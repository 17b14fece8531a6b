// Every state of private messages on the page, looked at in Chromium against a fake feed: many conversations, long names and
// texts, what is on its way, what is refused, an empty house. Pictures go to SCREENSHOTS_DIR.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium, type Browser, type BrowserContextOptions } from "playwright-core";
import type { ConversationLine, Message } from "../src/live/protocol";
import { FakeRoom } from "./browser/fake";
import { CHROMIUM, DESK, FLAGS, PHONE, PICTURES, WAIT_MS_MAX } from "./browser/settings";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** As long as an id may be. */
const LONG_NAME = "the.longest-name_that@this.house-allows_is.sixty-four.letters.xx";
const NOW = Date.now();

const message = (position: number, from: string, number: number, text: string, ago: number): Message => ({ position, time: NOW - ago, from, number, text });

/** Newest first, as the server lists them. */
const THREAD: Message[] = [
  message(90, "ann", 4, "See you at nine then. I will bring the good headphones this time, promise.", 2 * MINUTE_MS),
  message(89, "star", 3, "Nine.", 3 * MINUTE_MS),
  message(80, "ann", 3, "w".repeat(500), 9 * MINUTE_MS),
  message(70, "ann", 2, "When do you start tonight?", 12 * MINUTE_MS),
  message(40, "star", 2, "Thank you! 谢谢 🎤", DAY_MS + MINUTE_MS),
  message(39, "star", 1, "The last song was for you, did you notice?", DAY_MS + 2 * MINUTE_MS),
  message(30, "ann", 1, "What a night!", DAY_MS + 40 * MINUTE_MS),
];

const line = (other: string, unread: number, last: Message): ConversationLine => ({ with: other, unread, read: 0, read_by: 0, last });

const LINES: ConversationLine[] = [
  line("star", 0, THREAD[0]!),
  line("bob", 3, message(88, "bob", 7, "Are you in the room already? I cannot find you anywhere", 20 * MINUTE_MS)),
  line(LONG_NAME, 120, message(60, LONG_NAME, 120, "and another one", 5 * 60 * MINUTE_MS)),
  line("kim", 0, message(50, "ann", 1, "Hello Kim", DAY_MS * 2)),
  ...Array.from({ length: 12 }, (_, n) => line(`fan${n}`, 0, message(20 - n, `fan${n}`, 1, "hi", DAY_MS * (n + 5)))),
];

describe("the states of private messages", { timeout: 120_000 }, () => {
  let browser: Browser;
  const broken: string[] = [];

  before(async () => {
    await mkdir(PICTURES, { recursive: true });
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  });
  after(() => browser?.close());

  async function room(options: BrowserContextOptions, lines = LINES): Promise<FakeRoom> {
    const context = await browser.newContext({ reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(WAIT_MS_MAX);
    context.on("weberror", (error) => broken.push(String(error.error())));
    const fake = new FakeRoom(await context.newPage(), "star");
    const unread = lines.reduce((sum, { unread: of }) => sum + of, 0);
    fake.answers.set("conversation.list", () => ({ conversations: lines, unread }));
    fake.answers.set("message.list", ({ with: other }) => (other === "star"
      ? { messages: THREAD, unread: 0, read: 3, read_by: 3, cursor: "older" }
      : { messages: [], unread: 0, read: 0, read_by: 0 }));
    await fake.open("ann");
    return fake;
  }

  for (const [name, viewport] of [["desk", DESK], ["phone", PHONE]] as const) {
    test(`conversations_and_a_thread_at_${name}_width`, async () => {
      const fake = await room({ viewport });
      const { page } = fake;
      await page.locator("[data-testid=messages-button][data-unread='123']").click();
      await page.getByRole("button", { name: /bob/ }).waitFor();
      await page.screenshot({ path: join(PICTURES, `messages-list-${name}.png`) });
      await page.locator(".conversation[data-with=star]").click();
      await page.locator("[data-testid=thread] [data-number='4']").last().waitFor();
      assert.equal(await page.locator("[data-testid=thread] [data-read=true]").count(), 3, "read as far as the mark");
      assert.equal(await page.locator("[data-testid=thread] .seen").count(), 1, "which stands once");
      assert.ok(await page.locator("[data-testid=thread]").evaluate((at) => at.scrollWidth <= at.clientWidth), "nothing hangs out");
      const end = await page.locator(".thread-lines").evaluate((at) => at.scrollHeight - at.scrollTop - at.clientHeight);
      assert.ok(end < 4, `it stands at its end, not ${end}px before`);
      await page.screenshot({ path: join(PICTURES, `messages-thread-${name}.png`) });
      await page.context().close();
    });
  }

  test("what_is_on_its_way_and_what_was_refused_says_so", async () => {
    const fake = await room({ viewport: PHONE });
    const { page } = fake;
    await page.getByRole("button", { name: "Write to star" }).click();
    await page.locator("[data-number='4']").last().waitFor();
    await page.getByRole("textbox", { name: "Write to star" }).fill("on its way");
    await page.keyboard.press("Enter");
    await page.locator(".bubble[data-state=waiting]").waitFor();
    fake.answers.set("message.send", () => ({ code: 471, message: "at most 3 messages until you are answered" }));
    await page.getByRole("textbox", { name: "Write to star" }).fill("one too many");
    await page.keyboard.press("Enter");
    await page.getByTestId("refused").getByText("Three messages wait for an answer").waitFor();
    assert.equal(await page.getByRole("textbox", { name: "Write to star" }).inputValue(), "one too many");
    await page.screenshot({ path: join(PICTURES, "messages-refused-phone.png") });
    await page.getByRole("button", { name: "All conversations" }).click();
    await page.locator(".conversation[data-with=bob]").waitFor();
    await page.context().close();
  });

  test("a_message_that_comes_is_shown_and_read_at_once_where_one_looks", async () => {
    const fake = await room({ viewport: DESK });
    const { page } = fake;
    await page.getByRole("button", { name: "Write to star" }).click();
    await page.locator("[data-number='4']").last().waitFor();
    fake.tell({ type: "message", from: "star", to: "ann", number: 4, text: "I am on stage now" });
    await page.locator("[data-testid=thread] .bubble", { hasText: "I am on stage now" }).waitFor();
    fake.tell({ type: "message_read", reader: "star", from: "ann", upto: 4 });
    await page.locator(".bubble[data-number='4'][data-read=true]").waitFor();
    // The list is asked for again behind it, so by now the page has said that it is read.
    const reads = fake.asked.filter(({ method }) => method === "message.read").map(({ data }) => data.upto);
    assert.deepEqual(reads, [4]);
    await page.context().close();
  });

  test("nobody_has_written_yet_and_a_name_is_looked_at", async () => {
    const fake = await room({ viewport: DESK }, []);
    const { page } = fake;
    await page.getByTestId("messages-button").click();
    await page.getByText("Nobody has written yet").waitFor();
    await page.getByLabel("Write to somebody by name").fill("ann");
    await page.keyboard.press("Enter");
    await page.getByText("That is you.").waitFor();
    await page.getByLabel("Write to somebody by name").fill("not a name!");
    await page.keyboard.press("Enter");
    await page.getByText("A name is 1 to 64 letters").waitFor();
    await page.screenshot({ path: join(PICTURES, "messages-empty-desk.png") });
    await page.getByLabel("Write to somebody by name").fill("bob");
    await page.keyboard.press("Enter");
    await page.getByText("You and bob have not written yet").waitFor();
    await page.context().close();
  });

  test("no_page_broke", () => assert.deepEqual(broken, []));
});
