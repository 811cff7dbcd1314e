/**
 * What pages live through, in a real browser: every message has a number, and none may be missing or come twice. The pages
 * are of another origin than the server, and between the two is a proxy.
 */
import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFailed, test } from "vitest";
import type * as Library from "../src/index.js";
import { BadProxy } from "./proxy.js";
import { devKey, Server } from "./server.js";
import { token } from "./token.js";

/** What a page has in its global scope. */
interface Scope {
  Pandapush: typeof Library;
  client: Library.Client;
  received: number[];
  told: unknown[];
  tokens: number;
  room: Library.Roster;
}

let server: Server;
let pages: HTTPServer;
let browser: Browser;
let proxy: BadProxy;
let context: BrowserContext;
/** Headers of the page itself. */
let headers: Record<string, string>;
/** The lifetime of the tokens that /token gives, in seconds. */
let lifetime: number;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
  pages = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://pages");
    if (url.pathname === "/token") {
      response.setHeader("Cache-Control", "no-store"); // of a page, it would keep that from being put away
      const claims = { ...Object.fromEntries(url.searchParams), exp: Math.ceil(Date.now() / 1000) + lifetime };
      response.end(
        token(devKey, { ...claims, sub: true, pub: true, presence: { id: url.searchParams.get("id") ?? "x" } }),
      );
      return;
    }
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>Page</title><script src="${proxy.url}/client.js"></script>`);
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox"],
    ignoreDefaultArgs: ["--disable-back-forward-cache"], // pages that are left are put away, as anywhere
  });
});
afterAll(async () => {
  await browser.close();
  pages.close();
  await server.stop();
});
beforeEach(async () => {
  headers = {};
  lifetime = 3600;
  proxy = await BadProxy.before(server.url);
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
  await proxy.close();
});

/** Opens a page with a client. */
async function open(options: Library.Options = {}): Promise<Page> {
  const page = await context.newPage();
  const log: string[] = [];
  page.on("console", (message) => log.push(message.text()));
  page.on("pageerror", (error) => log.push(String(error)));
  onTestFailed(async () => {
    process.stderr.write(`${log.join("\n")}\n${server.log}\n`);
  });
  await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}/`);
  await page.evaluate(
    ([url, given]) => {
      const scope = globalThis as unknown as Scope;
      const client = new scope.Pandapush.Client(`${url}/push`, { retry: 0.2, ...given });
      Object.assign(scope, { client, received: [], told: [], tokens: 0 });
      client.on("state", (state) => scope.told.push(state));
      client.on("gap", (gap) => scope.told.push(["gap", gap.reason]));
      client.on("error", (error, channel) => scope.told.push(["error", String(error), channel]));
    },
    [proxy.url, options] as const,
  );
  return page;
}

/** Has the page subscribe, with tokens that it fetches if it is no public channel. */
async function subscribe(page: Page, channel: string, options: Library.SubscribeOptions = {}): Promise<void> {
  await page.evaluate(
    ([name, given]) => {
      const scope = globalThis as unknown as Scope;
      const ask = async () => {
        scope.tokens++;
        return (await fetch(`/token?channel=${encodeURIComponent(name)}`)).text();
      };
      const take = (data: unknown) => void scope.received.push((data as { n: number }).n);
      const started = scope.client.subscribeTo(name, name.includes("/public/") ? null : ask, take, given);
      return started.then(() => {});
    },
    [channel, options] as const,
  );
}

let last = 0;

/** Publishes so many numbered messages. Returns their numbers. */
async function publish(channel: string, count: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) {
    await server.publish(devKey, channel, { n: ++last });
    numbers.push(last);
  }
  return numbers;
}

/** Waits until the page has as many messages as that, and says that they are those. */
async function expectReceived(page: Page, numbers: number[]): Promise<void> {
  await page.waitForFunction((count) => (globalThis as unknown as Scope).received.length >= count, numbers.length);
  expect(await page.evaluate(() => (globalThis as unknown as Scope).received)).toEqual(numbers);
}

/** Waits until the client of a page is in a state. */
async function reached(page: Page, state: Library.ConnectionState): Promise<void> {
  await page.waitForFunction((wanted) => (globalThis as unknown as Scope).client.state === wanted, state);
}

/** What the page was told, but for the states. */
const troubles = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as Scope).told.filter((what) => typeof what !== "string"));

