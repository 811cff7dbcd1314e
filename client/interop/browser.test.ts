/** The page of the README, in a real browser. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server as HTTPServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { devKey, Server } from "./server.js";

let server: Server;
let pages: HTTPServer;
let origin: string;
let browser: Browser;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const html = /```html\n(.*?)```/s.exec(readme)?.[1]?.replaceAll("http://localhost:3000", server.url);
  pages = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(html));
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  // Another port of another name: the page comes from another origin, and from another site.
  origin = `http://localhost:${(pages.address() as AddressInfo).port}`;
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser.close();
  pages.close();
  await server.stop();
});

/** Opens the page, and waits until it says that it is subscribed. */
async function open(): Promise<Page> {
  const page = await browser.newPage();
  const log: string[] = [];
  page.on("console", (message) => log.push(message.text()));
  page.on("pageerror", (error) => log.push(String(error)));
  onTestFailed(() => {
    process.stderr.write(`${log.join("\n")}\n${server.log}\n`);
  });
  await page.goto(origin);
  await page.getByText("subscribed").waitFor();
  return page;
}

test("the page of the README shows what curl publishes", async () => {
  const page = await open();
  await server.publish(devKey, "/devapp/public/news", { text: "Hello" });
  await page.getByText("Hello").waitFor();
  await page.close();
});

test("a page goes on by itself after the server was killed", async () => {
  const page = await open();
  await server.kill();
  await server.start();
  await expect
    .poll(
      async () => {
        await server.publish(devKey, "/devapp/public/news", { text: "Back" });
        return page.getByText("Back").count();
      },
      { timeout: 40_000, interval: 200 },
    )
    .toBeGreaterThan(0);
  await page.close();
});

test("a page without WebSocket uses long-polling", async () => {
  const page = await browser.newPage();
  await page.addInitScript("delete globalThis.WebSocket");
  await page.goto(origin);
  await page.getByText("subscribed").waitFor();
  await server.publish(devKey, "/devapp/public/news", { text: "Polled" });
  await page.getByText("Polled").waitFor();
  await page.close();
});
