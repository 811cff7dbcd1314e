/** A real server with the real UI, and a real browser. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect, onTestFailed } from "vitest";

const binary = process.env.PANDAPUSH_BIN ?? path.join(import.meta.dirname, "../../bin/pandapush");
const axeSource = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Screenshots are kept here, for people to look at. */
const output = path.join(import.meta.dirname, "../test-output");

const login = { username: "admin", password: "testpassword123" };
export const devKey = { id: "devkey", secret: "devsecret" };

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

  static async start(env: Record<string, string> = {}): Promise<Server> {
    const dataDir = await mkdtemp(path.join(tmpdir(), "pandapush-ui-"));
    const server = spawn(binary, ["serve"], {
      env: {
        PATH: process.env.PATH,
        PORT: "0",
        DATA_DIR: dataDir,
        AUTH_METHOD: "basic",
        ADMIN_USERNAME: login.username,
        ADMIN_PASSWORD: login.password,
        DEV_APPLICATION_ID: "devapp",
        DEV_KEY_ID: devKey.id,
        DEV_KEY_SECRET: devKey.secret,
        LOG_FORMAT: "json",
        ...env,
      },
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

  /** Publishes as curl does. */
  async publish(channel: string, value: unknown): Promise<void> {
    await this.#post(`/channel${channel}`, `${devKey.id}:${devKey.secret}`, value);
  }

  /** Asks the admin API. */
  async admin<T>(route: string, body: unknown): Promise<T> {
    return (await this.#post(`/admin/api${route}`, `${login.username}:${login.password}`, body)).json() as Promise<T>;
  }

  async #post(route: string, credential: string, body: unknown): Promise<Response> {
    const response = await fetch(this.url + route, {
      method: "POST",
      headers: { Authorization: `Basic ${btoa(credential)}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) {
      throw new Error(`${route}: ${response.status} ${await response.text()}`);
    }
    return response;
  }
}

/** A browser in which somebody is logged in. What its pages complain about fails the test that asks `complaints`. */
export class Visitor {
  readonly context: BrowserContext;
  /** Whatever was written to the console or broke the policy of the page. */
  readonly complaints: string[] = [];

  private constructor(context: BrowserContext) {
    this.context = context;
  }

  static async of(browser: Browser, scheme: "light" | "dark" = "light"): Promise<Visitor> {
    const context = await browser.newContext({
      httpCredentials: login,
      colorScheme: scheme,
      reducedMotion: "reduce",
      viewport: { width: 1360, height: 900 },
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const visitor = new Visitor(context);
    await context.exposeFunction("complain", (text: string) => visitor.complaints.push(text));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) =>
        (globalThis as unknown as { complain: (text: string) => void }).complain(
          `policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`,
        ),
      );
    });
    return visitor;
  }

  async open(url: string): Promise<Page> {
    const page = await this.context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.complaints.push(`console: ${message.text()}`);
      }
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    onTestFailed(async () => {
      await mkdir(output, { recursive: true });
      await page.screenshot({ path: path.join(output, `failed-${Date.now()}.png`), fullPage: true }).catch(() => {});
      process.stderr.write(`${this.complaints.join("\n")}\n`);
    });
    await page.goto(url);
    return page;
  }
}

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

/** Keeps a picture of the page. */
export async function picture(page: Page, name: string): Promise<void> {
  await mkdir(output, { recursive: true });
  await page.screenshot({ path: path.join(output, `${name}.png`), fullPage: true });
}

/** Fails with what axe finds wrong with the page. */
export async function expectAccessible(page: Page): Promise<void> {
  // The page's policy lets in no script of ours; a script of the browser's own world is not asked.
  await page.evaluate(await axe());
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof import("axe-core") }).axe.run(document);
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
  });
  expect(found).toEqual([]);
}

let source: Promise<string> | undefined;

async function axe(): Promise<string> {
  source ??= import("node:fs/promises").then(({ readFile }) => readFile(axeSource, "utf8"));
  return source;
}
