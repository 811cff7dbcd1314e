/** The pages of examples/, in a real browser, as the server has them. */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFailed, test } from "vitest";
import { devKey, Server } from "./server.js";

/** How long what is waited for may take; nothing that works comes near it. */
const timeout = 40_000;

let server: Server;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  server = await Server.prepare({ EXAMPLES: "true" });
  await server.start();
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});
beforeEach(async () => {
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
});

/** Opens a page, on which nothing may go wrong. */
async function open(name: string): Promise<Page> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  onTestFailed(() => {
    process.stderr.write(`${errors.join("\n")}\n${server.log}\n`);
  });
  await page.goto(`${server.url}/examples/${name}`);
  return page;
}

/** Waits until the client of a page is in a state. */
async function reached(page: Page, state: string): Promise<void> {
  await page.getByRole("status").getByText(state, { exact: true }).waitFor();
}

/** Waits until an element has this text. */
async function shows(page: Page, selector: string, text: string): Promise<void> {
  await expect.poll(() => page.locator(selector).innerText(), { timeout }).toBe(text);
}

test("the list leads to every page, and each is titled", async () => {
  const page = await open("");
  for (const name of ["Chat", "Counter", "Dashboard"]) {
    await page.getByRole("link", { name }).click();
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    expect(await page.title()).toBe(name);
    await page.goBack();
  }
});

/** Opens the chat, as somebody. */
async function enter(name: string): Promise<Page> {
  const page = await open("chat.html");
  await page.locator("#name:focus").waitFor(); // nobody has to reach for a mouse
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
  await page.locator("#text:focus").waitFor();
  return page;
}

