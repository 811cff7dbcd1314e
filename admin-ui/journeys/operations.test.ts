/** What operators look at: the stream, live numbers, connections, explanations, the audit log, nodes, configuration. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { setStage } from "./harness.js";

const stage = setStage();

const open = (tab: string) => stage.visitor.open(`${stage.server.url}/admin/application/devapp/${tab}`);

/** Somebody who is subscribed, by the console of another page. */
async function subscriber(search: string): Promise<Page> {
  const page = await open(`console?${search}`);
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await page.getByText("Subscribed.").waitFor();
  return page;
}

test("a stored message is found by channel, opened, and published again", async () => {
  const other = await subscriber("subChannelPath=kept");
  await stage.server.publish("/devapp/public/kept", { text: "find me" });
  await stage.server.publish("/devapp/public/other", { text: "not me" });
  await other.getByText("find me").waitFor();

  const page = await open("stream");
  await page.getByText("not me").waitFor();
  await page.getByLabel(/^Channel or pattern/).fill("/devapp/public/kept");
  await expect.poll(() => page.locator("tbody tr").count()).toBe(1);
  await page.getByRole("button", { name: "Open" }).click();
  const drawer = page.getByRole("dialog");
  await drawer.getByText("Reached 1 of the 1 that are connected now").waitFor();
  await drawer.getByText("Received").waitFor();
  await drawer.getByRole("link", { name: "Publish again" }).click();
  await page.getByRole("button", { name: "Publish (REST)" }).click();
  await page.getByText("Sent.").waitFor();
  await other.getByText("2 events").waitFor();
});

test("a large message is published again as it was", async () => {
  const large = { text: "large ".repeat(20_000) };
  const id = await stage.server.publish("/devapp/public/large", large);
  const page = await open(`stream?entry=${encodeURIComponent(id)}`);
  await page.getByRole("link", { name: "Publish again" }).click();
  const receiver = await subscriber("subChannelPath=large");
  await page.getByRole("button", { name: "Publish (REST)" }).click();
  await page.getByText("Sent.").waitFor();
  await receiver.getByRole("button", { name: /^Show all 120,/ }).waitFor();
});

test("a stream of many messages comes in pages, in both directions", async () => {
  const messages = Array.from({ length: 120 }, (_, n) => ({ channel: "/devapp/public/pages", data: { n } }));
  await stage.server.batch("devapp", messages);
  const page = await open("stream?channel=/devapp/public/pages");
  await page.getByText('{"n":119}').waitFor();
  await page.getByRole("button", { name: "Show older" }).click();
  await expect.poll(() => page.locator("tbody tr").count()).toBe(100);
  await page.goto(`${page.url()}&order=oldest`);
  await page.getByText('{"n":0}').waitFor();
  expect(await page.getByText('{"n":119}').count()).toBe(0);
});

test("a message far back is found without more ado", async () => {
  await stage.server.batch("devapp", [
    { channel: "/devapp/public/rare", data: { text: "far back" } },
    { channel: "/devapp/public/rare", data: { text: "x".repeat(100_000) } },
  ]);
  for (let n = 0; n < 7; n++) {
    const fill = Array.from({ length: 1000 }, () => ({ channel: "/devapp/public/fill", data: { n } }));
    await stage.server.batch("devapp", fill);
  }
  const page = await open("stream?channel=/devapp/public/rare");
  await page.getByText("far back").waitFor();
  await page.getByText("too large to show here").waitFor();
  expect(await page.locator("tbody tr").count()).toBe(2);
});

test("live numbers come by themselves, with charts and what the stream holds", async () => {
  const page = await open("live");
  await page.getByText("Live", { exact: true }).nth(1).waitFor();
  await page.getByText(/of about 10,000/).waitFor();
  const connections = page.locator(".pp-stat", { hasText: "Connections" }).locator("dd");
  await subscriber("subChannelPath=live");
  await expect.poll(() => connections.innerText(), { timeout: 20_000 }).toBe("1");
  expect(await page.locator("figure canvas").count()).toBe(4);
  // All charts tell of the time that is pointed at in one of them.
  await page.locator("figure .u-over").first().hover();
  const times = page.locator("figcaption").getByText(/^\d\d:\d\d:\d\d$/);
  await expect.poll(() => times.count()).toBe(4);
  expect(new Set(await times.allInnerTexts()).size).toBe(1);
  await page.getByRole("heading", { level: 1 }).hover();
  await expect.poll(() => times.count()).toBe(0);
});