describe("channels", () => {
  test.each(["/devapp/public/pages", "/devapp/private/pages"])("%s", async (channel) => {
    const page = await open();
    await subscribe(page, channel);
    await expectReceived(page, await publish(channel, 20));
    expect(await troubles(page)).toEqual([]);
  });

  test("the past: rewind, and history", async () => {
    const channel = "/devapp/private/past";
    const numbers = await publish(channel, 5);
    const page = await open();
    await subscribe(page, channel, { rewind: 3 });
    await expectReceived(page, [...numbers.slice(2), ...(await publish(channel, 2))]);
    const history = await page.evaluate((name) => {
      const { client } = globalThis as unknown as Scope;
      client.setHeader("X-Own", "1");
      return client.history(name, { limit: 2, order: "oldest" });
    }, channel);
    expect(history.messages.map(({ data }) => (data as { n: number }).n)).toEqual(numbers.slice(0, 2));
  });

  test("presence: those who are there, those who come, and those who leave", async () => {
    const channel = "/devapp/presence/pages";
    const enter = async (id: string) => {
      const page = await open();
      await page.evaluate(
        async ([name, user]) => {
          const scope = globalThis as unknown as Scope;
          const ask = async () => (await fetch(`/token?id=${user}&channel=${encodeURIComponent(name)}`)).text();
          scope.room = scope.client.presence(name, ask);
          scope.room.on("message", (data) => scope.told.push(data));
          await scope.room.subscription;
        },
        [channel, id] as const,
      );
      return page;
    };
    const there = (page: Page, ids: string[]) =>
      page.waitForFunction(
        (wanted) => [...(globalThis as unknown as Scope).room.members.keys()].sort().join() === wanted,
        ids.join(),
      );
    const ann = await enter("ann");
    await there(ann, ["ann"]);
    const bob = await enter("bob");
    await there(bob, ["ann", "bob"]);
    await there(ann, ["ann", "bob"]);
    await publish(channel, 1);
    await ann.waitForFunction(() => (globalThis as unknown as Scope).told.some((what) => typeof what === "object"));
    await bob.close({ runBeforeUnload: true });
    await there(ann, ["ann"]);
  });
});

