/** What teams do: applications, what is set for them, their keys; and who may come in at all. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { login, setStage, Visitor } from "./harness.js";

const stage = setStage({ TRUSTED_PROXIES: "127.0.0.1/32" });

const open = (path = "") => stage.visitor.open(`${stage.server.url}/admin${path}`);
const create = (name: string) => stage.server.admin<{ id: string }>("/applications", { name });
const rows = (page: Page) => page.locator("tbody tr");
const dialog = (page: Page) => page.getByRole("dialog");

/** Shows what a team has made, where a page of theirs would be. */
async function show(page: Page, html: string): Promise<void> {
  const url = `${stage.server.url}/team.html`;
  await page.route(url, (route) => route.fulfill({ contentType: "text/html", body: html }));
  await page.goto(url);
}

test("an application is made, found by its name, and deleted by typing that", async () => {
  const page = await open();
  await page.getByRole("button", { name: "New Application" }).click();
  await dialog(page).getByLabel("Name").fill("Weather station");
  await dialog(page).getByRole("button", { name: "Submit" }).click();
  await page.getByRole("heading", { name: /^Weather station \(\w+\)$/ }).waitFor();

  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Applications" }).click();
  await page.getByRole("searchbox").fill("weather");
  await expect.poll(() => rows(page).count()).toBe(1);
  await page.getByRole("searchbox").fill("nothing like it");
  await page.getByText("No application matches").waitFor();
  await page.getByRole("searchbox").fill("WEATHER");
  await rows(page).getByRole("link").click();

  await page.getByRole("button", { name: "Delete" }).click();
  const confirm = dialog(page).getByRole("button", { name: "Delete" });
  await dialog(page).getByLabel("Type Weather station to confirm").fill("Weather");
  expect(await confirm.isDisabled()).toBe(true);
  await dialog(page).getByLabel("Type Weather station to confirm").fill("Weather station");
  await confirm.click();
  await page.getByRole("heading", { name: "Applications" }).waitFor();
  await rows(page).getByText("devapp").first().waitFor();
  expect(await page.getByText("Weather station").count()).toBe(0);
});

test("of two who change the same settings, the second is told", async () => {
  const { id } = await stage.server.admin<{ id: string }>("/applications", { name: "contested" });
  const url = `${stage.server.url}/admin/application/${id}/info`;
  const [first, second] = [await stage.visitor.open(url), await stage.visitor.open(url)];
  for (const page of [first, second]) {
    await page.getByRole("region", { name: "Settings" }).getByRole("button", { name: "Change" }).click();
  }
  await first.getByLabel("Publish rate", { exact: true }).fill("25");
  await first.getByRole("button", { name: "Save" }).click();
  await first.getByText("25 / s").waitFor();
  await second.getByLabel("Publish burst", { exact: true }).fill("50");
  await second.getByRole("button", { name: "Save" }).click();
  await second.getByText("Somebody else has changed it meanwhile.").waitFor();
  await second.getByRole("button", { name: "Cancel" }).click();
  await second.getByText("25 / s").waitFor();
  await second.getByRole("region", { name: "Settings" }).getByRole("button", { name: "Change" }).click();
  await second.getByLabel("Publish burst", { exact: true }).fill("50");
  await second.getByRole("button", { name: "Save" }).click();
  await second.getByText("50", { exact: true }).waitFor();
  await second.getByText("25 / s").waitFor();
  stage.visitor.complained("412");
});

test("its name, its admins and its settings are changed", async () => {
  const { id } = await create("Old name");
  const page = await open(`/application/${id}/info`);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Name").fill("New name");
  await page.getByRole("combobox", { name: "Admins" }).fill("bob");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: `New name (${id})` }).waitFor();
  await page.getByRole("region", { name: "About" }).getByText("bob").waitFor();

  const settings = page.getByRole("region", { name: "Settings" });
  await settings.getByRole("button", { name: "Change" }).click();
  await settings.getByRole("combobox", { name: "Allowed origins" }).fill("not an origin");
  await page.keyboard.press("Enter");
  await settings.getByRole("button", { name: "Save" }).click();
  await settings.getByText("number 1 is no origin").waitFor();
  stage.visitor.complained("400 (Bad Request)");
  await settings.getByRole("combobox", { name: "Allowed origins" }).press("Backspace");
  await settings.getByLabel("Publish rate", { exact: true }).fill("25");
  await settings.getByRole("switch").check();
  await settings.getByRole("button", { name: "Save" }).click();
  await page.getByText("This application is suspended").waitFor();
  await settings.getByText("25 / s").waitFor();
});

