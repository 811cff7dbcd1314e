/** What a browser's own EventSource gets, in a page of another origin. */
import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { devKey, Server } from "./server.js";
import { token } from "./token.js";

let server: Server;
let pages: HTTPServer;
let browser: Browser;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
  pages = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html>"));
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser.close();
  pages.close();
  await server.stop();
});

/** What the page has in its global scope. */
interface Scope {
  source: EventSource;
  received: { channel: string; data: unknown }[];
}

/** As much of Faye's client as is used here. */
interface FayeClient {
  disable(feature: string): void;
  subscribe(channel: string, callback: (data: unknown) => void): PromiseLike<void>;
}

/** Opens a page that follows a path. */
async function follow(path: string): Promise<Page> {
  const page = await browser.newPage();
  onTestFailed(() => {
    process.stderr.write(`${server.log}\n`);
  });
  await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}/`);
  await page.evaluate(
    (url) =>
      new Promise<void>((resolve, reject) => {
        const scope = globalThis as unknown as Scope;
        scope.received = [];
        scope.source = new EventSource(url);
        scope.source.onopen = () => resolve();
        scope.source.onerror = () => scope.source.readyState === EventSource.CLOSED && reject(new Error("refused"));
        scope.source.onmessage = (event) => scope.received.push(JSON.parse(event.data));
      }),
    server.url + path,
  );
  return page;
}

/** Waits until the page has got so many messages, and returns their data. */
async function received(page: Page, count: number): Promise<unknown[]> {
  await page.waitForFunction((n) => (globalThis as unknown as Scope).received.length >= n, count);
  return page.evaluate(() => (globalThis as unknown as Scope).received.map((message) => message.data));
}

const credential = `token=${token(devKey, { channel: "/devapp/private/**", sub: true })}`;

test("a page of another origin follows several channels with a token", async () => {
  const page = await follow(`/channel/devapp/private/a/*?${credential}&channel=/devapp/public/b`);
  await server.publish(devKey, "/devapp/private/a/1", { n: 1 });
  await server.publish(devKey, "/devapp/public/b", { n: 2 });
  await server.publish(devKey, "/devapp/public/c", { n: 3 });
  await server.publish(devKey, "/devapp/private/a/2", { n: 4 });
  expect(await received(page, 3)).toEqual([{ n: 1 }, { n: 2 }, { n: 4 }]);
  await page.close();
});

test("a page goes on by itself after the server was killed, with everything once", async () => {
  const page = await follow("/channel/devapp/public/killed");
  const sent: unknown[] = [];
  const send = async (count: number) => {
    for (let i = 0; i < count; i++) {
      sent.push({ n: sent.length });
      await server.publish(devKey, "/devapp/public/killed", sent.at(-1));
    }
  };
  await send(10);
  await server.kill();
  await server.start();
  await send(10); // before the page is back
  expect(await received(page, sent.length)).toEqual(sent);
  await send(5);
  expect(await received(page, sent.length)).toEqual(sent);
  await page.close();
});

test("a page with Faye's EventSource transport loses nothing when the server was killed", async () => {
  const page = await browser.newPage();
  onTestFailed(() => {
    process.stderr.write(`${server.log}\n`);
  });
  await page.goto(`${server.url}/livez`); // of the same origin, as Faye wants it
  await page.addScriptTag({ path: createRequire(import.meta.url).resolve("faye/client/faye-browser-min.js") });
  const opened = page.waitForResponse((response) => response.request().resourceType() === "eventsource");
  await page.evaluate(async (endpoint) => {
    const scope = globalThis as unknown as Scope & { Faye: { Client: new (url: string) => FayeClient } };
    scope.received = [];
    const client = new scope.Faye.Client(endpoint);
    client.disable("websocket");
    await client.subscribe("/devapp/public/faye", (data) => scope.received.push({ channel: "", data }));
  }, `${server.url}/push`);
  await opened;
  const sent: unknown[] = [];
  const send = async (count: number) => {
    for (let i = 0; i < count; i++) {
      sent.push({ n: sent.length });
      await server.publish(devKey, "/devapp/public/faye", sent.at(-1));
    }
  };
  await send(10);
  expect(await received(page, sent.length)).toEqual(sent);
  await server.kill();
  await server.start();
  await send(10);
  expect(await received(page, sent.length)).toEqual(sent); // the browser says what it got last
  await page.close();
});

test("a page is told why its stream ends", async () => {
  const soon = Math.floor(Date.now() / 1000) + 3;
  const short = token(devKey, { channel: "/devapp/private/short", sub: true, exp: soon });
  const page = await follow(`/channel/devapp/private/short?token=${short}`);
  const reason = await page.evaluate(
    () =>
      new Promise<string>((resolve) => {
        const { source } = globalThis as unknown as Scope;
        source.addEventListener("end", (event) => {
          source.close();
          resolve(JSON.parse(event.data).reason);
        });
      }),
  );
  expect(reason).toBe("Expired token");
  await page.close();
});
