import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Position, parseCursor } from "./cursor.js";
import { FakeNetwork, openSession, sessionConfig, settle } from "./fake.js";
import { Scheduler } from "./scheduler.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a message is given up after so many attempts", async () => {
  const network = new FakeNetwork(["websocket"]);
  const { session } = await openSession(network);
  const done = vi.fn();
  session.send({ channel: "/a", data: 1 }, done, { attempts: 2 });
  await settle();
  network.now.fail();
  await vi.advanceTimersByTimeAsync(500);
  expect(done).not.toHaveBeenCalled();
  network.now.fail();
  expect(String(done.mock.calls[0]?.[0])).toBe("Connection lost");
});

test("a message is given up when its time is over", async () => {
  const network = new FakeNetwork(["websocket"]);
  const { session } = await openSession(network);
  const done = vi.fn();
  session.send({ channel: "/a", data: 1 }, done, { deadline: Date.now() + 400 });
  await settle();
  network.now.fail();
  await vi.advanceTimersByTimeAsync(500);
  expect(String(done.mock.calls[0]?.[0])).toBe("Given up");
  expect(network.now.sent.map(({ channel }) => channel)).toEqual(["/meta/connect"]);
});

test("a scheduler of the application's own hears what happens, and may ask for a longer pause", async () => {
  const heard: unknown[] = [];
  class Patient extends Scheduler {
    override getInterval() {
      return this.message.channel === "/a" ? 7 : super.getInterval();
    }
    override send() {
      super.send();
      heard.push(["send", this.message.channel, this.attempts]);
    }
    override fail() {
      heard.push(["fail", this.message.channel, this.options.interval]);
    }
    override succeed() {
      heard.push(["succeed", this.message.channel]);
    }
  }
  const network = new FakeNetwork(["websocket"]);
  const { session } = await openSession(network, settle, sessionConfig({ scheduler: Patient }));
  heard.length = 0;
  session.send({ channel: "/a", data: 1 }, () => {});
  await settle();
  network.now.fail();
  await vi.advanceTimersByTimeAsync(6999);
  expect(network.transports).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  network.now.reply("/a");
  expect(heard).toEqual([
    ["send", "/a", 1],
    ["fail", "/meta/connect", 0.5],
    ["fail", "/a", 0.5],
    ["send", "/meta/connect", 2],
    ["send", "/a", 2],
    ["succeed", "/a"],
  ]);
});

test("what an extension drops is refused", async () => {
  const config = sessionConfig();
  const { session } = await openSession(new FakeNetwork(), settle, config);
  Object.assign(config.extensions, { pass: (_: string, __: unknown, ___: unknown, drop: () => void) => drop() });
  const done = vi.fn();
  session.send({ channel: "/a", data: 1 }, done);
  expect(String(done.mock.calls[0]?.[0])).toBe("Dropped by an extension");
});

test("the first connect over a new connection says what the client has got", async () => {
  const network = new FakeNetwork();
  const { progress } = await openSession(network);
  progress.note("/a/x", parseCursor("e-1-0") as Position);
  network.now.reply("/meta/connect");
  await settle();
  expect(network.now.last("/meta/connect")).not.toHaveProperty("ext");
  network.now.fail();
  await vi.advanceTimersByTimeAsync(500);
  expect(network.now.last("/meta/connect").ext).toEqual({ since: { a: "e-1-0" } });
});

test("a connect goes out as the type of the transport that takes it", async () => {
  const network = new FakeNetwork(["websocket", "eventsource"]);
  await openSession(network, async () => {
    network.now.fail();
    await settle();
  });
  expect(network.now.type).toBe("eventsource");
  network.now.reply("/meta/connect", { advice: { reconnect: "retry", interval: 25_000, timeout: 0 } });
  await vi.advanceTimersByTimeAsync(24_999);
  const connects = () => network.now.sent.filter(({ channel }) => channel === "/meta/connect");
  expect(connects()).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(connects()).toHaveLength(2);
  expect(connects()[1]?.connectionType).toBe("eventsource");
});

test("a stream that breaks between two connects is begun again at once", async () => {
  const network = new FakeNetwork(["eventsource", "long-polling"]);
  await openSession(network);
  network.now.reply("/meta/connect", { advice: { reconnect: "retry", interval: 25_000, timeout: 0 } });
  network.now.fail();
  await vi.advanceTimersByTimeAsync(500);
  expect(network.transports).toHaveLength(2);
  expect(network.now.last("/meta/connect").clientId).toBe("c1");
});

test("a better transport takes over between two connects", async () => {
  const network = new FakeNetwork();
  await openSession(network, async () => {
    network.now.fail();
    await settle();
  });
  const polling = network.now;
  for (let polls = 0; polls < 12; polls++) {
    await vi.advanceTimersByTimeAsync(25_000);
    expect(network.now).toBe(polling);
    polling.reply("/meta/connect");
    await settle();
  }
  expect(network.now.type).toBe("websocket");
  network.now.events.receive([]);
  expect(polling.closed).toBe(false);
  polling.reply("/meta/connect");
  await settle();
  expect(polling.closed).toBe(true);
  expect(network.now.last("/meta/connect").connectionType).toBe("websocket");
});

test("waking ends a pause", async () => {
  const network = new FakeNetwork();
  const { session } = await openSession(network);
  network.now.fail();
  session.wake(false);
  expect(network.transports).toHaveLength(2);
});

test("waking asks a connection whether it lives, and gives up one that does not", async () => {
  const network = new FakeNetwork();
  const { session, heard } = await openSession(network);
  session.wake(false);
  expect(network.now.frames.at(-1)).toEqual([]);
  network.now.events.receive([]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(heard).not.toContain("down");
  session.wake(false);
  await vi.advanceTimersByTimeAsync(5000);
  expect(heard).toContain("down");
});

test("after a change of the network another connection is made at once", async () => {
  const network = new FakeNetwork();
  const { session, heard } = await openSession(network);
  const before = network.now;
  session.wake(true);
  expect(before.closed).toBe(true);
  expect(network.transports).toHaveLength(2);
  expect(network.now.last("/meta/connect").id).toBe(before.last("/meta/connect").id);
  expect(heard).not.toContain("down");
});

test("a message that is too large for the server is given up, and the others are sent again", async () => {
  const network = new FakeNetwork(["websocket"]);
  const { session } = await openSession(network);
  const [small, large] = [vi.fn(), vi.fn()];
  session.send({ channel: "/small", data: "x" }, small);
  session.send({ channel: "/large", data: "x".repeat(100_000) }, large);
  await settle();
  network.now.events.down("the socket was closed with code 1009", 1009);
  expect(String(large.mock.calls[0]?.[0])).toBe("Message too large");
  await vi.advanceTimersByTimeAsync(500);
  expect(network.now.sent.map(({ channel }) => channel)).toEqual(["/small", "/meta/connect"]);
  network.now.reply("/small");
  expect(small).toHaveBeenCalledOnce();
});

test("after an outage the server is asked to answer the connect at once, and then to hold the next", async () => {
  const network = new FakeNetwork(["websocket"]);
  const { session, heard } = await openSession(network);
  network.now.fail();
  expect(session.state).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(500);
  expect(network.now.last("/meta/connect").advice).toEqual({ timeout: 0 });
  network.now.reply("/meta/connect");
  await settle();
  expect(session.state).toBe("connected");
  expect(heard.slice(-3)).toEqual(["down", "resumed", "up"]);
  expect(network.now.last("/meta/connect").advice).toBeUndefined();
});
