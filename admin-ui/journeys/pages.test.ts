/** How every page looks, in light and dark; what axe finds wrong with it; and all of it below another path. */
import type { Page } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { expectAccessible, picture, proxy, setStage } from "./harness.js";

const stage = setStage();
beforeAll(fill);

/** Applications, keys and messages as a service has them that is used. */
async function fill(): Promise<void> {
  for (const name of ["Chat", "Parcel tracking", "Quiz night", "Weather station"]) {
    const { id } = await stage.server.admin<{ id: string }>("/applications", { name });
    await stage.server.admin(`/application/${id}/keys`, { purpose: "back end" });
  }
  const key = await stage.server.admin<{ id: string }>("/application/devapp/keys", { purpose: "the old shop" });
  await stage.server.admin(`/application/devapp/keys/${key.id}/revoke`, {});
  await stage.server.admin("/application/devapp/keys", { purpose: "mobile app", expires: "2099-01-01T00:00:00Z" });
  const lines = Array.from({ length: 40 }, (_, n) => ({
    channel: `/devapp/public/orders/${n % 7}`,
    data: { number: 1000 + n, state: n % 3 ? "packed" : "sent", items: [{ name: "Panda mug", count: n % 4 }] },
  }));
  await stage.server.batch("devapp", lines);
}

