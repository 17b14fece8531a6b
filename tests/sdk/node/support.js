// The real server as a child process, and clients of it with the published SDK in both of its formats.
// SERVER_BIN names the server's binary.

import { spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import WebSocket from 'ws';
import { Centrifuge as JsonCentrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';

const PATIENCE_MS = 20_000;

export const formats = {
  json: { Centrifuge: JsonCentrifuge, encode: (value) => value, decode: (data) => data },
  protobuf: {
    Centrifuge: ProtobufCentrifuge,
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (data) => JSON.parse(new TextDecoder().decode(data)),
  },
};

/** A command id that nobody used before. */
export const newId = () => randomUUID();

/** Rejects when the promise takes too long, and says what was waited for. */
export function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE_MS} ms: ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The context of an SDK object's next event of this name. */
export function event(emitter, name) {
  return inTime(new Promise((resolve) => emitter.once(name, resolve)), `the event ${name}`);
}

/** What arrived so far; can be waited on. */
export class Log {
  items = [];
  #waiting = new Set();

  push(item) {
    this.items.push(item);
    for (const look of this.#waiting) look();
  }

  /** Waits until the predicate holds of everything that arrived; returns what the predicate returned. */
  until(predicate, what) {
    let look;
    const held = new Promise((resolve, reject) => {
      look = () => {
        try {
          const found = predicate(this.items);
          if (found) resolve(found);
        } catch (error) {
          reject(error);
        }
      };
    });
    this.#waiting.add(look);
    look();
    return inTime(held, what).finally(() => this.#waiting.delete(look));
  }

  find(predicate, what) {
    return this.until((items) => items.find(predicate), what);
  }
}

/** A running `livehouse demo --no-crowd` on a data directory of its own. */
export class Server {
  #child;
  #data;
  #listen = '127.0.0.1:0';

  static async start() {
    if (!process.env.SERVER_BIN) throw new Error("SERVER_BIN must name the server's binary");
    const server = new Server();
    server.#data = await mkdtemp(join(tmpdir(), 'livehouse-sdk-'));
    await server.restart();
    return server;
  }

  /** Starts on the same data and the same port. */
  async restart() {
    const args = ['demo', '--no-crowd', '--data', this.#data, '--listen', this.#listen];
    this.#child = spawn(process.env.SERVER_BIN, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface(this.#child.stdout);
    const ended = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${code}`);
    });
    ended.catch(() => {});
    const [line] = await inTime(Promise.race([once(lines, 'line'), ended]), 'the server serves');
    this.address = new URL(line).host;
    this.#listen = this.address;
  }

  /** kill -9: no farewell, no flush. */
  async kill() {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  /** SIGTERM: it says good-bye to everybody and ends by itself. */
  async stop() {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const [code] = await inTime(gone, 'the server has stopped');
    if (code !== 0) throw new Error(`a graceful stop ended with ${code}`);
  }

  async remove() {
    await this.kill();
    await rm(this.#data, { recursive: true, force: true });
  }

  async grant(user, coins) {
    const response = await fetch(`http://${this.address}/dev/grant?user=${user}&coins=${coins}`, { method: 'POST' });
    if (!response.ok) throw new Error(`no coins for ${user}: ${await response.text()}`);
    return response.json();
  }

  async token(user) {
    const response = await fetch(`http://${this.address}/dev/token?user=${user}`);
    return (await response.json()).token;
  }

  /** A token that the server accepts for so many seconds from now; none when they are negative. */
  async signedToken(user, seconds) {
    const secret = await readFile(join(this.#data, 'demo-token-secret'), 'utf8');
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + seconds;
    const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp })}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  }
}

/** One user's connection. */
export class Client {
  /** Publications of the user's own channel. */
  own = new Log();

  /** A client that is connected. */
  static async connect(server, format, user, options = {}) {
    const client = new Client(server, format, user, options);
    client.sdk.connect();
    await inTime(client.sdk.ready(), `${user} is connected`);
    return client;
  }

  constructor(server, format, user, options) {
    this.user = user;
    this.format = format;
    this.sdk = new format.Centrifuge(`ws://${server.address}/connection/websocket`, {
      websocket: WebSocket,
      minReconnectDelay: 20,
      maxReconnectDelay: 200,
      getToken: () => server.token(user),
      ...options,
    });
    this.sdk.on('publication', ({ channel, data, offset }) => {
      this.own.push({ channel, offset, ...format.decode(data) });
    });
  }

  /** One call. Rejects with the server's `{code, message}`. */
  async rpc(method, data = {}) {
    const answer = await this.sdk.rpc(method, this.format.encode(data));
    return this.format.decode(answer.data);
  }

  /** A command under a new id. */
  command(method, data = {}) {
    return this.rpc(method, { command_id: newId(), ...data });
  }

  gift(room, gift, more = {}) {
    return this.command('gift.send', { room, gift, count: 1, ...more });
  }

  /** Enters a channel; what comes is in `log`, what the server said at the door in `context` and `data`. */
  async enter(channel) {
    const sub = this.sdk.newSubscription(channel);
    const log = new Log();
    sub.on('publication', ({ data, offset }) => log.push({ offset, ...this.format.decode(data) }));
    const subscribed = event(sub, 'subscribed');
    sub.subscribe();
    const context = await subscribed;
    const data = context.data && this.format.decode(context.data);
    return { sub, log, context, data };
  }

  leave() {
    this.sdk.disconnect();
  }
}