test("the snippets work as they are", async () => {
  const { id } = await create("Snippets");
  const key = await stage.server.admin<{ id: string; secret: string }>(`/application/${id}/keys`, {
    purpose: "snippets",
  });
  const page = await open(`/application/${id}/info`);
  const snippet = async (language: string) => {
    await page.getByRole("tab", { name: language }).click();
    return page.getByRole("tabpanel", { name: language }).locator("pre").innerText();
  };

  const html = await snippet("Browser");
  const site = await stage.visitor.page();
  const heard: string[] = [];
  site.on("console", (message) => heard.push(message.text()));
  const connected = site.waitForEvent("websocket");
  await show(site, html);
  const socket = await connected;
  await socket.waitForEvent("framereceived", (frame) => String(frame.payload).includes("/meta/subscribe"));

  const env = { ...process.env, KEY_SECRET: key.secret };
  const run = promisify(execFile);
  await run("sh", ["-c", (await snippet("curl")).replace("curl", "curl -fsS")], { env });
  await expect.poll(() => heard.length).toBe(1);
  await run("ruby", ["-e", await snippet("Ruby")], { env });
  await expect.poll(() => heard.length).toBe(2);
  await run("node", ["--input-type=module", "-e", await snippet("Node")], { env });
  await expect.poll(() => heard.length).toBe(3);
});

test("a key's secret is shown once; the key is rotated", async () => {
  const { id } = await create("Keys");
  const publish = (key: string, secret: string) =>
    fetch(`${stage.server.url}/channel/${id}/public/a`, {
      method: "POST",
      headers: { Authorization: `Basic ${btoa(`${key}:${secret}`)}`, "Content-Type": "application/json" },
      body: "{}",
    }).then(({ status }) => status);
  const page = await open(`/application/${id}/keys`);
  await page.getByText("No keys yet").waitFor();
  await page.getByRole("button", { name: "New Key" }).click();
  await dialog(page).getByLabel("Purpose").fill("the shop's back end");
  await dialog(page).getByLabel("Date").fill("2020-01-01");
  await dialog(page).getByLabel("Time").fill("12:00");
  await dialog(page).getByRole("button", { name: "Submit" }).click();
  await dialog(page).getByText("Expires is in the past.").waitFor();
  await dialog(page).getByLabel("Date").fill("2099-01-01");
  await dialog(page).getByRole("button", { name: "Submit" }).click();

  await dialog(page).getByText("you won't see it again here").waitFor();
  const [key = "", secret = ""] = await dialog(page).locator("code").allInnerTexts();
  await dialog(page).getByRole("button", { name: "Copy secret" }).click();
  await dialog(page).getByRole("button", { name: "Copied" }).waitFor();
  expect(await publish(key, secret)).toBe(200);
  await dialog(page).getByRole("button", { name: "Done" }).click();
  await rows(page).getByText("the shop's back end").waitFor();
  await page.reload();
  await rows(page).getByText(key).waitFor();
  expect(await page.content()).not.toContain(secret);

  await page.getByRole("button", { name: `Rotate ${key}` }).click();
  await dialog(page).getByRole("button", { name: "Rotate" }).click();
  await dialog(page).getByText("you won't see it again here").waitFor();
  const [, rotated = ""] = await dialog(page).locator("code").allInnerTexts();
  expect(rotated).not.toBe(secret);
  expect([await publish(key, rotated), await publish(key, secret)]).toEqual([200, 200]);
  await dialog(page).getByRole("button", { name: "Done" }).click();
  await rows(page).getByText("old secret ends").waitFor();
});

