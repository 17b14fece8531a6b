// Numbers, names and colours as people see them.

const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** 12345 as 12,345. */
export const exact = (value: number): string => whole.format(value);

/** 12345 as 12.3K, where space is short; small numbers stay exact. */
export const compact = (value: number): string => (value < 10_000 ? whole.format(value) : short.format(value));

/** A hue that belongs to this user everywhere, in degrees. */
export function hueOf(user: string): number {
  let hash = 2_166_136_261;
  for (const letter of user) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16_777_619);
  return (hash >>> 0) % 360;
}

/** A user's colour for text: light enough on the dark house for every hue. */
export const colourOf = (user: string): string => `oklch(0.83 0.1 ${hueOf(user)})`;

export const initialOf = (user: string): string => (user[0] ?? "?").toUpperCase();

/** How long something has been going on: 42 s, 7 min, 2 h 5 min. */
export function since(startMs: number, nowMs: number): string {
  const minutes = Math.floor(Math.max(0, nowMs - startMs) / 60_000);
  if (minutes < 1) return "just started";
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const DAY_MS = 86_400_000;

/** When something ends: 20:14, or Nov 24, 20:14 when that is not soon. */
export function until(endMs: number): string {
  return (endMs - Date.now() > DAY_MS ? dayAndTime : clockTime).format(endMs);
}

/** A length of time as people say it: 42 s, 7 min, 2 h 5 min. */
export function remaining(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

/** An amount in minor units in its own currency: 114000 CNY as ¥1,140.00, or for staff, who may see several, CNY 1,140.00. */
export function money(minor: number, currency: string, currencyDisplay: "narrowSymbol" | "code" = "narrowSymbol"): string {
  try {
    const format = new Intl.NumberFormat("en-US", { style: "currency", currency, currencyDisplay });
    return format.format(minor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
  } catch {
    return `${whole.format(minor)} (minor units of ${currency})`;
  }
}

/** A change with its sign: +1,000, −66 (a real minus, as wide as the plus). */
export const signed = (change: number): string => (change < 0 ? `−${whole.format(-change)}` : `+${whole.format(change)}`);

const dayOnly = new Intl.DateTimeFormat("en-US", { weekday: "short", month: "short", day: "numeric" });
const dayAndYear = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric" });

/** The day of a moment: Today, Yesterday, Tue, Nov 24, or Nov 24, 2025. */
export function day(ms: number, nowMs: number): string {
  const at = new Date(ms);
  const today = new Date(nowMs);
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (at.toDateString() === today.toDateString()) return "Today";
  if (at.toDateString() === yesterday.toDateString()) return "Yesterday";
  return (at.getFullYear() === today.getFullYear() ? dayOnly : dayAndYear).format(at);
}

/** The time of day: 20:14. */
export const timeOfDay = (ms: number): string => hourMinute.format(ms);
const hourMinute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** A moment in full: Nov 24, 20:14. */
export const moment = (ms: number): string => fullMoment.format(ms);
const fullMoment = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
