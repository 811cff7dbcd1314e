import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { Key } from "./token.js";

const binary = process.env.PANDAPUSH_BIN ?? path.join(import.meta.dirname, "../../bin/pandapush");

/** The development application's key, which every server has. */
export const devKey: Key = { id: "devkey", secret: "devsecret" };

/** The real server, with a data folder of its own, on a free port. */
export class Server {
  readonly #dataDir: string;
  readonly #settings: Record<string, string>;
  #process: ChildProcess | null = null;
  #log: string[] = [];
  #port = "0";

  private constructor(dataDir: string, settings: Record<string, string>) {
    this.#dataDir = dataDir;
    this.#settings = settings;
  }

  /** Makes the data folder. Nothing runs yet: applications can be added first. `settings` are environment variables. */
  static async prepare(settings: Record<string, string> = {}): Promise<Server> {
    return new Server(await mkdtemp(path.join(tmpdir(), "pandapush-interop-")), settings);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts the server, the second time on the same port, and waits until it listens. */
  async start(): Promise<void> {
    this.#log = [];
    const server = spawn(binary, ["serve"], { env: this.#env(), stdio: ["ignore", "ignore", "pipe"] });
    this.#process = server;
    const address = await new Promise<string>((resolve, reject) => {
      createInterface({ input: server.stderr }).on("line", (line) => {
        this.#log.push(line);
        const listening = /"msg":"listening"/.test(line) ? /"addr":"([^"]+)"/.exec(line)?.[1] : undefined;
        if (listening) {
          resolve(listening);
        }
      });
      server.on("error", reject);
      server.on("exit", () => reject(new Error(`the server ended:\n${this.log}`)));
    });
    this.#port = address.slice(address.lastIndexOf(":") + 1);
  }

  /** What the server has logged. */
  get log(): string {
    return this.#log.join("\n");
  }

  /** Kills the server as a crash would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Kills the server, and starts another on the same port that knows nothing of it. */
  async replace(): Promise<void> {
    await this.kill();
    await rm(this.#dataDir, { recursive: true, force: true });
    await this.start();
  }

  /** Ends the server, and removes its data. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    await rm(this.#dataDir, { recursive: true, force: true });
  }

  /** Makes an application with a key, before the server starts. */
  async addApp(name: string): Promise<{ id: string; key: Key }> {
    const { id } = await this.#run<{ id: string }>("app", "add", name, "--json");
    return { id, key: await this.#run<Key>("key", "add", id, "--purpose", "interop", "--json") };
  }

  /** Publishes as curl does. `channel` begins with the application. Throws unless the server says OK. */
  async publish(key: Key, channel: string, data: unknown): Promise<void> {
    const response = await fetch(`${this.url}/channel${channel}`, {
      method: "POST",
      headers: {
        Authorization: `Basic ${Buffer.from(`${key.id}:${key.secret}`).toString("base64")}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify(data),
    });
    const text = await response.text();
    if (response.status !== 200) {
      throw new Error(`publish: ${response.status} ${text}`);
    }
  }

  /** How many connections of each kind it has: what a client really uses. */
  async connections(): Promise<{ sockets: number; polls: number }> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const gauge = (name: string) => Number(new RegExp(`^pandapush_edge_${name} (\\d+)$`, "m").exec(text)?.[1]);
    return { sockets: gauge("sockets"), polls: gauge("polls") };
  }

  #env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      PORT: this.#port,
      DATA_DIR: this.#dataDir,
      DEV_APPLICATION_ID: "devapp",
      DEV_KEY_ID: devKey.id,
      DEV_KEY_SECRET: devKey.secret,
      LOG_FORMAT: "json",
      ...this.#settings,
    };
  }

  async #run<Output>(...args: string[]): Promise<Output> {
    const { stdout } = await promisify(execFile)(binary, args, { env: this.#env() });
    return JSON.parse(stdout) as Output;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const server = this.#process;
    if (server && server.exitCode === null && server.signalCode === null) {
      const exit = once(server, "exit");
      server.kill(signal);
      await exit;
    }
  }
}
