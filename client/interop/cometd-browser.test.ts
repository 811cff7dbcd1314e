/** CometD's client in a page that is loaded again, of the server's own origin and of another. */
import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { devKey, Server } from "./server.js";

let server: Server;
let pages: HTTPServer;
let browser: Browser;
let script: string;

beforeAll(async () => {
  const contents = 'export { CometD } from "cometd"; export { ReloadExtension } from "cometd/ReloadExtension.js";';
  const entry = path.join(import.meta.dirname, "library.js"); // which is not there
  const library = { name: "library", load: (id: string) => (id === entry ? contents : null) };
  const build = await rolldown({
    input: entry,
    plugins: [{ ...library, resolveId: (id) => (id === entry ? id : null) }],
  });
  script = (await build.generate({ format: "iife", name: "Library" })).output[0].code;
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
  Library: {
    CometD: typeof import("cometd").CometD;
    ReloadExtension: new () => import("cometd").Extension;
  };
  cometd: import("cometd").CometD & { reload(): void };
  received: unknown[];
}

/** Has the page handshake, or go on with the session that it had, and subscribe. Returns the client id. */
async function begin(page: Page, transport: string, channel: string): Promise<string> {
  await page.addScriptTag({ content: script });
  return page.evaluate(
    ({ url, others, name, ext }) =>
      new Promise<string>((resolve) => {
        const scope = globalThis as unknown as Scope;
        scope.received = [];
        const cometd = new scope.Library.CometD() as Scope["cometd"];
        scope.cometd = cometd;
        for (const other of others) cometd.unregisterTransport(other);
        cometd.registerExtension("reload", new scope.Library.ReloadExtension());
        cometd.addListener("/meta/handshake", () => {
          cometd.subscribe(
            name,
            (message) => scope.received.push(message.data),
            { ext },
            () => resolve(cometd.getClientId() ?? ""),
          );
        });
        cometd.configure({ url });
        cometd.handshake();
      }),
    {
      url: `${server.url}/push`,
      others: ["websocket", "long-polling", "callback-polling"].filter((other) => other !== transport),
      name: channel,
      ext: { auth: { key: devKey.id, secret: devKey.secret } },
    },
  );
}

const origins = {
  "its own": () => `${server.url}/livez`, // any page will do
  another: () => `http://localhost:${(pages.address() as AddressInfo).port}/`,
};

describe.each(["websocket", "long-polling", "callback-polling"])("%s", (transport) => {
  test.each(["its own", "another"] as const)(
    "a page that is loaded again goes on with its session, from %s origin",
    async (origin) => {
      const page = await browser.newPage();
      const log: string[] = [];
      page.on("console", (message) => log.push(message.text()));
      onTestFailed(() => {
        process.stderr.write(`${log.join("\n")}\n${server.log}\n`);
      });
      const channel = `/devapp/private/${transport}-${origin.replace(" ", "-")}`;
      const received = (n: number) =>
        page.waitForFunction(
          (want) => (globalThis as unknown as Scope).received.some((data) => (data as { n: number }).n === want),
          n,
        );
      await page.goto(origins[origin]());
      const first = await begin(page, transport, channel);
      await server.publish(devKey, channel, { n: 1 });
      await received(1);

      await page.evaluate(() => (globalThis as unknown as Scope).cometd.reload());
      await page.reload();
      expect(await begin(page, transport, channel)).toBe(first);
      await server.publish(devKey, channel, { n: 2 });
      await received(2); // maybe after the first once more: it had no time to say that it got it
      await page.close();
    },
  );
});