test("among many keys one is found, and a new one gets a usual life", async () => {
  const { id } = await create("Many keys");
  for (let n = 0; n < 101; n++) {
    await stage.server.admin(`/application/${id}/keys`, { purpose: `device ${n}` });
  }
  const page = await open(`/application/${id}/keys`);
  await expect.poll(() => rows(page).count()).toBe(100);
  await page.getByRole("button", { name: "Show more" }).click();
  await expect.poll(() => rows(page).count()).toBe(101);
  await page.getByRole("searchbox").fill("Device 42");
  await page.getByText("1 of 101 keys").waitFor();
  await page.getByRole("searchbox").fill("nothing like it");
  await page.getByText("No key matches").waitFor();

  await page.getByRole("button", { name: "New key" }).click();
  await dialog(page).getByLabel("Purpose").fill("for a quarter");
  await dialog(page).getByRole("button", { name: "In 90 days" }).click();
  await dialog(page).getByRole("button", { name: "Submit" }).click();
  await dialog(page).getByRole("button", { name: "Done" }).click();
  await page.getByRole("searchbox").fill("for a quarter");
  await rows(page)
    .getByText(/^in (3 months|90 days|89 days)$/)
    .waitFor();
});

test("a secret is copied, also by a page without HTTPS", async () => {
  const { id } = await create("Copied");
  const page = await stage.visitor.page();
  await page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.goto(`${stage.server.url}/admin/application/${id}/keys`);
  await page.getByRole("button", { name: "New Key" }).click();
  await dialog(page).getByLabel("Purpose").fill("copied");
  await dialog(page).getByLabel("Date").fill("2099-01-01");
  await dialog(page).getByLabel("Time").fill("12:00");
  await dialog(page).getByRole("button", { name: "Submit" }).click();
  await dialog(page).getByRole("button", { name: "Copy secret" }).click();
  await dialog(page).getByRole("button", { name: "Copied" }).waitFor();
  const secret = await dialog(page).locator("dd", { hasText: "Copied" }).locator("code").innerText();
  await dialog(page).getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "Connections" }).click();
  const field = page.getByRole("searchbox").first();
  await field.click();
  await page.keyboard.press("Control+V");
  expect(await field.inputValue()).toBe(secret);
});

test("who revokes a key is told how many subscriptions that ends, and it ends them", async () => {
  const { id } = await create("Revoked");
  const key = await stage.server.admin<{ id: string; secret: string }>(`/application/${id}/keys`, {
    purpose: "to be revoked",
  });
  const { token } = await stage.server.admin<{ token: string }>(`/application/${id}/keys/${key.id}/token`, {
    channel: `/${id}/private/a`,
    sub: true,
  });
  const site = await stage.visitor.page();
  await show(site, `<script src="${stage.server.url}/client.js"></script><p>waiting</p>`);
  await site.evaluate(
    async ([push, channel, token]) => {
      // biome-ignore lint/suspicious/noExplicitAny: the page's global
      const client = new (globalThis as any).Pandapush.Client(push);
      const say = (text: string) => {
        const paragraph = document.querySelector("p");
        if (paragraph) {
          paragraph.textContent = text;
        }
      };
      client.on("error", () => say("ended"));
      await client.subscribeTo(channel, token, () => {});
      say("subscribed");
    },
    [`${stage.server.url}/push`, `/${id}/private/a`, token],
  );
  await site.getByText("subscribed").waitFor();
  const leave = new AbortController();
  await stage.server.follow(`/${id}/private/a`, key.id, key.secret, leave.signal);

  const page = await open(`/application/${id}/connections`);
  await page.getByText("1 of 1 shown. Besides, an event stream of HTTP").waitFor();
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByRole("button", { name: `Revoke ${key.id}` }).click();
  await dialog(page).getByText("It will end 2 live subscriptions of 2 connections.").waitFor();
  await dialog(page).getByRole("button", { name: "Revoke" }).click();
  await rows(page).getByText("revoked", { exact: true }).waitFor();
  await site.getByText("ended").waitFor();
  leave.abort();
  await page.getByRole("button", { name: `Delete ${key.id}` }).click();
  await dialog(page).getByText("No live subscription was made with it.").waitFor();
  await dialog(page).getByRole("button", { name: "Delete" }).click();
  await page.getByText("No keys yet").waitFor();
});

