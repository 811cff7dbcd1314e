import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Incoming, Outgoing } from "../bayeux.js";
import { Progress } from "../cursor.js";
import { BayeuxError } from "../error.js";
import { FakeNetwork, sessionConfig, settle } from "../fake.js";
import type { LinkHooks } from "../link.js";
import { Session } from "../session.js";
import { FakeOrigin } from "./fake.js";
import { SharedLink } from "./link.js";

let origin: FakeOrigin;

beforeEach(() => {
  vi.useFakeTimers();
  origin = new FakeOrigin();
});
afterEach(() => void vi.useRealTimers());

/** A page with a link, the network that it has if it leads, and what its hooks heard. */
function open(name: string) {
  const network = new FakeNetwork(["websocket"]);
  const heard: unknown[] = [];
  const hooks: LinkHooks = {
    opened: () => heard.push("opened"),
    resumed: () => heard.push("resumed"),
    closed: (reason) => heard.push(["closed", reason]),
    delivered: (message) => heard.push(message.data),
    noticed: (message) => heard.push(["noticed", message.channel]),
    reachable: (yes) => heard.push(yes ? "up" : "down"),
    changed: () => {},
    failed: (error) => heard.push(["failed", error]),
  };
  const progress = new Progress();
  const make = (own: LinkHooks) => new Session(network.route, progress, sessionConfig(), own);
  const link = new SharedLink("shared", origin.page(name), progress, hooks, make);
  return { name, network, link, heard, progress };
}

type Page = ReturnType<typeof open>;

/** Lets a page answer its handshake. */
async function shakeHands(page: Page, clientId: string): Promise<void> {
  await settle();
  page.network.now.reply("/meta/handshake", { clientId, advice: { reconnect: "retry", interval: 0, timeout: 30_000 } });
  await settle();
}

/** Three pages of which the first leads, in the session c1. */
async function three(): Promise<[Page, Page, Page]> {
  const pages: [Page, Page, Page] = [open("one"), open("two"), open("three")];
  for (const { link } of pages) {
    link.start();
    await settle();
  }
  await shakeHands(pages[0], "c1");
  return pages;
}

const subscribe = (page: Page, subscription: string, ext?: Record<string, unknown>) => {
  const outcomes: (Incoming | BayeuxError)[] = [];
  page.link.send({ channel: "/meta/subscribe", subscription, ...(ext && { ext }) }, (outcome) =>
    outcomes.push(outcome),
  );
  return outcomes;
};
const unsubscribe = (page: Page, subscription: string) =>
  page.link.send({ channel: "/meta/unsubscribe", subscription }, () => {});
const sent = (page: Page, channel: string): Outgoing[] =>
  page.network.transports.flatMap((transport) => transport.sent).filter((message) => message.channel === channel);

test("one page connects; all hear of it, and what it hears", async () => {
  const [one, two, three_] = await three();
  expect(two.network.transports.length + three_.network.transports.length).toBe(0);
  for (const { link, heard } of [one, two, three_]) {
    expect(link.state).toBe("connected");
    expect(link.clientId).toBe("c1");
    expect(heard).toContain("opened");
  }
  one.network.now.events.receive([{ channel: "/a", data: 1 }, { channel: "/meta/gap" }]);
  await settle();
  expect(two.heard.slice(-2)).toEqual([1, ["noticed", "/meta/gap"]]);
  expect(three_.heard.slice(-2)).toEqual([1, ["noticed", "/meta/gap"]]);
});

test("a page that comes later joins the session that there is", async () => {
  await three();
  const late = open("late");
  late.link.start();
  await settle();
  expect(late.heard).toEqual(["opened"]);
  expect(late.link.clientId).toBe("c1");
});

test("what a page sends goes through the leader, and its answer comes back", async () => {
  const [one, two] = await three();
  const accepted = subscribe(two, "/a");
  const refused: unknown[] = [];
  two.link.send({ channel: "/b", data: 1 }, (outcome) => refused.push(outcome));
  await settle();
  one.network.now.reply("/meta/subscribe", { ext: { cursor: "e-1-0" } });
  one.network.now.reply("/b", { successful: false, error: "405:/b:Invalid channel" });
  await settle();
  expect(accepted).toMatchObject([{ successful: true, ext: { cursor: "e-1-0" } }]);
  expect(refused).toEqual([new BayeuxError("Invalid channel", 405, ["/b"])]);
});

test("a channel is given up when no page wants it any more", async () => {
  const [one, two, three_] = await three();
  subscribe(one, "/a");
  subscribe(two, "/a");
  subscribe(three_, "/b");
  await settle();
  unsubscribe(one, "/a");
  await settle();
  expect(sent(one, "/meta/unsubscribe")).toEqual([]);
  unsubscribe(two, "/a");
  await settle();
  expect(sent(one, "/meta/unsubscribe")).toMatchObject([{ subscription: "/a" }]);
  origin.kill("three");
  await settle();
  expect(sent(one, "/meta/unsubscribe")[1]).toMatchObject({ subscription: "/b" });
});

test("when the leader is gone the next page has a session of its own, and all subscribe again", async () => {
  const [, two, three_] = await three();
  origin.kill("one");
  await settle();
  expect([two.link.state, three_.link.state]).toEqual(["reconnecting", "reconnecting"]);
  await shakeHands(two, "c2");
  expect(two.heard.filter((what) => what === "opened")).toHaveLength(2);
  expect(three_.heard.filter((what) => what === "opened")).toHaveLength(2);
  expect(three_.link.clientId).toBe("c2");
  const outcomes = subscribe(three_, "/a");
  await settle();
  two.network.now.reply("/meta/subscribe");
  await settle();
  expect(outcomes).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent(two, "/meta/disconnect")).toMatchObject([{ clientId: "c1" }]);
});

