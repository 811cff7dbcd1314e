/** CometD's client in a page that is loaded again. */
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { devKey, Server } from "./server.js";

let server: Server;
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
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser.close();
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

describe.each(["websocket", "long-polling", "callback-polling"])("%s", (transport) => {
  test("a page that is loaded again goes on with its session", async () => {
    const page = await browser.newPage();
    const log: string[] = [];
    page.on("console", (message) => log.push(message.text()));
    onTestFailed(() => {
      process.stderr.write(`${log.join("\n")}\n${server.log}\n`);
    });
    const channel = `/devapp/private/${transport}`;
    const received = (n: number) =>
      page.waitForFunction(
        (want) => (globalThis as unknown as Scope).received.some((data) => (data as { n: number }).n === want),
        n,
      );
    await page.goto(`${server.url}/livez`); // any page will do
    const first = await begin(page, transport, channel);
    await server.publish(devKey, channel, { n: 1 });
    await received(1);

    await page.evaluate(() => (globalThis as unknown as Scope).cometd.reload());
    await page.reload();
    expect(await begin(page, transport, channel)).toBe(first);
    await server.publish(devKey, channel, { n: 2 });
    await received(2); // maybe after the first once more: it had no time to say that it got it
    await page.close();
  });
});
