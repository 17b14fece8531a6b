// The room page against the real server, in Chromium: a streamer and a viewer, chat, gifts, combos, a lost connection and
// a killed server. SERVER_BIN names the server; pictures go to SCREENSHOTS_DIR.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium, type Browser, type BrowserContext } from "playwright-core";
import { RoomView } from "./browser/page";
import { Server } from "./browser/server";
import { CHROMIUM, DESK, FLAGS, PHONE, PICTURES, WAIT_MS_MAX } from "./browser/settings";

const BINARY = process.env.SERVER_BIN;
const COINS = 1_000;

describe("the room page", { timeout: 240_000 }, () => {
  let server: Server;
  let browser: Browser;
  let annContext: BrowserContext;
  let starContext: BrowserContext;
  let ann: RoomView;
  let star: RoomView;
  const broken: string[] = [];
  /** Coins that ann has spent, as the test counts. */
  let spent = 0;

  async function context(reducedMotion: "reduce" | "no-preference"): Promise<BrowserContext> {
    const made = await browser.newContext({ viewport: DESK, reducedMotion });
    made.setDefaultTimeout(WAIT_MS_MAX);
    made.on("weberror", (error) => broken.push(String(error.error())));
    return made;
  }

  before(async () => {
    assert.ok(BINARY, "set SERVER_BIN to the server's binary");
    await mkdir(PICTURES, { recursive: true });
    server = await Server.start(resolve(BINARY));
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    annContext = await context("no-preference");
    // One page with all its light is enough for a machine that draws in software.
    starContext = await context("reduce");
    await server.grant("ann", COINS);
    ann = await RoomView.open(await annContext.newPage(), server.address, "ann", "star");
    star = await RoomView.open(await starContext.newPage(), server.address, "star", "star");
  });

  after(async () => {
    await browser?.close();
    await server?.remove();
  });

  test("the_door_asks_for_a_name_and_leads_to_the_lobby", async () => {
    const page = await annContext.newPage();
    await page.goto(server.address);
    await page.getByLabel("Your name tonight").fill("not a name!");
    await page.keyboard.press("Enter");
    await page.getByText("Use 1 to 64 letters").waitFor();
    await page.screenshot({ path: join(PICTURES, "door.png") });
    await page.getByLabel("Your name tonight").fill("guest");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "On stage now" }).waitFor();
    assert.equal(new URL(page.url()).searchParams.get("user"), "guest");
    await page.close();
  });

  test("on_a_platform_a_token_in_the_address_enters_and_is_taken_out_of_it", async () => {
    const token = await server.token("visitor");
    const page = await annContext.newPage();
    await page.route("**/dev/**", (route) => route.fulfill({ status: 404 }));
    await page.goto(server.address);
    await page.getByLabel("Your access token").waitFor();
    await page.goto(`${server.address}/?room=star#token=${token}`);
    await new RoomView(page).online();
    assert.equal(page.url(), `${server.address}/?user=visitor&room=star`);
    await page.getByRole("button", { name: "Get coins" }).click();
    await page.getByRole("dialog", { name: "Get coins" }).waitFor();
    assert.equal(await page.getByText("free coins").count(), 0);
    await page.close();
  });

  test("a_streamer_goes_live_and_the_room_sees_it", async () => {
    await ann.page.getByText("The stage is dark").waitFor();
    assert.ok(await ann.page.locator("button.gift").first().isDisabled());
    await star.page.getByPlaceholder("What is tonight's show?").fill("Midnight set");
    await star.page.getByTestId("go-live").click();
    await Promise.all([ann.live(), star.live()]);
    await ann.page.getByText("The show begins: Midnight set").waitFor();
  });

  test("chat_is_seen_by_both_at_one_position", async () => {
    await ann.say("hello from the floor");
    await star.say("good evening");
    for (const text of ["hello from the floor", "good evening"]) {
      const positions = await Promise.all([ann, star].map((view) => view.position(view.chatLine(text))));
      assert.ok(positions[0] && positions[0] > 0);
      assert.equal(positions[0], positions[1]);
    }
  });

  test("a_gift_takes_coins_at_once_and_raises_the_board", async () => {
    await ann.coinsAre(COINS);
    await ann.gift("rose").click();
    spent += 10;
    const positions = await Promise.all([ann, star].map((view) => view.position(view.giftLine("ann", "rose", 1))));
    assert.equal(positions[0], positions[1]);
    await ann.coinsAre(COINS - spent);
    await Promise.all([ann.supporterHas("ann", spent), star.supporterHas("ann", spent)]);
  });

  test("a_gift_stands_on_the_board_of_every_period", async () => {
    for (const period of ["Hour", "Week", "Month", "All", "Day"]) {
      await ann.page.getByRole("group", { name: "Period" }).getByRole("button", { name: period, exact: true }).click();
      await ann.page.locator(`[data-testid="board-coins"][data-span="${period.toLowerCase()}"]`).waitFor();
      await ann.supporterHas("ann", spent);
    }
  });

  test("every_tap_of_a_combo_counts_once", async () => {
    await ann.tap("heart", 25);
    spent += 25;
    await Promise.all([ann, star].map((view) => view.giftLine("ann", "heart", 25).waitFor()));
    await ann.coinsAre(COINS - spent);
    await Promise.all([ann.supporterHas("ann", spent), star.supporterHas("ann", spent)]);
  });

  test("the_keyboard_sends_gifts_too", async () => {
    await ann.gift("beer").focus();
    await ann.page.keyboard.press("Enter");
    spent += 66;
    await star.giftLine("ann", "beer", 1).waitFor();
    await ann.coinsAre(COINS - spent);
  });

  test("a_gift_that_is_too_dear_is_refused_in_words_and_costs_nothing", async () => {
    await ann.gift("castle").click();
    await ann.page.getByText("Not enough coins").waitFor();
    await ann.coinsAre(COINS - spent);
  });

  test("following_is_remembered", async () => {
    await ann.page.getByTestId("follow").click();
    await ann.page.locator("[data-testid=follow][aria-pressed=true]").waitFor();
    await ann.page.reload();
    await ann.online();
    await ann.page.locator("[data-testid=follow][aria-pressed=true]").waitFor();
  });

  test("a_page_that_was_cut_off_recovers_what_it_missed_once_and_in_order", async () => {
    await starContext.setOffline(true);
    await star.connection("reconnecting").waitFor();
    for (const text of ["one", "two", "three"]) {
      await ann.say(`missed ${text}`);
      await ann.chatLine(`missed ${text}`).waitFor();
    }
    await ann.gift("rose").click();
    spent += 10;
    await ann.coinsAre(COINS - spent);
    await starContext.setOffline(false);
    await star.online();
    await star.chatLine("missed three").waitFor();
    await star.page.locator("[data-kind=gift][data-gift=rose]").nth(1).waitFor();
    assertOneStory(await star.lines());
    assert.equal(await star.chatLine("missed").count(), 3);
  });

  test("what_was_sent_while_the_server_was_killed_arrives_once_after_its_restart", async () => {
    await server.kill();
    await Promise.all([ann.connection("reconnecting").waitFor(), star.connection("reconnecting").waitFor()]);
    await ann.tap("heart", 7);
    spent += 7;
    await ann.say("is anybody there?");
    await ann.pendingChat().waitFor();
    await ann.page.locator('[data-testid=coins][data-pending="7"]').waitFor();
    await ann.page.screenshot({ path: join(PICTURES, "room-reconnecting.png") });

    await server.startAgain();
    await Promise.all([ann.online(), star.online()]);
    await Promise.all([ann, star].map((view) => view.giftLine("ann", "heart", 7).waitFor()));
    await Promise.all([ann, star].map((view) => view.chatLine("is anybody there?").waitFor()));
    await ann.pendingChat().waitFor({ state: "detached" });
    await ann.coinsAre(COINS - spent);
    await Promise.all([ann.supporterHas("ann", spent), star.supporterHas("ann", spent)]);
  });

  test("after_all_that_both_tell_one_story_and_a_newcomer_hears_the_same_chat", async () => {
    const late = await RoomView.open(await starContext.newPage(), server.address, "late", "star");
    await late.chatLine("is anybody there?").waitFor();
    // The combo's end is an event too: wait for the same newest position everywhere.
    await ann.page.locator("[data-testid=combo]").waitFor({ state: "detached" });
    // Who comes in (ann did so again when she reloaded) is given the newest chats, and sees everything from then on.
    const [anns, stars] = await sameChat([ann, star, late]) as [Story, Story, Story];
    for (const story of [anns, stars]) assertOneStory(story);
    assert.equal(stars.filter(({ kind }) => kind === "gift").length, 5);
    assert.deepEqual(stars.filter(({ position }) => anns.some((line) => line.position === position)), anns);
    await late.supporterHas("ann", spent);
    await late.page.close();
  });

  test("hearts_are_counted_and_rise_for_everybody", async () => {
    await ann.page.getByTestId("like").click({ clickCount: 5 });
    await Promise.all([ann, star].map((view) => view.page.locator("[data-testid=likes]", { hasText: /^5$/ }).waitFor()));
    await star.page.locator("[data-testid=hearts][data-risen='5']").waitFor({ state: "attached" });
  });

  test("the_streamer_keeps_order_and_everybody_is_told", async () => {
    await star.page.getByTestId("rules").click();
    await star.page.getByLabel("Pinned over the chat").fill("Be kind in here");
    await star.page.getByRole("button", { name: "Pin", exact: true }).click();
    await star.page.keyboard.press("Escape");
    await ann.page.getByTestId("pinned").getByText("Be kind in here").waitFor();
    const troll = await RoomView.open(await starContext.newPage(), server.address, "troll", "star");
    await troll.say("buy my coins");
    await star.page.locator("button[data-name=troll]").click();
    await star.page.getByRole("button", { name: "1 minute" }).click();
    await troll.page.getByText(/You are muted until/).waitFor();
    await ann.page.locator("[data-kind=muted]").waitFor();
    await star.page.locator("button[data-name=troll]").click();
    await star.page.getByRole("button", { name: /^Ban/ }).click();
    await troll.page.getByText("This room is closed to you.").waitFor();
    await troll.page.reload();
    await troll.page.getByText("This room is closed to you.").waitFor();
    await troll.page.close();
  });

  test("somebody_who_is_blocked_leaves_for_good_until_that_is_taken_back", async () => {
    const pest = await RoomView.open(await starContext.newPage(), server.address, "pest", "star");
    await pest.page.getByTestId("follow").click();
    await pest.page.locator("[data-testid=follow][aria-pressed=true]").waitFor();
    await pest.say("me again");
    await star.page.locator("button[data-name=pest]").click();
    await star.page.getByRole("button", { name: /^Block/ }).click();
    await pest.page.getByText("star has blocked you.").waitFor();
    await pest.page.reload();
    await pest.page.getByText("star has blocked you.").waitFor();
    await pest.page.locator("[data-testid=follow][aria-pressed=false]").waitFor();
    await star.page.locator("button[data-name=pest]").click();
    await star.page.getByRole("button", { name: /^Unblock/ }).click();
    await star.page.getByRole("dialog").waitFor({ state: "detached" });
    await star.page.locator("button[data-name=pest]").click();
    await star.page.getByRole("button", { name: /^Block/ }).and(star.page.locator(":enabled")).waitFor();
    await star.page.keyboard.press("Escape");
    await pest.page.reload();
    await pest.online();
    await pest.say("sorry");
    await star.chatLine("sorry").waitFor();
    await pest.page.close();
  });

  test("it_is_fit_to_be_seen_on_a_desk_and_on_a_phone", async () => {
    await Promise.all(["mira", "otis", "juno"].map((user) => server.grant(user, 5_000)));
    const guests = await Promise.all(["mira", "otis", "juno"].map(async (user) =>
      RoomView.open(await starContext.newPage(), server.address, user, "star")));
    const [mira, otis, juno] = guests as [RoomView, RoomView, RoomView];
    await mira.tap("heart", 12);
    await otis.gift("rocket").click();
    await otis.say("that solo!!");
    await juno.gift("beer").click();
    await juno.say("hello from Lisbon, turn it up");
    await mira.say("this bridge gives me goosebumps");
    await ann.chatLine("this bridge").waitFor();
    await ann.tap("heart", 3);
    await ann.giftLine("ann", "heart", 3).waitFor();
    await ann.page.screenshot({ path: join(PICTURES, "room-desk.png") });
    await ann.page.setViewportSize(PHONE);
    await ann.gift("heart").click();
    await ann.page.screenshot({ path: join(PICTURES, "room-phone.png") });
    for (const [name, size] of [["desk", DESK], ["phone", PHONE]] as const) {
      await juno.page.setViewportSize(size);
      await juno.page.goto(`${server.address}/?user=juno`);
      await juno.page.getByRole("link", { name: /star/ }).waitFor();
      await juno.page.screenshot({ path: join(PICTURES, `lobby-${name}.png`) });
      const wide = await juno.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `the lobby is ${wide} px too wide for the ${name}`);
    }
  });

  test("the_show_ends_and_the_stage_goes_dark", async () => {
    await ann.page.setViewportSize(DESK);
    await star.page.getByRole("button", { name: "End show" }).click();
    await ann.page.getByText("The show is over").waitFor();
    assert.ok(await ann.page.locator("button.gift").first().isDisabled());
  });

  test("nothing_in_the_pages_broke", () => {
    assert.deepEqual(broken, []);
  });
});

type Story = Awaited<ReturnType<RoomView["lines"]>>;

/** No position twice, and chat in the order of its positions. */
function assertOneStory(lines: Story): void {
  const positions = lines.map((line) => line.position);
  assert.equal(new Set(positions).size, positions.length, `a position is shown twice: ${positions.join(" ")}`);
  const chat = lines.filter((line) => line.kind !== "gift").map((line) => line.position);
  assert.deepEqual(chat, chat.toSorted((a, b) => a - b));
}

const chatOf = (story: Story): Story => story.filter(({ kind }) => kind === "chat");

/** The stories of all pages once their chats agree; fails with the difference when they do not in time. */
async function sameChat(views: RoomView[]): Promise<Story[]> {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const stories = await Promise.all(views.map((view) => view.lines()));
    const [first, ...others] = stories.map((story) => JSON.stringify(chatOf(story)));
    if (others.every((other) => other === first)) return stories;
    if (Date.now() > deadline) for (const story of stories) assert.deepEqual(chatOf(story), chatOf(stories[0] ?? []));
    await views[0]?.page.evaluate(() => new Promise(requestAnimationFrame));
  }
}
