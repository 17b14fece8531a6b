// What both browser tests share: the browser, its sizes, and where pictures go.

import { join, resolve } from "node:path";

export const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
export const PICTURES = resolve(process.env.SCREENSHOTS_DIR ?? join(import.meta.dirname, "../../../target/screenshots"));
export const DESK = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };
export const WAIT_MS_MAX = 20_000;
export const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
