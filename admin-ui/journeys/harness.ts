/** A real server with the real UI, and a real browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, type RunnerTestCase as Task } from "vitest";

const binary = process.env.PANDAPUSH_BIN ?? path.join(import.meta.dirname, "../../bin/pandapush");

/** Pictures are kept here, for people to look at. */
const output = path.join(import.meta.dirname, "../test-output");

export const login = { username: "admin", password: "testpassword123" };
const devKey = { id: "devkey", secret: "devsecret" };

/** The server, with a data folder of its own, on a free port. */
export class Server {
  readonly #process: ChildProcess;
  readonly #dataDir: string;
  readonly url: string;

  private constructor(process: ChildProcess, dataDir: string, url: string) {
    this.#process = process;
    this.#dataDir = dataDir;
    this.url = url;
  }

  /** Starts one, with settings besides the usual ones. */
  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const dataDir = await mkdtemp(path.join(tmpdir(), "pandapush-ui-"));
    const server = spawn(binary, ["serve"], {
      env: { ...environment(dataDir), ...settings },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const log: string[] = [];
    const address = await new Promise<string>((resolve, reject) => {
      createInterface({ input: server.stderr }).on("line", (line) => {
        log.push(line);
        const listening = /"msg":"listening"/.test(line) ? /"addr":"([^"]+)"/.exec(line)?.[1] : undefined;
        if (listening) {
          resolve(listening);
        }
      });
      server.on("error", reject);
      server.on("exit", () => reject(new Error(`the server ended:\n${log.join("\n")}`)));
    });
    return new Server(server, dataDir, `http://127.0.0.1:${address.slice(address.lastIndexOf(":") + 1)}`);
  }

  async stop(): Promise<void> {
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await exit;
    await rm(this.#dataDir, { recursive: true, force: true });
  }

  /** Publishes as curl does, and returns the message's id. */
  async publish(channel: string, value: unknown): Promise<string> {
    const response = await this.#post(`/channel${channel}`, devKey.id, devKey.secret, value);
    return response.headers.get("X-Message-Id") ?? "";
  }

  /** Publishes many messages at once. */
  async batch(app: string, messages: { channel: string; data: unknown }[]): Promise<void> {
    await this.#post(`/batch/${app}`, devKey.id, devKey.secret, messages);
  }

  /** Follows a channel as curl does, until the signal. */
  async follow(channel: string, key: string, secret: string, signal: AbortSignal): Promise<void> {
    const Authorization = `Basic ${btoa(`${key}:${secret}`)}`;
    const headers = { Authorization, Accept: "text/event-stream" };
    const response = await fetch(`${this.url}/channel${channel}`, { headers, signal });
    expect(response.status, channel).toBe(200);
    // Read, since an answer that nobody reads may be collected, and with it goes the connection.
    void response.text().catch(() => signal.aborted || expect.fail("the event stream ended"));
  }

  /** Asks the admin API. */
  async admin<T>(route: string, body: unknown): Promise<T> {
    const response = await this.#post(`/admin/api${route}`, login.username, login.password, body);
    return response.json() as Promise<T>;
  }

  /** Removes something by the admin API. */
  async remove(route: string): Promise<void> {
    const Authorization = `Basic ${btoa(`${login.username}:${login.password}`)}`;
    const response = await fetch(`${this.url}/admin/api${route}`, { method: "DELETE", headers: { Authorization } });
    expect(response.ok, route).toBe(true);
  }

  async #post(route: string, user: string, password: string, body: unknown): Promise<Response> {
    const response = await fetch(this.url + route, {
      method: "POST",
      headers: { Authorization: `Basic ${btoa(`${user}:${password}`)}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) {
      throw new Error(`${route}: ${response.status} ${await response.text()}`);
    }
    return response;
  }
}

const environment = (dataDir: string) => ({
  PATH: process.env.PATH,
  PORT: "0",
  DATA_DIR: dataDir,
  AUTH_METHOD: "basic",
  ADMIN_USERNAME: login.username,
  ADMIN_PASSWORD: login.password,
  DEV_APPLICATION_ID: "devapp",
  DEV_KEY_ID: devKey.id,
  DEV_KEY_SECRET: devKey.secret,
  DRAIN_SECONDS: "1",
  LOG_FORMAT: "json",
});

/** Serves a server below a path of another address, as a load balancer may; it takes the path off. */
export async function proxy(target: string, prefix: string): Promise<{ url: string } & AsyncDisposable> {
  const forward = ({ method, headers, url = "" }: IncomingMessage) =>
    request(target + url.slice(prefix.length), { method, headers });
  const server = createServer((incoming, response) => {
    if (!incoming.url?.startsWith(`${prefix}/`)) {
      response.writeHead(404).end();
      return;
    }
    const outgoing = forward(incoming).on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    response.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  server.on("upgrade", (incoming, socket) => {
    const outgoing = forward(incoming).on("upgrade", ({ rawHeaders }, upstream) => {
      const lines = rawHeaders.map((text, n) => (n % 2 ? `${text}\r\n` : `${text}: `));
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
      socket.pipe(upstream).pipe(socket);
      socket.on("error", () => upstream.destroy());
      upstream.on("error", () => socket.destroy());
    });
    outgoing.on("error", () => socket.destroy());
    outgoing.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"],
  });

/** Somebody who is logged in. */
export class Visitor {
  readonly #context: BrowserContext;
  /** Whatever the pages wrote to the console, failed in, or tried against their policy. */
  readonly complaints: string[] = [];
  readonly #forgiven: string[] = [];

  private constructor(context: BrowserContext) {
    this.#context = context;
  }

  /** Makes one with the password of `who`; the browser of null knows none. */
  static async of(
    browser: Browser,
    options: BrowserContextOptions = {},
    who: typeof login | null = login,
  ): Promise<Visitor> {
    const context = await browser.newContext({
      ...(who && { httpCredentials: who }),
      reducedMotion: "reduce",
      viewport: { width: 1360, height: 900 },
      ...options,
    });
    const visitor = new Visitor(context);
    await context.exposeFunction("complain", (text: string) => visitor.complaints.push(text));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile, sample }) =>
        Reflect.get(globalThis, "complain")(`policy: ${violatedDirective} ${blockedURI} ${sourceFile} ${sample}`),
      );
    });
    return visitor;
  }

  /** Opens a page. */
  async open(url: string): Promise<Page> {
    const page = await this.page();
    await page.goto(url);
    return page;
  }

  /** Makes a page, with nothing in it yet. */
  async page(): Promise<Page> {
    const page = await this.#context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.complaints.push(`console: ${message.text()}`);
      }
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    return page;
  }

  /** Says that the pages had to complain about something. */
  complained(about: string): void {
    const at = this.complaints.findIndex((complaint) => complaint.includes(about));
    expect(this.complaints.splice(at, 1)).toEqual([expect.stringContaining(about)]);
  }

  /** Says that the pages may complain about something, as often as they like. */
  forgive(about: string): void {
    this.#forgiven.push(about);
  }

  /** Leaves, whatever the pages have said. */
  async close(): Promise<void> {
    await this.#context.close();
  }

  /** Leaves, and fails if the pages complained. Of a test that failed there are pictures. */
  async leave({ name, result }: Task): Promise<void> {
    if (result?.state === "fail") {
      for (const [n, page] of this.#context.pages().entries()) {
        await picture(page, `failed ${name} ${n + 1}`);
      }
    }
    await this.close();
    expect(this.complaints.filter((text) => !this.#forgiven.some((about) => text.includes(about)))).toEqual([]);
  }
}

/** Keeps a picture of the page. */
export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: path.join(output, `${name.replaceAll(/[^\w-]+/g, "-")}.png`), fullPage: true });
}

const axe = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails with what axe finds wrong with the page. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(await axe);
  const found = await page.evaluate(async () => {
    const { violations } = await (Reflect.get(globalThis, "axe") as typeof import("axe-core")).run(document);
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
  });
  expect(found).toEqual([]);
}

/** What the tests of a file have: a server and a browser for all of them, and a visitor for each. */
export interface Stage {
  server: Server;
  browser: Browser;
  visitor: Visitor;
}

/** Sets the stage for the tests of the file that calls this, with settings of the server besides the usual ones. */
export function setStage(settings?: Record<string, string>): Stage {
  const stage = {} as Stage; // filled before the first test
  beforeAll(async () => {
    [stage.server, stage.browser] = await Promise.all([Server.start(settings), launch()]);
  });
  afterAll(async () => {
    await stage.browser.close();
    await stage.server.stop();
  });
  beforeEach(async () => {
    stage.visitor = await Visitor.of(stage.browser);
  });
  afterEach(async ({ task }) => {
    await stage.visitor.leave(task);
  });
  return stage;
}