async function say(page: Page, text: string): Promise<void> {
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

test("chat: two people see each other, talk, and one leaves", async () => {
  const ann = await enter("Ann");
  await shows(ann, "#people", "Ann");
  await say(ann, "Is anybody there?");
  await shows(ann, "#messages", "Is anybody there?");

  const bob = await enter("<b>Bob");
  await shows(bob, "#people", "Ann\n<b>Bob");
  await shows(ann, "#people", "Ann\n<b>Bob");
  await say(bob, "I am <i>here</i>");
  await shows(ann, "#messages", "Is anybody there?\n<b>Bob\nI am <i>here</i>");
  await shows(bob, "#messages", "Ann\nIs anybody there?\nI am <i>here</i>");

  for (let n = 1; n <= 30; n++) await server.publish(devKey, "/devapp/presence/chat", { from: "curl", text: `${n}` });
  const newest = (page: Page) =>
    page.locator("#messages").evaluate((list) => {
      const last = list.lastElementChild as Element;
      const inSight = last.getBoundingClientRect().bottom <= list.getBoundingClientRect().bottom + 1;
      return inSight ? last.textContent : "out of sight";
    });
  for (const page of [ann, bob]) await expect.poll(() => newest(page), { timeout }).toBe("curl30");
  await bob.close({ runBeforeUnload: true });
  await shows(ann, "#people", "Ann");
});

test("chat: the server is killed under two people, and what they say meanwhile is said once", async () => {
  const [ann, bob] = [await enter("Ann"), await enter("Bob")];
  await shows(ann, "#people", "Ann\nBob");
  const theirs = (page: Page) =>
    page.locator("#messages li:not(.mine)").evaluateAll((items) => items.map((item) => item.lastChild?.textContent));
  const mark = `${Date.now()}`;
  await say(ann, `before ${mark}`);
  await ann.locator("#messages li").getByText(`before ${mark}`).waitFor(); // else it would stay in the field
  await server.kill();
  for (const page of [ann, bob]) await reached(page, "reconnecting");
  await say(ann, `during ${mark}`);
  await ann.getByRole("alert").getByText("No token").waitFor(); // nobody is there to give one
  await server.start();
  for (const page of [ann, bob]) await reached(page, "connected");
  await ann.keyboard.press("Enter"); // what could not be sent is still there
  await ann.locator("#messages li").getByText(`during ${mark}`).waitFor();
  await say(ann, `after ${mark}`);
  const heard = async () => (await theirs(bob)).filter((text) => text?.includes(mark));
  await expect.poll(heard, { timeout }).toEqual(["before", "during", "after"].map((when) => `${when} ${mark}`));
  for (const page of [ann, bob]) {
    await shows(page, "#people", "Ann\nBob");
    expect(await page.locator("#problem").innerText()).toBe("");
  }
});

test("chat: a name that is none is refused, and another can be given", async () => {
  const page = await open("chat.html");
  await page.getByLabel("Your name").fill("   ");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("A name has 1 to 40 characters").waitFor();
  await page.getByLabel("Your name").fill("Cid");
  await page.keyboard.press("Enter");
  await shows(page, "#people", "Cid");
});

test("counter: counts what is published, also before it is opened again", async () => {
  const channel = "/devapp/public/counter";
  const page = await open("counter.html");
  await reached(page, "connected");
  await page.waitForFunction((key) => localStorage.getItem(key)?.includes("cursor"), channel);
  await page.goto("about:blank");
  await server.publish(devKey, channel, { add: 2 });
  await page.goto(`${server.url}/examples/counter.html`);
  await shows(page, "#count", "2");

  await server.publish(devKey, channel, { add: 40 });
  await shows(page, "#count", "42");
  await page.reload();
  await page.getByRole("button", { name: "Add one" }).click();
  await shows(page, "#count", "43");

  await page.getByRole("button", { name: "Start at 0 again" }).click();
  await shows(page, "#count", "0");
  await page.reload();
  await reached(page, "connected");
  await server.publish(devKey, channel, { add: 1 });
  await shows(page, "#count", "1");
});

test("dashboard: the past, what comes, an outage, and the numbers", async () => {
  const channel = "/devapp/public/weather/oslo";
  for (let n = 1; n <= 25; n++) await server.publish(devKey, channel, { n });
  const page = await open("dashboard.html");
  const numbers = () =>
    page.locator("#flow tr").evaluateAll((rows) =>
      rows
        .map((row) => [...row.children].map((cell) => cell.textContent))
        .filter(([name]) => name?.endsWith("/oslo"))
        .map(([, data]) => JSON.parse(data ?? "").n),
    );
  const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => from - i);
  await expect.poll(numbers, { timeout }).toEqual(down(25, 6));
  await page.getByRole("button", { name: "Show older ones" }).click();
  await expect.poll(numbers, { timeout }).toEqual(down(25, 1));

  await server.kill();
  await reached(page, "reconnecting");
  await server.start();
  await server.publish(devKey, channel, { n: 26 });
  await expect.poll(numbers, { timeout }).toEqual(down(26, 1));
  await reached(page, "connected");
  await expect.poll(() => page.locator("[data-of=sessions]").innerText(), { timeout }).toMatch(/^[1-9]/);
});

test("dashboard: what there is no room for can be had again", async () => {
  const channel = "/devapp/public/many";
  await context.route("**/dashboard.html", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace("maxRows = 500", "maxRows = 3") });
  });
  await server.publish(devKey, channel, { n: 0 });
  const page = await open("dashboard.html");
  await page.locator("#flow").getByText('{"n":0}').waitFor();
  for (let n = 1; n <= 6; n++) await server.publish(devKey, channel, { n });
  const data = () => page.locator("#flow td:last-child").allInnerTexts();
  await expect.poll(data, { timeout }).toEqual(['{"n":6}', '{"n":5}', '{"n":4}']);
  await page.getByRole("button", { name: "Show older ones" }).click();
  const all = [6, 5, 4, 3, 2, 1, 0].map((n) => JSON.stringify({ n }));
  await expect.poll(async () => (await data()).slice(0, 7), { timeout }).toEqual(all);
});

test("they are there only where the operator wants them", async () => {
  const plain = await Server.prepare();
  await plain.start();
  try {
    for (const path of ["/examples/", "/examples/chat.html", "/examples/token?channel=/devapp/meta/statistics"]) {
      expect((await fetch(plain.url + path)).status).toBe(404);
    }
  } finally {
    await plain.stop();
  }
});
