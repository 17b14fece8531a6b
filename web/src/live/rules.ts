// The rules of one room and who is in charge, as one user knows them: a fold of the snapshot and of the orders after it.
// The server decides what holds; this only says what to offer and what to explain.

import { SANCTIONED_MAX } from "./limits";
import type { OrderPublication, Role, RoomInfo } from "./protocol";

export interface Rules {
  readonly pinned: string | undefined;
  /** Seconds between two messages of one viewer; 0 is off. */
  readonly slowModeSeconds: number;
  readonly followersOnly: boolean;
  readonly moderators: ReadonlySet<string>;
  /** Muted while this page looked on, with the end in unix ms. */
  readonly muted: ReadonlyMap<string, number>;
  /** Banned while this page looked on. */
  readonly banned: ReadonlySet<string>;
}

export const NO_RULES: Rules = {
  pinned: undefined, slowModeSeconds: 0, followersOnly: false, moderators: new Set(), muted: new Map(), banned: new Set(),
};

/** The rules as the snapshot has them; what it does not tell of people is kept from before. */
export function rulesFrom(info: RoomInfo, before: Rules, user: string): Rules {
  const until = info.you?.muted_until ?? undefined;
  const muted = new Map(before.muted);
  if (info.you) {
    if (until === undefined) muted.delete(user);
    else muted.set(user, until);
  }
  return {
    ...before,
    pinned: info.pinned || undefined,
    slowModeSeconds: info.slow_mode ?? 0,
    followersOnly: info.followers_only ?? false,
    moderators: new Set(info.moderators),
    muted,
  };
}

/** The rules after one order. */
export function ordered(rules: Rules, order: OrderPublication): Rules {
  switch (order.type) {
    case "pinned": return { ...rules, pinned: order.text || undefined };
    case "slow_mode": return { ...rules, slowModeSeconds: order.seconds };
    case "followers_only": return { ...rules, followersOnly: order.on };
    case "moderator_added": return { ...rules, moderators: new Set([...rules.moderators, order.user]) };
    case "moderator_removed": return { ...rules, moderators: without(rules.moderators, order.user) };
    case "muted": return { ...rules, muted: new Map(newest([...rules.muted, [order.user, order.until]])) };
    case "unmuted": return { ...rules, muted: new Map([...rules.muted].filter(([user]) => user !== order.user)) };
    case "banned": return { ...rules, banned: new Set(newest([...rules.banned, order.user])) };
    case "unbanned": return { ...rules, banned: without(rules.banned, order.user) };
    case "notice": case "kicked": return rules;
  }
}

/** What somebody is in the room of this streamer. */
export function roleOf(rules: Rules, streamer: string, user: string): Role | undefined {
  if (user === streamer) return "streamer";
  return rules.moderators.has(user) ? "moderator" : undefined;
}

/** Whether `user` may mute, kick or ban `other`: the streamer everybody, moderators the viewers. */
export function mayModerate(rules: Rules, streamer: string, user: string, other: string): boolean {
  if (user === other) return false;
  const role = roleOf(rules, streamer, user);
  if (role === "streamer") return true;
  return role === "moderator" && roleOf(rules, streamer, other) === undefined;
}

function without(set: ReadonlySet<string>, user: string): ReadonlySet<string> {
  return new Set([...set].filter((other) => other !== user));
}

function newest<Entry>(entries: Entry[]): Entry[] {
  return entries.slice(-SANCTIONED_MAX);
}