/** Shows a page in light and dark, of which axe must find nothing wrong. */
async function inspect(page: Page, name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
    await picture(page, `${name} ${colorScheme}`);
    await expectAccessible(page);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

const application = "/application/devapp";

test("the service's pages", async () => {
  const page = await stage.visitor.page();
  for (const [name, path, shown] of [
    ["applications", "", "Weather station"],
    ["applications without a match", "?search=nothing", "No application matches"],
    ["service", "/service", "99% delivered within"],
    ["nodes", "/nodes", "answers you"],
    ["configuration", "/configuration", "DEV_KEY_SECRET"],
    ["audit", "/audit", "Quiz night"],
    ["no such page", "/nonsense", "There is no such page"],
  ] as const) {
    await page.goto(`${stage.server.url}/admin${path}`);
    await page.getByText(shown).first().waitFor();
    await inspect(page, name);
  }
});

test("an application's pages", async () => {
  const page = await stage.visitor.page();
  for (const [name, path, shown] of [
    ["info", "/info", "In service"],
    ["keys", "/keys", "mobile app"],
    ["stream", "/stream", "Panda mug"],
    ["stream without a match", "/stream?channel=/devapp/public/none", "No message"],
    ["live", "/live", "of about 10,000"],
    ["connections of nobody", "/connections?user=nobody", "Nobody is connected"],
    ["explain", "/explain", "Explain"],
    ["application audit", "/audit", "the old shop"],
  ] as const) {
    await page.goto(`${stage.server.url}/admin${application}${path}`);
    await page.getByText(shown).first().waitFor();
    await inspect(page, name);
  }
});

test("the console, the connection that it makes, and what became of a message", async () => {
  const page = await stage.visitor.open(
    `${stage.server.url}/admin${application}/console?subChannelType=presence&subChannelPath=lobby&presenceIdInput=ann`,
  );
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await page.getByText("Subscribers (1)").waitFor();
  const id = await stage.server.publish("/devapp/presence/lobby", { text: "Welcome", from: "the house" });
  await page.getByText("the house").waitFor();
  await inspect(page, "console");

  const other = await stage.visitor.open(`${stage.server.url}/admin${application}/connections`);
  await other.locator("tbody").getByText("ann").waitFor();
  await other
    .locator("tbody")
    .getByText(/^Chrome \d+ on Linux$/)
    .waitFor();
  await inspect(other, "connections");
  await other.goto(`${stage.server.url}/admin${application}/explain?message=${encodeURIComponent(id)}`);
  await other.getByLabel("User ID").fill("ann");
  await other.getByRole("button", { name: "Explain" }).nth(1).click();
  await other.getByText("The message is stored.").waitFor();
  await inspect(other, "explain a delivery");
  await other.goto(`${stage.server.url}/admin${application}/stream?channel=/devapp/presence/lobby`);
  await other.getByRole("button", { name: "Open" }).first().click();
  await other.getByRole("dialog").getByText("Reached").waitFor();
  await inspect(other, "message");
});

test("what is asked and told in dialogs", async () => {
  const page = await stage.visitor.open(`${stage.server.url}/admin`);
  await page.getByRole("button", { name: "New Application" }).click();
  await page.getByRole("dialog").getByLabel("Name").waitFor();
  await inspect(page, "new application");

  await page.goto(`${stage.server.url}/admin${application}/keys`);
  await page.getByRole("button", { name: "New Key" }).click();
  await page.getByRole("dialog").getByLabel("Purpose").fill("pictures");
  await inspect(page, "new key");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Rotate devkey" }).click();
  await page.getByRole("dialog").getByText("gets a new secret").waitFor();
  await inspect(page, "rotate");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Revoke devkey" }).click();
  await page.getByRole("dialog").getByText("live subscription").waitFor();
  await inspect(page, "revoke");

  await page.goto(`${stage.server.url}/admin${application}/info`);
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("button", { name: "Change" }).click();
  await inspect(page, "info being edited");
});

test("pages fit a small screen, and their tables are cards there", async () => {
  const long = { name: "Supercalifragilisticexpialidocious".repeat(4) };
  const { id } = await stage.server.admin<{ id: string }>("/applications", long);
  const page = await stage.visitor.page();
  await page.setViewportSize({ width: 390, height: 844 });
  const tabs = ["info", "keys", "console", "stream", "live", "connections", "explain", "audit"];
  for (const path of [
    "",
    ...["service", "nodes", "configuration", "audit"].map((name) => `/${name}`),
    ...tabs.map((tab) => `${application}/${tab}`),
    `/application/${id}/info`,
  ]) {
    await page.goto(`${stage.server.url}/admin${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.getByText("Loading…").waitFor({ state: "detached" });
    await picture(page, `small ${path.slice(1).replace("application/", "") || "applications"}`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(390);
    for (const table of await page.locator(".pp-scroll").all()) {
      expect(await table.evaluate((scroller) => scroller.scrollWidth - scroller.clientWidth), path).toBe(0);
    }
  }
  await page.goto(`${stage.server.url}/admin${application}/keys`);
  const cell = page.locator("tbody tr", { hasText: "mobile app" }).locator("td").nth(3);
  expect(await cell.evaluate((td) => getComputedStyle(td, "::before").content)).toBe('"Expires"');
});

test("a table that is too wide for its place can be scrolled by keyboard; one that fits is no stop", async () => {
  const page = await stage.visitor.open(`${stage.server.url}/admin${application}/keys`);
  await page.getByRole("cell", { name: "mobile app" }).waitFor();
  const scroller = page.getByRole("group", { name: "Keys, scrolls sideways" });
  expect(await scroller.count()).toBe(0);
  await page.setViewportSize({ width: 800, height: 800 });
  await scroller.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => scroller.evaluate((element) => element.scrollLeft)).toBeGreaterThan(0);
  await expectAccessible(page);
});

test("each page has a title of its own, and the way back tells where one was", async () => {
  const page = await stage.visitor.open(`${stage.server.url}/admin${application}/keys`);
  const titles: string[] = [];
  for (const tab of ["Keys", "Live", "Audit"]) {
    const link = page.getByRole("navigation", { name: "Application" }).getByRole("link", { name: tab });
    await link.click();
    await expect.poll(() => link.getAttribute("aria-current")).toBe("page");
    titles.push(await page.title());
  }
  const [, name] = /^Keys · (.+) · Pandapush$/.exec(titles[0] ?? "") ?? [];
  expect(name).toBeTruthy();
  expect(titles).toEqual(["Keys", "Live", "Audit"].map((tab) => `${tab} · ${name} · Pandapush`));
  await page.goto(`${stage.server.url}/admin/application/nobody/keys`);
  await page.getByRole("heading", { name: "No such application" }).waitFor();
  expect(await page.title()).toBe("No such application · Pandapush");
  stage.visitor.complained("404 (Not Found)");
});

test("colours are as they were chosen, on the next visit too", async () => {
  const page = await stage.visitor.open(`${stage.server.url}/admin`);
  await page.getByText("Dark", { exact: true }).click();
  await page.locator('html[data-mantine-color-scheme="dark"]').waitFor();
  await page.reload();
  await page.locator('html[data-mantine-color-scheme="dark"]').waitFor();
});

test("everything works below another path", async () => {
  await using below = await proxy(stage.server.url, "/tools/push");
  const page = await stage.visitor.page();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  page.on("websocket", (socket) => asked.push(new URL(socket.url()).pathname));
  await page.goto(`${below.url}/admin`);
  await page.getByRole("link", { name: "devapp" }).click();
  await page.getByRole("tab", { name: "Browser" }).click();
  await page.getByRole("tabpanel", { name: "Browser" }).getByText(`${below.url}/client.js`).waitFor();
  await page.getByRole("link", { name: "Console" }).click();
  await page.getByTestId("subscribe-channel-path").getByRole("textbox").fill("below");
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await page.getByText("Subscribed.").waitFor();
  await stage.server.publish("/devapp/public/below", { deep: "down" });
  await page.getByText("down").waitFor();
  await page.reload();
  await page.getByRole("link", { name: "Live" }).click();
  await page.getByText(/of about 10,000/).waitFor();
  await page.getByRole("link", { name: "Logout" }).click();
  await page.getByText("You are logged out.").waitFor();
  expect(asked.filter((path) => !path.startsWith("/tools/push/"))).toEqual([]);
  expect(asked).toContain("/tools/push/push");
});
