/** Faye's own browser build in a real browser, with each of its transports forced in turn. */
import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Page, type Request } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { devKey, Server } from "./server.js";

const script = createRequire(import.meta.url).resolve("faye/client/faye-browser-min.js");
const transports = ["websocket", "eventsource", "long-polling", "cross-origin-long-polling", "callback-polling"];

let server: Server;
let pages: HTTPServer;
let elsewhere: string; // a page of another origin
let browser: Browser;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
  pages = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html>"));
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  elsewhere = `http://localhost:${(pages.address() as AddressInfo).port}/`;
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser.close();
  pages.close();
  await server.stop();
});

/** What the page has in its global scope. */
interface Scope {
  Faye: { Client: new (url: string) => FayeClient };
  client: FayeClient;
  received: unknown[];
}

/** Opens a page with a client that has no transports but these. */
async function open(url: string, enabled: string[]): Promise<Page> {
  const page = await browser.newPage();
  const log: string[] = [];
  page.on("console", (message) => log.push(message.text()));
  page.on("pageerror", (error) => log.push(String(error)));
  onTestFailed(() => {
    process.stderr.write(`${log.join("\n")}\n${server.log}\n`);
  });
  await page.goto(url);
  await page.addScriptTag({ path: script });
  await page.evaluate(
    ({ endpoint, disabled, auth }) => {
      const scope = globalThis as unknown as Scope;
      scope.received = [];
      scope.client = new scope.Faye.Client(endpoint);
      for (const feature of disabled) scope.client.disable(feature);
      scope.client.addExtension({ outgoing: (message, callback) => callback({ ...message, ext: { auth } }) });
    },
    {
      endpoint: `${server.url}/push`,
      disabled: transports.filter((transport) => !enabled.includes(transport)),
      auth: { key: devKey.id, secret: devKey.secret },
    },
  );
  return page;
}

/** Has the page subscribe, publish and receive, and says goodbye. */
async function talk(page: Page, channel: string): Promise<void> {
  await page.evaluate(
    (name) =>
      new Promise<void>((resolve, reject) => {
        const { client, received } = globalThis as unknown as Scope;
        const subscription = client.subscribe(name, (data) => received.push(data));
        subscription.callback(() => resolve());
        subscription.errback((error) => reject(new Error(String(error))));
      }),
    channel,
  );
  const received = (count: number) =>
    page.waitForFunction((n) => (globalThis as unknown as Scope).received.length >= n, count);
  await server.publish(devKey, channel, { from: "curl" });
  await received(1);
  await page.evaluate((name) => (globalThis as unknown as Scope).client.publish(name, { from: "page" }), channel);
  await received(2);
  for (let n = 0; n < 20; n++) {
    await server.publish(devKey, channel, { n });
  }
  await received(22);
  expect(await page.evaluate(() => (globalThis as unknown as Scope).received)).toEqual([
    { from: "curl" },
    { from: "page" },
    ...Array.from({ length: 20 }, (_, n) => ({ n })),
  ]);
  await page.evaluate(() => {
    (globalThis as unknown as Scope).client.disconnect();
  });
}

/** Waits until the client has sent a connect of that type, and returns by what means. */
async function connectsBy(page: Page, type: string): Promise<string> {
  const means = (how: string, text: string) => {
    const decoded = decodeURIComponent(text);
    return decoded.includes("/meta/connect") && decoded.includes(`"connectionType":"${type}"`) ? how : "";
  };
  return new Promise((resolve) => {
    const found = (how: string) => how && resolve(how);
    page.on("websocket", (socket) =>
      socket.on("framesent", ({ payload }) => found(means("WebSocket", String(payload)))),
    );
    page.on("request", (request: Request) => {
      const body = request.postData();
      found(body === null ? means(request.resourceType(), request.url()) : means(request.method(), body));
    });
  });
}

describe("a page of the server's own origin", () => {
  test.each([
    { type: "websocket", enabled: ["websocket", "long-polling"], by: "WebSocket" },
    { type: "eventsource", enabled: ["eventsource", "long-polling"], by: "POST" },
    { type: "long-polling", enabled: ["long-polling"], by: "POST" },
  ])("$type", async ({ type, enabled, by }) => {
    const page = await open(`${server.url}/livez`, enabled); // any page will do
    const how = connectsBy(page, type);
    const stream = page.waitForRequest((request) => request.resourceType() === "eventsource").catch(() => null);
    await talk(page, `/devapp/public/${type}`);
    expect(await how).toBe(by);
    if (type === "eventsource") expect(await stream).not.toBeNull();
    await page.close();
  });
});

describe("a page of another origin", () => {
  test.each([
    { type: "websocket", enabled: ["websocket", "callback-polling"], by: "WebSocket" },
    { type: "cross-origin-long-polling", enabled: ["cross-origin-long-polling", "callback-polling"], by: "POST" },
    { type: "callback-polling", enabled: ["callback-polling"], by: "script" },
  ])("$type", async ({ type, enabled, by }) => {
    const page = await open(elsewhere, enabled);
    const how = connectsBy(page, type);
    await talk(page, `/devapp/public/other-${type}`);
    expect(await how).toBe(by);
    await page.close();
  });
});
