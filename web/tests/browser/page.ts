// What the test says about a page, in the words of a person who looks at it.

import type { Locator, Page } from "playwright-core";

/** A line of the chat as the page shows it. */
export interface ShownLine { kind: string; position: number; total: number | undefined; text: string }

export class RoomView {
  constructor(readonly page: Page) {}

  /** Opens a room as a user and waits until it is connected and knows whether the room is live. */
  static async open(page: Page, address: string, user: string, room: string): Promise<RoomView> {
    await page.goto(`${address}/?user=${user}&room=${room}`);
    const view = new RoomView(page);
    await view.online();
    await page.getByTestId("coins").and(page.locator("[data-position]")).waitFor();
    return view;
  }

  async online(): Promise<void> {
    await this.connection("online").waitFor({ state: "attached" });
  }

  connection(state: string): Locator {
    return this.page.locator(`[data-testid=connection][data-state=${state}]`);
  }

  async live(): Promise<void> {
    await this.page.locator("[data-testid=room][data-live=yes]").waitFor();
  }

  async say(text: string): Promise<void> {
    await this.page.getByLabel("Say something to the room").fill(text);
    await this.page.keyboard.press("Enter");
  }

  gift(id: string): Locator {
    return this.page.locator(`button.gift[data-gift=${id}]`);
  }

  /** This many taps on a gift: a click of the mouse, and the rest as fast as fingers and thumbs can. */
  async tap(id: string, taps: number): Promise<void> {
    await this.gift(id).click();
    await this.gift(id).evaluate((button, more) => { for (let n = 0; n < more; n += 1) (button as HTMLElement).click(); }, taps - 1);
  }

  chatLine(text: string): Locator {
    return this.page.locator("[data-kind=chat]", { hasText: text });
  }

  giftLine(user: string, gift: string, total: number): Locator {
    return this.page.locator(`[data-kind=gift][data-user=${user}][data-gift=${gift}][data-total="${total}"]`);
  }

  pendingChat(): Locator {
    return this.page.locator("[data-pending='1']");
  }

  /** Waits until the purse shows exactly this and nothing is on the way. */
  async coinsAre(coins: number): Promise<void> {
    const words = new Intl.NumberFormat("en-US").format(coins);
    await this.page.locator(`[data-testid=coins][data-pending="0"]`, { hasText: new RegExp(`^${words}$`) }).waitFor();
  }

  /** Waits until a supporter has this score on the room's board. */
  async supporterHas(user: string, coins: number): Promise<void> {
    await this.page.locator(`.side [data-testid=board-coins] [data-user=${user}][data-score="${coins}"]`).waitFor();
  }

  async position(line: Locator): Promise<number> {
    return Number(await line.getAttribute("data-position"));
  }

  /** All lines that have a position, top to bottom. */
  lines(): Promise<ShownLine[]> {
    return this.page.locator("[data-testid=lines] [data-position]").evaluateAll((nodes) =>
      nodes.map((node) => {
        const { kind = "", position, total } = (node as HTMLElement).dataset;
        return {
          kind, position: Number(position), total: total === undefined ? undefined : Number(total),
          text: node.textContent?.trim() ?? "",
        };
      }),
    );
  }
}

/** What all entries of an open history change together, as the page shows them, once it shows the last. */
export async function sumOfHistory(page: Page): Promise<Record<"coins" | "tickets" | "held" | "debt", number>> {
  const history = page.getByTestId("history");
  const entries = history.locator("[data-type]");
  await entries.first().waitFor();
  while (await history.getAttribute("data-state") !== "all") {
    await entries.last().scrollIntoViewIfNeeded();
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  return entries.evaluateAll((nodes) => {
    const sum = { coins: 0, tickets: 0, held: 0, debt: 0 };
    for (const node of nodes as HTMLElement[]) {
      for (const unit of ["coins", "tickets", "held", "debt"] as const) sum[unit] += Number(node.dataset[unit]);
    }
    return sum;
  });
}