describe("what goes wrong on the way", () => {
  const channel = "/devapp/private/way";

  test("offline, and back", async () => {
    const page = await open();
    await subscribe(page, channel);
    const before = await publish(channel, 5);
    await expectReceived(page, before);
    proxy.cut();
    await context.setOffline(true);
    await reached(page, "reconnecting");
    const during = await publish(channel, 5);
    proxy.mend();
    await context.setOffline(false);
    await expectReceived(page, [...before, ...during, ...(await publish(channel, 5))]);
  });

  test.each([
    ["websocket", []],
    ["eventsource", ["websocket"]],
    ["long-polling", ["websocket", "eventsource"]],
  ])("%s: connections that break again and again while messages flow", async (_, disabled) => {
    const page = await open();
    await page.evaluate((names) => {
      for (const name of names) (globalThis as unknown as Scope).client.disable(name);
    }, disabled);
    await subscribe(page, channel);
    const numbers: number[] = [];
    for (let round = 0; round < 5; round++) {
      const messages = publish(channel, 10);
      proxy.cut();
      proxy.mend();
      numbers.push(...(await messages));
    }
    await expectReceived(page, numbers);
    expect(await troubles(page)).toEqual([]);
  });

  test("the node is killed, and another takes its place", async () => {
    const page = await open();
    await subscribe(page, channel);
    const before = await publish(channel, 10);
    await server.kill();
    await server.start();
    await expectReceived(page, [...before, ...(await publish(channel, 10))]);
    expect(await troubles(page)).toEqual([]);
  });

  test("the session is lost: another one goes on from the cursor", async () => {
    const page = await open();
    await subscribe(page, channel);
    const before = await publish(channel, 5);
    await expectReceived(page, before);
    proxy.cut();
    const id = await page.evaluate(() => (globalThis as unknown as Scope).client.clientId);
    const body = JSON.stringify([{ channel: "/meta/disconnect", clientId: id, id: "1" }]);
    await fetch(`${server.url}/push`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
    const during = await publish(channel, 5);
    proxy.mend();
    await expectReceived(page, [...before, ...during, ...(await publish(channel, 5))]);
    expect(await troubles(page)).toEqual([]);
  });

  test("a token expires, and the page gives another", async () => {
    lifetime = 3;
    const page = await open({ expiry: true });
    await subscribe(page, channel);
    const numbers: number[] = [];
    while ((await page.evaluate(() => (globalThis as unknown as Scope).tokens)) < 3) {
      numbers.push(...(await publish(channel, 1)));
    }
    await expectReceived(page, [...numbers, ...(await publish(channel, 5))]);
    expect(await troubles(page)).toEqual([]);
  });

  test("tokens cannot be had in time: the subscription ends, and goes on where it was", async () => {
    lifetime = 2;
    const page = await open({ expiry: true });
    await subscribe(page, channel);
    await page.route("**/token?*", (route) => route.abort());
    const before = await publish(channel, 3);
    await page.waitForFunction(() => (globalThis as unknown as Scope).tokens > 3);
    const during = await publish(channel, 3);
    await page.unroute("**/token?*");
    lifetime = 3600;
    await expectReceived(page, [...before, ...during, ...(await publish(channel, 3))]);
    expect((await troubles(page))[0]).toEqual(["error", "No token: TypeError: Failed to fetch", channel]);
  });
});

describe("proxies", () => {
  const channel = "/devapp/public/proxies";

  test.each(["refuse", "swallow"] as const)("that %s WebSockets: an event stream is used", async (what) => {
    proxy.sockets = what;
    const page = await open();
    await subscribe(page, channel);
    await expectReceived(page, await publish(channel, 20));
    expect(proxy.streams).toBe(1);
  });

  test("that refuse event streams as well: long-polling is used", async () => {
    proxy.sockets = "refuse";
    proxy.letsStreams = false;
    const page = await open();
    await subscribe(page, channel);
    await expectReceived(page, await publish(channel, 20));
    expect([proxy.upgrades, proxy.streams]).toEqual([1, 0]);
    const trials = await page.evaluate(() => (globalThis as unknown as Scope).client.diagnose());
    expect(trials.map(({ type, works }) => [type, works])).toEqual([
      ["websocket", false],
      ["eventsource", false],
      ["long-polling", true],
    ]);
  });

  test("that let everything through, as diagnose sees it", async () => {
    const page = await open();
    const trials = await page.evaluate(() => (globalThis as unknown as Scope).client.diagnose());
    expect(trials.map(({ reason }) => reason)).toEqual([undefined, undefined, undefined]);
  });
});

test("a strict Content-Security-Policy", async () => {
  const socket = proxy.url.replace("http", "ws");
  headers = {
    "Content-Security-Policy": `default-src 'none'; script-src ${proxy.url}/client.js; connect-src ${proxy.url} ${socket} 'self'`,
  };
  const channel = "/devapp/private/csp";
  const page = await open();
  await subscribe(page, channel);
  await expectReceived(page, await publish(channel, 5));
  expect(proxy.upgrades).toBe(1);
});

test("a page that is isolated from other origins may load the script", async () => {
  headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  const channel = "/devapp/public/isolated";
  const page = await open();
  await subscribe(page, channel);
  await expectReceived(page, await publish(channel, 1));
  expect(await page.evaluate(() => globalThis.crossOriginIsolated)).toBe(true);
});

describe("pages that share a connection", () => {
  const channel = "/devapp/private/shared";

  test("have one socket, and go on when the page that has it is closed", async () => {
    const [one, two, three] = [await open({ share: true }), await open({ share: true }), await open({ share: true })];
    for (const page of [one, two, three]) await subscribe(page, channel);
    expect(proxy.upgrades).toBe(1);
    const before = await publish(channel, 5);
    for (const page of [one, two, three]) await expectReceived(page, before);
    const closing = one.close({ runBeforeUnload: true });
    const during = await publish(channel, 20);
    await closing;
    const after = await publish(channel, 5);
    for (const page of [two, three]) {
      await expectReceived(page, [...before, ...during, ...after]);
      expect(await troubles(page)).toEqual([]);
    }
    expect(proxy.upgrades).toBe(2);
  });

  test("go on when the page that has it is left, and that page goes on when it is come back to", async () => {
    const [one, two] = [await open({ share: true }), await open({ share: true })];
    for (const page of [one, two]) await subscribe(page, channel);
    const before = await publish(channel, 3);
    for (const page of [one, two]) await expectReceived(page, before);
    const url = one.url();
    await one.goto(`${url}elsewhere`);
    const during = await publish(channel, 3);
    await expectReceived(two, [...before, ...during]);
    await one.evaluate(() => history.back());
    // A page that is put back is no navigation to Playwright: it is asked anew until it is there.
    const received = (page: Page) => page.evaluate(() => (globalThis as unknown as Scope).received);
    await expect.poll(() => received(one), { timeout: 30_000 }).toEqual([...before, ...during]);
    const after = await publish(channel, 3);
    for (const page of [one, two]) {
      await expect.poll(() => received(page), { timeout: 30_000 }).toEqual([...before, ...during, ...after]);
      expect(await troubles(page)).toEqual([]);
    }
  });

  test("publish through it, and end with the last of them", async () => {
    const [one, two] = [await open({ share: true }), await open({ share: true })];
    for (const page of [one, two]) await subscribe(page, channel);
    const n = ++last;
    await two.evaluate(([name, data]) => (globalThis as unknown as Scope).client.publish(name, data).then(() => {}), [
      channel,
      { n },
    ] as const);
    for (const page of [one, two]) await expectReceived(page, [n]);
    await two.evaluate(() => (globalThis as unknown as Scope).client.disconnect().then(() => {}));
    await expectReceived(one, [n, ...(await publish(channel, 1))]);
    await one.evaluate(() => (globalThis as unknown as Scope).client.disconnect().then(() => {}));
    await reached(one, "closed");
  });
});