test("a connection is found by its user and disconnected", async () => {
  const other = await subscriber("subChannelType=presence&subChannelPath=who&presenceIdInput=carol");
  const page = await open("connections?user=carol");
  const row = page.locator("tbody tr", { hasText: "carol" });
  await row.getByText("/devapp/presence/who").waitFor();
  await row.getByRole("button", { name: "Disconnect" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  // Its client comes again by itself, as another connection.
  await other.getByText("Connected again. Nothing was missed.").waitFor();
});

test("many connections come in pages", async () => {
  const send = async (message: object) => {
    const body = JSON.stringify([message]);
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(`${stage.server.url}/push`, { method: "POST", headers, body });
    return ((await response.json()) as { clientId: string; successful: boolean }[])[0];
  };
  for (let n = 0; n < 130; n++) {
    const clientId = (
      await send({ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["long-polling"] })
    )?.clientId;
    const subscription = "/devapp/public/many";
    expect((await send({ channel: "/meta/subscribe", clientId, subscription }))?.successful).toBe(true);
  }
  const page = await open("connections?channel=/devapp/public/many");
  await page.getByText("100 of 130 shown.").waitFor();
  await page.getByRole("button", { name: "Show more" }).click();
  await page.getByText("130 of 130 shown.").waitFor();
  expect(await page.locator("tbody tr").count()).toBe(130);
});

test("a token for another channel is explained", async () => {
  const { token } = await stage.server.admin<{ token: string }>("/application/devapp/token", {
    channel: "/devapp/private/a",
    sub: true,
  });
  const page = await open("explain");
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByLabel("Channel or pattern").fill("/devapp/private/b");
  await page.getByRole("button", { name: "Explain" }).first().click();
  await page.getByText("It is for /devapp/private/a").first().waitFor();
  await page.getByLabel("Channel or pattern").fill("/devapp/private/a");
  await page.getByRole("button", { name: "Explain" }).first().click();
  await page.getByText("✓ It is allowed.").waitFor();
});

test("a message's way to a user is explained", async () => {
  await subscriber("subChannelType=presence&subChannelPath=why&presenceIdInput=dave");
  const id = await stage.server.publish("/devapp/presence/why", { text: "hi" });
  const page = await open(`explain?message=${encodeURIComponent(id)}`);
  await page.getByLabel("User ID").fill("dave");
  const ask = page.getByRole("button", { name: "Explain" }).nth(1);
  await expect
    .poll(
      async () => {
        await ask.click();
        return page.getByText("The message has been handed to the session.").count();
      },
      { timeout: 20_000 },
    )
    .toBe(1);
  await page.getByText("The message is stored.").waitFor();
});

test("the list of applications tells what flows in each, also where little does", async () => {
  const { id } = await stage.server.admin<{ id: string }>("/applications", { name: "Nothing in it" });
  await stage.server.publish("/devapp/public/now-and-then", {});
  const page = await stage.visitor.open(`${stage.server.url}/admin`);
  const published = (app: string) => page.locator("tbody tr", { hasText: app }).locator("td").nth(3).innerText();
  // Numbers come every five seconds, and those of one message are there for a minute.
  await expect.poll(() => published("devapp"), { timeout: 20_000 }).toMatch(/[1-9]/);
  expect(await published(id)).toBe("0");
});

test("changes are in the audit logs, with who made them, in words", async () => {
  const key = await stage.server.admin<{ id: string }>("/application/devapp/keys", { purpose: "to be rotated" });
  await stage.server.admin(`/application/devapp/keys/${key.id}/rotate`, { overlap: 3600 });
  await stage.server.admin("/application/devapp", { name: "renamed" });
  const page = await open("audit");
  await page.locator("tbody tr", { hasText: "renamed" }).first().getByText("admin").waitFor();
  expect(await page.locator("tbody tr", { hasText: "renamed" }).first().innerText()).toContain("→ renamed");
  const rotated = await page.locator("tbody tr", { hasText: "Key rotated" }).innerText();
  expect(rotated).toMatch(/old secret ends\s+\d+ \w+ \d{4}, \d\d:\d\d:\d\d$/);
  await page.getByRole("combobox", { name: "What was changed" }).click();
  await page.getByRole("option", { name: "Keys" }).click();
  await expect.poll(() => page.locator("tbody tr", { hasText: "renamed" }).count()).toBe(0);
  await page.getByLabel("Changed by").fill("somebody else");
  await page.getByText("No change matches").waitFor();
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Audit" }).click();
  await page.locator("tbody tr", { hasText: "renamed" }).first().getByRole("link", { name: "devapp" }).waitFor();
});

test("the service, its node and its configuration are shown; secrets are not", async () => {
  const page = await stage.visitor.open(`${stage.server.url}/admin`);
  const nav = page.getByRole("navigation", { name: "Main" });
  await nav.getByRole("link", { name: "Service" }).click();
  await page.getByText("99% delivered within").first().waitFor();
  await nav.getByRole("link", { name: "Nodes" }).click();
  await page.getByText("answers you").waitFor();
  await nav.getByRole("link", { name: "Configuration" }).click();
  await page.getByLabel("Search settings").fill("DEV_KEY_SECRET");
  await page
    .getByRole("row", { name: /^DEV_KEY_SECRET/ })
    .getByText("set, and hidden")
    .waitFor();
  expect(await page.content()).not.toContain("devsecret");
});

test("a page can be used by keyboard alone", async () => {
  const page = await stage.visitor.open(`${stage.server.url}/admin`);
  await page.getByRole("button", { name: "New Application" }).waitFor();
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the page");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByLabel("Name").waitFor();
  await page.keyboard.type("By keyboard");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /^By keyboard/ }).waitFor();
});
