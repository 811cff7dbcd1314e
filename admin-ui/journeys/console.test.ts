/** The console: what is published comes. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { setStage } from "./harness.js";

const stage = setStage();

const open = (search = "") => stage.visitor.open(`${stage.server.url}/admin/application/devapp/console${search}`);
const events = (page: Page) => page.getByRole("list", { name: "Events" }).getByRole("listitem");

async function subscribe(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await page.getByText("Subscribed.").waitFor();
}

async function choose(page: Page, of: "publish" | "subscribe", type: string, path: string): Promise<void> {
  await page.getByTestId(`${of}-channel-type`).locator("input").first().click();
  await page.getByRole("option", { name: type, exact: true }).click();
  await page.getByTestId(`${of}-channel-path`).getByRole("textbox").fill(path);
}

async function payload(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Payload (JSON)" }).fill(text);
}

test("what is published by the client and by REST comes to a private channel", async () => {
  const page = await open();
  await choose(page, "publish", "private", "orders");
  await choose(page, "subscribe", "private", "orders");
  await subscribe(page);
  await page.getByText("Nothing yet.").waitFor();
  await payload(page, '{"number": 1}');
  await page.getByRole("button", { name: "Publish (client)" }).click();
  await page.getByText("Sent.").waitFor();
  await events(page).getByText('"number":1').waitFor();
  await payload(page, '{"number": 2}');
  await page.getByRole("button", { name: "Publish (REST)" }).click();
  await events(page).getByText('"number":2').waitFor();
  expect(await page.getByTestId("event-count").innerText()).toBe("2 events");

  await page.getByText("Raw frame").click();
  await events(page).getByText('"channel": "/devapp/private/orders"').first().waitFor();
});

test("what is filled in is in the URL, and comes back from it", async () => {
  const page = await open();
  await choose(page, "publish", "presence", "room");
  await payload(page, '{"a": 1}');
  await expect.poll(() => new URL(page.url()).searchParams.get("pubPayloadInput")).toBe('{"a": 1}');
  await page.reload();
  await expect.poll(() => page.getByTestId("publish-channel-path").getByRole("textbox").inputValue()).toBe("room");
  await page.getByRole("textbox", { name: "Payload (JSON)" }).getByText('{"a": 1}').waitFor();
});

test("what is too long for the URL comes back, too, and so does what is shown of events", async () => {
  const page = await open();
  const long = JSON.stringify({ text: "long ".repeat(500) });
  await payload(page, long);
  await page.getByLabel("Filter events").fill("needle");
  await page.getByText("Raw frame").click();
  await expect.poll(() => new URL(page.url()).search).toBe("?filter=needle&show=frame");
  await page.reload();
  await page.getByRole("textbox", { name: "Payload (JSON)" }).getByText(long).waitFor();
  expect(await page.getByLabel("Filter events").inputValue()).toBe("needle");
  expect(await page.getByRole("radio", { name: "Raw frame" }).isChecked()).toBe(true);
});

test("of a large event the beginning is shown, and all of it to who asks", async () => {
  const page = await open("?subChannelPath=large");
  await subscribe(page);
  await stage.server.publish("/devapp/public/large", { text: "x".repeat(100_000), end: "here" });
  await page.getByRole("button", { name: /^Show all 100,0\d\d characters$/ }).click();
  await events(page).getByText('"end": "here"').waitFor();
});

test("a payload that is not JSON is not sent", async () => {
  const page = await open("?pubChannelPath=x");
  await payload(page, "{nonsense");
  await page.getByRole("button", { name: "Publish (client)" }).click();
  await page.getByText("Payload must be valid JSON.").waitFor();
  expect(await page.getByText("Sent.").count()).toBe(0);
});

test("a wildcard shows each event's channel; events are filtered and paused", async () => {
  const page = await open("?subChannelPath=city/**");
  await subscribe(page);
  await stage.server.publish("/devapp/public/city/rome", { sky: "blue" });
  await stage.server.publish("/devapp/public/city/oslo/east", { sky: "grey" });
  await events(page).getByText("/devapp/public/city/oslo/east").waitFor();
  await page.getByLabel("Filter events").fill("ROME");
  await expect.poll(() => events(page).count()).toBe(1);
  await page.getByLabel("Filter events").fill("");
  await page.getByRole("button", { name: "Pause" }).click();
  await stage.server.publish("/devapp/public/city/rome", { sky: "red" });
  await page.getByText("2 events, and 1 since you paused").waitFor();
  expect(await events(page).count()).toBe(2);
  await page.getByRole("button", { name: "Go on" }).click();
  await events(page).getByText('"red"').waitFor();
});

test("a subscription begins in the past", async () => {
  const first = await stage.server.publish("/devapp/public/past", { n: 1 });
  await stage.server.publish("/devapp/public/past", { n: 2 });
  const page = await open(`?subChannelPath=past&start=since&since=${first}`);
  await subscribe(page);
  await events(page).getByText('"n":2').waitFor();
  expect(await events(page).count()).toBe(1);
});

test("who comes to a room is shown, and who leaves is gone", async () => {
  const search = "?subChannelType=presence&subChannelPath=room&presenceIdInput=";
  const page = await open(`${search}ann`);
  await subscribe(page);
  await page.getByText("Subscribers (1)").waitFor();
  const other = await open(`${search}bob`);
  await subscribe(other);
  await page.getByText("Subscribers (2)").waitFor();
  await other.getByRole("button", { name: "Unsubscribe" }).click();
  await page.getByText("Subscribers (1)").waitFor();
});

test("two thousand events are kept, and those that had to go are counted", async () => {
  const page = await open("?subChannelPath=flood");
  await subscribe(page);
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, n) => ({ channel: "/devapp/public/flood", data: { n: from + n } }));
  for (let n = 0; n < 2500; n += 500) {
    await stage.server.batch("devapp", lines(n, n + 500));
  }
  await page.getByText("2,500 events").waitFor();
  await page.getByText("500 older dropped").waitFor();
  await events(page).getByText('"n":2499').waitFor();
});
