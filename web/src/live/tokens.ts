// Where connection tokens come from: the demo's /dev endpoints, or a token that the platform handed to the page.

import { UnauthorizedError } from "centrifuge";

/** What the demo offers beside the public protocol. */
export interface Demo {
  token(user: string): Promise<string>;
  grant(user: string, coins: number): Promise<void>;
}

/** The demo's helpers, or none when this server is not a demo. */
export async function findDemo(): Promise<Demo | undefined> {
  const response = await fetch("/dev/token?user=guest", { cache: "no-store" }).catch(() => undefined);
  if (!response?.ok || !response.headers.get("content-type")?.includes("json")) return undefined;
  return { token: demoToken, grant: demoGrant };
}

async function demoToken(user: string): Promise<string> {
  const response = await fetch(`/dev/token?user=${encodeURIComponent(user)}`, { cache: "no-store" });
  if (!response.ok) throw new Error(`the demo gave no token: ${response.status}`);
  const { token } = (await response.json()) as { token: string };
  return token;
}

async function demoGrant(user: string, coins: number): Promise<void> {
  const query = `user=${encodeURIComponent(user)}&coins=${coins}`;
  const response = await fetch(`/dev/grant?${query}`, { method: "POST", cache: "no-store" });
  if (!response.ok) throw new Error(`the demo gave no coins: ${response.status}`);
}

/** Gives a token that cannot be renewed here: when the server wants another, the connection ends and says why. */
export function tokenOnce(token: string): () => Promise<string> {
  let left: string | undefined = token;
  return async () => {
    if (left === undefined) throw new UnauthorizedError("the access token has ended");
    const given = left;
    left = undefined;
    return given;
  };
}

/** The user that a JWT names, without checking it (the server does); none when it is no JWT. */
export function userOfToken(token: string): string | undefined {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(payload ?? "")) as { sub?: unknown };
    return typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined;
  }
}
