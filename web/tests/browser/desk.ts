// A desk without a server: the built console, and an interface that answers what the test tells it to.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import type { AuditState, FiledWithdrawal, UnmatchedPayment } from "../../src/admin/protocol";
import type { Gift } from "../../src/live/protocol";

const DIST = join(import.meta.dirname, "../../dist");
const ORIGIN = "http://livehouse.test";
const POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES: Record<string, string> = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };

/** Anything else than an answer: a refusal with its status and number, or a connection that breaks. */
export type Trouble = { status: number; code: number; message: string } | "broken";

export class FakeDesk {
  /** Every change that the console asked for. */
  readonly asked: { method: string; path: string; body: Record<string, unknown> }[] = [];
  /** What comes instead of the next answers to changes. */
  readonly troubles: Trouble[] = [];
  withdrawals: FiledWithdrawal[] = [];
  payments: UnmatchedPayment[] = [];
  gifts: Gift[] = [];
  audit: AuditState = { ok: true, position: 1_204_518, records: 0 };

  constructor(readonly page: Page, private readonly staff: string, private readonly roles: string[] = ["finance", "catalogue"]) {}

  async open(section = "withdrawals"): Promise<void> {
    await this.page.route(`${ORIGIN}/**`, async (route) => {
      const { pathname } = new URL(route.request().url());
      if (pathname.startsWith("/admin/api/")) return this.#answer(route);
      const name = pathname.includes(".") ? pathname : "/admin.html";
      const body = await readFile(join(DIST, name)).catch(() => undefined);
      // As src/http/page.rs serves it.
      const headers = name === "/admin.html" ? { "content-security-policy": POLICY } : {};
      return route.fulfill(body ? { body, headers, contentType: TYPES[name.split(".").at(-1) ?? ""] ?? "text/plain" } : { status: 404 });
    });
    await this.page.goto(`${ORIGIN}/admin#${section}`);
  }

  async login(password = "secret"): Promise<void> {
    await this.page.getByLabel("Name").fill(this.staff);
    await this.page.getByLabel("Password").fill(password);
    await this.page.keyboard.press("Enter");
  }

  async #answer(route: Parameters<Parameters<Page["route"]>[1]>[0]): Promise<void> {
    const request = route.request();
    const url = new URL(request.url());
    const path = url.pathname.slice("/admin/api".length);
    const body = (request.postDataJSON() ?? {}) as Record<string, unknown>;
    const refuse = (status: number, code: number, message: string) => route.fulfill({ status, json: { code, message } });
    if (path === "/login") {
      if (body.password !== "secret") return refuse(401, 101, "wrong name or password");
      return route.fulfill({ json: { token: "t", roles: this.roles, expires: Date.now() + 3_600_000 } });
    }
    if (request.headers().authorization !== "Bearer t") return refuse(401, 101, "log in first");
    if (path === "/me") return route.fulfill({ json: { name: this.staff, roles: this.roles, expires: Date.now() + 3_600_000 } });
    if (request.method() !== "GET" && path !== "/logout") {
      this.asked.push({ method: request.method(), path: decodeURIComponent(path), body });
      const trouble = this.troubles.shift();
      if (trouble === "broken") return route.abort();
      if (trouble) return refuse(trouble.status, trouble.code, trouble.message);
      return route.fulfill({ json: { position: 4_000 + this.asked.length, coins: 12_980 } });
    }
    if (path === "/withdrawals") {
      return route.fulfill({ json: { withdrawals: this.withdrawals.filter(({ state }) => state === url.searchParams.get("state")) } });
    }
    if (path === "/gifts") return route.fulfill({ json: { gifts: this.gifts } });
    if (path === "/payments/unmatched") return route.fulfill({ json: { payments: this.payments } });
    if (path === "/audit") return route.fulfill({ json: this.audit });
    return route.fulfill({ json: {} });
  }
}