test("what was published and not answered is published again as it was; the rest is not", async () => {
  const [one, two, three_] = await three();
  const published = vi.fn();
  subscribe(three_, "/a");
  three_.link.send({ channel: "/a", data: 1 }, published);
  await settle();
  const [before] = sent(one, "/a");
  origin.kill("one");
  await shakeHands(two, "c2");
  expect(sent(two, "/a")).toEqual([before]);
  expect(before?.clientId).toBe("c1");
  expect(sent(two, "/meta/subscribe")).toEqual([]);
  two.network.now.reply("/a");
  await settle();
  expect(published).toHaveBeenCalledOnce();
});

test("a leader that leaves says nothing to the server as long as there are others", async () => {
  const [one, two, three_] = await three();
  expect([one.link.last, two.link.last]).toEqual([false, false]);
  await one.link.disconnect();
  expect(sent(one, "/meta/disconnect")).toEqual([]);
  expect(one.heard.at(-1)).toEqual(["closed", new BayeuxError("Client disconnected")]);
  await shakeHands(two, "c2");
  expect(two.link.state).toBe("connected");
  await three_.link.disconnect();
  await settle();
  expect(two.link.last).toBe(true);
  const ended = two.link.disconnect();
  await settle();
  two.network.now.reply("/meta/disconnect");
  await ended;
  expect(two.link.state).toBe("closed");
});

test("a leader that is asleep loses its place to a page that is seen", async () => {
  const [one, two] = await three();
  const asleep = one.network.now;
  origin.deafen("one");
  two.link.wake(false);
  await vi.advanceTimersByTimeAsync(2000);
  await shakeHands(two, "c2");
  expect(two.link.clientId).toBe("c2");
  expect(asleep.closed).toBe(true); // it has noticed that the lock was taken from it
});

test("a leader that is awake is only asked to look at its connection", async () => {
  const [one, two] = await three();
  two.link.wake(false);
  await vi.advanceTimersByTimeAsync(2000);
  expect(one.network.now.frames).toContainEqual([]);
  expect(two.network.transports).toEqual([]);
});

test("the end that the server wants is the end for all", async () => {
  const [one, two] = await three();
  one.network.now.reply("/meta/connect", { successful: false, error: "403::Denied", advice: { reconnect: "none" } });
  await settle();
  expect(two.link.state).toBe("closed");
  expect(two.heard.at(-1)).toEqual(["closed", new BayeuxError("Denied", 403)]);
});

test("while a page catches up, the leader does not tell the server that all has come", async () => {
  const [one, two] = await three();
  subscribe(two, "/a/x", { since: "e-1-0" });
  await settle();
  expect(one.progress.behind("/a/x")).toBe(true);
  expect(one.progress.behind("/b/x")).toBe(false);
});

test("a leader that is closed takes nobody's messages with it", async () => {
  const [one, two, three_] = await three();
  const [published, own] = [vi.fn(), vi.fn()];
  three_.link.send({ channel: "/a", data: 1 }, published);
  one.link.send({ channel: "/b", data: 1 }, own);
  await settle();
  await one.link.disconnect();
  expect(own).toHaveBeenCalledExactlyOnceWith(new BayeuxError("Client disconnected"));
  await shakeHands(two, "c2");
  expect(published).not.toHaveBeenCalled();
  two.network.now.reply("/a");
  await settle();
  expect(published).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ successful: true }));
});

test("a leader that was asleep follows the one that took its place, with what it had not sent", async () => {
  const [one, two] = await three();
  const published = vi.fn();
  one.link.send({ channel: "/a", data: 1 }, published);
  await settle();
  const wakeUp = origin.deafen("one");
  two.link.wake(false);
  await vi.advanceTimersByTimeAsync(2000);
  await shakeHands(two, "c2");
  expect(one.link.state).toBe("reconnecting");
  wakeUp();
  one.link.wake(false);
  await settle();
  expect(one.link.clientId).toBe("c2");
  expect(one.heard.filter((what) => what === "opened")).toHaveLength(2);
  two.network.now.reply("/a");
  await settle();
  expect(published).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ successful: true }));
});

test("a page that publishes finds out that the leader is asleep", async () => {
  const [, two] = await three();
  origin.deafen("one");
  const published = vi.fn();
  two.link.send({ channel: "/a", data: 1 }, published);
  await vi.advanceTimersByTimeAsync(2000);
  await shakeHands(two, "c2");
  two.network.now.reply("/a");
  expect(published).toHaveBeenCalledOnce();
});

test("so does a page that comes, and what it publishes meanwhile is not lost", async () => {
  await three();
  origin.deafen("one");
  const late = open("late");
  const published = vi.fn();
  late.link.send({ channel: "/a", data: 1 }, published);
  await vi.advanceTimersByTimeAsync(2000);
  await shakeHands(late, "c2");
  late.network.now.reply("/a");
  expect(published).toHaveBeenCalledOnce();
});

test("a page that is put away leaves its place to others at once, and joins them when it comes back", async () => {
  const [one, two] = await three();
  subscribe(two, "/b");
  one.link.sleep();
  expect(one.link.state).toBe("reconnecting");
  await shakeHands(two, "c2");
  expect(two.link.clientId).toBe("c2");
  one.link.wake(false);
  await settle();
  expect(one.link.clientId).toBe("c2");
  expect(one.network.transports).toHaveLength(1);
  expect(one.network.now.closed).toBe(true);
});

test("a page that nothing was wanted of, or that is closed, does not begin by waking", async () => {
  const page = open("page");
  page.link.sleep();
  page.link.wake(true);
  await page.link.disconnect();
  page.link.wake(true);
  page.link.start();
  await settle();
  expect(page.link.state).toBe("closed");
  expect(page.network.transports).toEqual([]);
});