test("who may only look sees no button that changes anything", async () => {
  const { id } = await create("Looked at");
  await stage.server.admin(`/application/${id}/keys`, { purpose: "seen" });
  const page = await stage.visitor.page();
  await page.route("**/admin/api/info", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), role: "read-only" } });
  });
  const changing = page.getByRole("button", {
    name: /^(New|Create|Edit|Change|Delete|Revoke|Rotate|Disconnect|Publish)\b/,
  });
  for (const [path, shown] of [
    ["", "Looked at"],
    [`/application/${id}/info`, "In service"],
    [`/application/${id}/keys`, "seen"],
    [`/application/${id}/console`, "Subscribe"],
    [`/application/${id}/connections`, "Nobody is connected"],
  ] as const) {
    await page.goto(`${stage.server.url}/admin${path}`);
    await page.getByText("(read only)").waitFor();
    await page.getByText(shown).first().waitFor();
    expect(await changing.allInnerTexts(), path).toEqual([]);
  }
});

test("nobody comes in with a wrong password, and who goes on guessing is slowed down", async () => {
  const guess = { username: login.username, password: "a guess" };
  const stranger = await Visitor.of(stage.browser, { extraHTTPHeaders: { "X-Forwarded-For": "203.0.113.7" } }, guess);
  const page = await stranger.page();
  const statuses: (number | undefined)[] = [];
  for (let n = 0; n < 11; n++) {
    statuses.push((await page.goto(`${stage.server.url}/admin`))?.status());
  }
  expect(statuses[0]).toBe(401);
  expect(statuses.at(-1)).toBe(429);
  await page.getByText("Too Many Requests").waitFor();
  await stranger.close();
  await (await open()).getByText("Logged in as admin").waitFor();
});

test("who logs out is asked again", async () => {
  // Without Playwright's answers to it, the browser remembers the password itself.
  const person = await Visitor.of(stage.browser, {}, null);
  const known = new URL("/admin/favicon.svg", stage.server.url);
  Object.assign(known, login);
  const page = await person.open(known.href);
  await page.goto(`${stage.server.url}/admin`);
  await page.getByText("Logged in as admin").waitFor();
  await page.getByRole("link", { name: "Logout" }).click();
  await page.getByText("You are logged out.").waitFor();
  // The page's policy lets in its style.
  expect(await page.locator("body").evaluate((body) => getComputedStyle(body).maxWidth)).toBe("384px");
  // Where nobody sits in front of it, a browser that asks for a password gives up.
  const asked = page.waitForEvent(
    "requestfailed",
    (request) => request.failure()?.errorText.endsWith("AUTH_CREDENTIALS") ?? false,
  );
  await page.getByRole("link", { name: "Log in again" }).click();
  await asked;
  await person.close();
});

test("what can't be reached is said, while the browser is offline too, and comes back by itself", async () => {
  const page = await open();
  await rows(page).first().waitFor();
  const old = page.getByText("The server does not answer. This is what it said last.");
  await page.context().setOffline(true);
  await old.waitFor();
  await page.getByRole("button", { name: "New application" }).click();
  await dialog(page).getByLabel("Name").fill("Made of nothing");
  await dialog(page).getByRole("button", { name: "Submit" }).click();
  await dialog(page).getByText("The server can't be reached.").waitFor();
  await page.keyboard.press("Escape");
  await page.context().setOffline(false);
  await old.waitFor({ state: "detached" });
  while (stage.visitor.complaints.some((complaint) => complaint.includes("ERR_INTERNET_DISCONNECTED"))) {
    stage.visitor.complained("ERR_INTERNET_DISCONNECTED");
  }
});
