/** Pages that load Faye's client from the server, under each of its names, and get Pandapush's. */
import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, onTestFailed, test } from "vitest";
import { devKey, Server } from "./server.js";

let server: Server;
let pages: HTTPServer;
let browser: Browser;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
  pages = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html").end(`<!doctype html>
      <p id="status"></p>
      <script src="${server.url}${request.url}"></script>
      <script>
        const client = new Faye.Client("${server.url}/push", { timeout: 45, retry: 1 });
        const say = (text) => { document.getElementById("status").textContent = text; };
        client.subscribe("/devapp/public/alias", (data) => say(data.text)).then(() => say("subscribed"));
      </script>`);
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser.close();
  pages.close();
  await server.stop();
});

test.each(["/push.js", "/push/client.js", "/push/faye-browser-min.js"])("%s", async (name) => {
  const page = await browser.newPage();
  const log: string[] = [];
  page.on("pageerror", (error) => log.push(String(error)));
  onTestFailed(() => {
    process.stderr.write(`${log.join("\n")}\n${server.log}\n`);
  });
  await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}${name}`);
  await page.getByText("subscribed").waitFor();
  await server.publish(devKey, "/devapp/public/alias", { text: "Hello" });
  await page.getByText("Hello").waitFor();
  await page.close();
});
