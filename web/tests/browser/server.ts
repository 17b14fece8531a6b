// The real server as a child process on its own data directory: started, killed without warning, started again.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const START_MS_MAX = 30_000;
const ASK_AGAIN_MS = 50;

export class Server {
  #child: ChildProcess | undefined;
  #talk = "";

  private constructor(private readonly binary: string, private readonly dataDir: string, private readonly port: number) {}

  /** A server that serves, on a free port and an empty data directory. */
  static async start(binary: string): Promise<Server> {
    const dataDir = await mkdtemp(join(tmpdir(), "livehouse-browser-"));
    const server = new Server(binary, dataDir, await freePort());
    await server.startAgain();
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts on the same data and port, and waits until it serves. */
  async startAgain(): Promise<void> {
    const listen = `127.0.0.1:${this.port}`;
    const child = spawn(this.binary, ["demo", "--no-crowd", "--data", this.dataDir, "--listen", listen], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (bytes: Buffer) => { this.#talk = (this.#talk + bytes.toString()).slice(-8_000); });
    }
    const deadline = Date.now() + START_MS_MAX;
    while (!(await this.#serves())) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${this.#talk}`);
      if (Date.now() > deadline) throw new Error(`the server does not serve after ${START_MS_MAX} ms:\n${this.#talk}`);
      await delay(ASK_AGAIN_MS);
    }
  }

  /** kill -9: no farewell, no flush. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** Kills it and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  async grant(user: string, coins: number): Promise<void> {
    const response = await fetch(`${this.address}/dev/grant?user=${user}&coins=${coins}`, { method: "POST" });
    if (!response.ok) throw new Error(`no coins for ${user}: ${response.status} ${await response.text()}`);
  }

  async token(user: string): Promise<string> {
    const response = await fetch(`${this.address}/dev/token?user=${user}`);
    return ((await response.json()) as { token: string }).token;
  }

  /** The password of the demo's staff, as it is kept with the data. */
  async staffPassword(): Promise<string> {
    return (await readFile(join(this.dataDir, "demo-staff-password"), "utf8")).trim();
  }

  async #serves(): Promise<boolean> {
    const response = await fetch(`${this.address}/readyz`).catch(() => undefined);
    return response?.ok ?? false;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
