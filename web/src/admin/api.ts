// One request to the server, as whoever is logged in. Two things may go wrong, and they are not the same: the server said no
// (`Denied`), or nobody knows whether it heard (`Unreached`).

/**
 * The server's no, with its number: from 400 a refusal of the business (docs/protocol.md), unless it is the HTTP status itself;
 * below, one of the interface.
 */
export class Denied extends Error {
  constructor(readonly status: number, readonly code: number, message: string) {
    super(message);
  }
}

/** No answer: the same request, with the same command id, may be sent again and has its effect once. */
export class Unreached extends Error {}

/** Where the token is kept: for this tab, gone with it. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const TOKEN_KEY = "livehouse.admin.token";
const BASE = "/admin/api";
/** An answer later than this counts as none. */
const ANSWER_MS_MAX = 15_000;
const UNAUTHORIZED = 401;
/** The server cannot say yet whether it did it. */
const NO_WORD: readonly number[] = [500, 502, 503, 504];

export class Api {
  constructor(
    private readonly fetch: typeof globalThis.fetch,
    private readonly store: Store,
    /** Called when the login no longer counts. */
    private readonly ended: () => void,
  ) {}

  get isLoggedIn(): boolean { return this.store.getItem(TOKEN_KEY) !== null; }

  async login<Answer extends { token: string }>(name: string, password: string): Promise<Answer> {
    const answer = await this.#request<Answer>("POST", "/login", { name, password });
    this.store.setItem(TOKEN_KEY, answer.token);
    return answer;
  }

  /** Ends the login here whatever the server says, and there if it hears. */
  async logout(): Promise<void> {
    const ended = this.#request("POST", "/logout", {}).catch(() => {});
    this.store.removeItem(TOKEN_KEY);
    await ended;
  }

  read<Answer>(path: string): Promise<Answer> {
    return this.#request("GET", path);
  }

  /** One try of a change. `body` holds its command id. */
  change<Answer>(method: "POST" | "PUT" | "DELETE", path: string, body: { command_id: string } & Record<string, unknown>): Promise<Answer> {
    return this.#request(method, path, body);
  }

  async #request<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const token = this.store.getItem(TOKEN_KEY);
    const response = await this.fetch(BASE + path, {
      method, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS_MAX),
      headers: { ...(body ? { "content-type": "application/json" } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    }).catch(() => { throw new Unreached("no answer"); });
    const text = await response.text().catch(() => { throw new Unreached("no answer"); });
    if (response.ok) return (text ? JSON.parse(text) : {}) as Answer;
    const denied = deniedOf(response.status, text);
    if (denied.code < 400 || denied.code === denied.status) {
      if (NO_WORD.includes(response.status)) throw new Unreached(denied.message);
      if (response.status === UNAUTHORIZED && token) {
        this.store.removeItem(TOKEN_KEY);
        this.ended();
      }
    }
    throw denied;
  }
}

/** What a refusal says: JSON with a number and words, or plain words. */
function deniedOf(status: number, text: string): Denied {
  try {
    const said = JSON.parse(text) as { code?: unknown; message?: unknown; error?: { code?: unknown; message?: unknown } };
    const { code, message } = typeof said.error === "object" ? said.error : said;
    return new Denied(status, typeof code === "number" ? code : status, typeof message === "string" ? message : "");
  } catch {
    const [, code, message] = /^(\d+): (.*)/s.exec(text) ?? [];
    return new Denied(status, code ? Number(code) : status, (message ?? text).trim());
  }
}
