// Every state of the room page that needs a whole concert, or somebody in charge, looked at in Chromium against a fake feed:
// crowds coming in, hearts, losses, rules, and what becomes of people who break them. Pictures go to SCREENSHOTS_DIR.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium, type Browser, type BrowserContextOptions } from "playwright-core";
import type { RoomInfo } from "../src/live/protocol";
import { FakeRoom } from "./browser/fake";
import { CHROMIUM, DESK, FLAGS, PHONE, PICTURES, WAIT_MS_MAX } from "./browser/settings";

const PEOPLE = ["mira", "otis", "juno", "tariq", "lena", "bo"];
const WORDS = [
  "that solo!!", "hello from Lisbon, turn it up", "this bridge gives me goosebumps", "first time here, hi",
  "can you play it again?", "the lighting is perfect today",
];

describe("the states of the room page", { timeout: 120_000 }, () => {
  let browser: Browser;
  const broken: string[] = [];

  before(async () => {
    await mkdir(PICTURES, { recursive: true });
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  });

  after(async () => { await browser?.close(); });

  async function enter(user: string, info: Partial<RoomInfo> = {}, options: BrowserContextOptions = {}): Promise<FakeRoom> {
    const context = await browser.newContext({ viewport: DESK, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(WAIT_MS_MAX);
    context.on("weberror", (error) => broken.push(String(error.error())));
    const fake = new FakeRoom(await context.newPage(), "star", { viewers: 18_204, likes: 402_113, tickets: 96_240, ...info });
    await fake.open(user);
    return fake;
  }

  function chatter(fake: FakeRoom): void {
    WORDS.forEach((text, n) => {
      const user = PEOPLE[n % PEOPLE.length] ?? "mira";
      fake.publish({ type: "chat", user, text, ...(user === "mira" ? { role: "moderator" } : {}) });
    });
    fake.publish({ type: "gift", user: "otis", gift: "rocket", count: 1, coins: 1_000, tickets: 1_000, session: 7 });
    fake.publish({ type: "gift", user: "juno", gift: "heart", count: 1, coins: 130, tickets: 130, session: 7, combo: { id: "c", total: 130 } });
    fake.publish({ type: "chat", user: "star", text: "thank you, this one is new", role: "streamer" });
  }

  const picture = (fake: FakeRoom, name: string) => fake.page.screenshot({ path: join(PICTURES, `${name}.png`) });

  for (const [name, viewport] of [["desk", DESK], ["phone", PHONE]] as const) {
    test(`a_full_house_on_a_${name}_counts_its_crowd_and_lets_hearts_rise`, async () => {
      const fake = await enter("ann", { pinned: "New record out on Friday", moderators: ["mira"], slow_mode: 5 }, { viewport, reducedMotion: "no-preference" });
      const page = fake.page;
      chatter(fake);
      fake.publish({ type: "notice", text: "Encore at eleven. Stay!", by: "mira" });
      fake.publish({ type: "counters", viewers: 18_931, likes: 412_530, tickets: 97_370 });
      fake.publish({ type: "entered", users: ["tariq", "lena"], more: 11 });
      for (let n = 0; n < 4; n += 1) fake.publish({ type: "hearts", count: 30 });
      await page.getByTestId("like").click();
      await page.getByText("tariq and 12 more came in").waitFor();
      await page.locator("[data-testid=hearts][data-risen='121']").waitFor({ state: "attached" });
      await page.locator(".hearts i").nth(8).waitFor({ state: "attached" });
      assert.equal(await page.getByTestId("viewers").textContent(), "18.9K");
      assert.equal(await page.getByTestId("likes").textContent(), "412.5K");
      await page.waitForFunction(() => document.querySelectorAll(".hearts i").length > 0);
      await picture(fake, `concert-${name}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `the room is ${wide} px too wide for the ${name}`);
      await page.context().close();
    });

    test(`those_in_charge_find_what_they_need_on_a_${name}`, async () => {
      const fake = await enter("star", { moderators: ["mira"], pinned: "New record out on Friday" }, { viewport });
      const page = fake.page;
      chatter(fake);
      await page.getByRole("button", { name: "bo", exact: true }).click();
      await picture(fake, `person-${name}`);
      await page.getByRole("button", { name: "10 minutes" }).click();
      await page.getByRole("dialog").waitFor({ state: "detached" });
      assert.deepEqual(asked(fake, "room.mute"), [{ room: "star", user: "bo", seconds: 600 }]);
      await page.getByTestId("rules").click();
      await page.getByRole("switch").click();
      await page.getByRole("button", { name: "15 s" }).click();
      await page.getByLabel("Notice to the room").fill("Encore at eleven");
      await page.getByRole("button", { name: "Post" }).click();
      fake.publish({ type: "slow_mode", seconds: 15, by: "star" });
      fake.publish({ type: "followers_only", on: true, by: "star" });
      await page.locator("[role=switch][aria-checked=true]").waitFor();
      await picture(fake, `rules-${name}`);
      assert.deepEqual(asked(fake, "room.slow_mode"), [{ room: "star", seconds: 15 }]);
      assert.deepEqual(asked(fake, "room.followers_only"), [{ room: "star", on: true }]);
      assert.deepEqual(asked(fake, "room.notice"), [{ room: "star", text: "Encore at eleven" }]);
      await page.keyboard.press("Escape");
      await page.getByText("Slow mode: one message every 15 s").waitFor();
      await page.context().close();
    });

    test(`who_is_muted_or_banned_is_told_so_in_words_on_a_${name}`, async () => {
      const fake = await enter("ann", {}, { viewport });
      const page = fake.page;
      chatter(fake);
      fake.publish({ type: "muted", user: "ann", until: Date.now() + 600_000, by: "mira" });
      await page.getByText(/You are muted until/).waitFor();
      assert.ok(await page.getByLabel("Say something to the room").isDisabled());
      await picture(fake, `muted-${name}`);
      fake.publish({ type: "unmuted", user: "ann", by: "mira" });
      await page.getByText(/You are muted until/).waitFor({ state: "detached" });
      fake.publish({ type: "banned", user: "ann", by: "mira" });
      fake.unsubscribe(2_000, "banned");
      await page.getByText("This room is closed to you.").waitFor();
      assert.equal(await page.getByRole("button", { name: "Come back in" }).count(), 0);
      await picture(fake, `banned-${name}`);
      await page.context().close();
    });
  }

  test("what_a_slow_connection_missed_is_said_and_adds_up", async () => {
    const fake = await enter("ann");
    fake.publish({ type: "counters", viewers: 1, likes: 1, tickets: 1, skipped: { ephemeral: 400 } });
    fake.publish({ type: "counters", viewers: 1, likes: 1, tickets: 1, skipped: { ephemeral: 12 } });
    await fake.page.getByText("Slow connection: you missed 412 flurries of hearts and entrances. Chat and gifts are complete.").waitFor();
    await fake.page.context().close();
  });

  test("slow_mode_counts_down_and_followers_only_offers_to_follow", async () => {
    const fake = await enter("ann", { slow_mode: 30 });
    const page = fake.page;
    await page.getByLabel("Say something to the room").fill("one");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /Send, in (30|29) seconds/ }).waitFor();
    fake.publish({ type: "slow_mode", seconds: 0, by: "star" });
    await page.getByRole("button", { name: "Send", exact: true }).waitFor();
    fake.publish({ type: "followers_only", on: true, by: "star" });
    await page.getByRole("button", { name: "Follow star" }).click();
    await page.getByRole("button", { name: "Follow star" }).waitFor({ state: "detached" });
    assert.deepEqual(asked(fake, "follow.add"), [{ streamer: "star" }]);
    await page.context().close();
  });

  test("words_that_were_refused_are_back_in_the_writers_hands", async () => {
    const fake = await enter("ann");
    const page = fake.page;
    fake.answers.set("chat.send", () => ({ code: 406, message: "the text is too long" }));
    await page.getByLabel("Say something to the room").fill("a long story");
    await page.keyboard.press("Enter");
    await page.getByText("That is too long. Shorten it and send again.").waitFor();
    await page.waitForFunction(() => document.querySelector<HTMLInputElement>("#say")?.value === "a long story");
    await page.context().close();
  });

  test("who_was_sent_out_may_come_back", async () => {
    const fake = await enter("ann");
    const page = fake.page;
    fake.publish({ type: "kicked", user: "ann", by: "star" });
    fake.unsubscribe(2_000, "sent out");
    await page.getByText("You were asked to leave.").waitFor();
    await page.getByRole("button", { name: "Come back in" }).click();
    await page.getByTestId("out").waitFor({ state: "detached" });
    await page.context().close();
  });

  test("a_moderator_may_not_touch_the_streamer_or_other_moderators", async () => {
    const fake = await enter("mira", { moderators: ["mira", "otis"] });
    const page = fake.page;
    chatter(fake);
    await page.getByRole("button", { name: "bo", exact: true }).waitFor();
    assert.equal(await page.locator("button[data-name=mira]").count(), 0, "nobody has business with themselves");
    for (const user of ["star", "otis"]) {
      await page.locator(`button[data-name=${user}]`).first().click();
      await page.getByRole("button", { name: /^Block/ }).and(page.locator(":enabled")).waitFor();
      assert.equal(await page.getByRole("button", { name: /^(Ban|Send out|1 minute)/ }).count(), 0, user);
      await page.keyboard.press("Escape");
    }
    await page.getByRole("button", { name: "bo", exact: true }).click();
    assert.equal(await page.getByRole("button", { name: /Make moderator/ }).count(), 0);
    await page.context().close();
  });

  test("nothing_in_the_pages_broke", () => { assert.deepEqual(broken, []); });
});

/** What the page asked of a method, without its command ids. */
function asked(fake: FakeRoom, method: string): object[] {
  return fake.asked.filter((rpc) => rpc.method === method).map(({ data: { command_id, ...data } }) => {
    assert.equal(typeof command_id, "string");
    return data;
  });
}
