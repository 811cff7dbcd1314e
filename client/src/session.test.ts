import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeNetwork, openSession, settle } from "./fake.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("opening", () => {
  test("handshake, then connect", async () => {
    const network = new FakeNetwork();
    const { heard } = await openSession(network);
    expect(network.now.sent).toEqual([
      {
        channel: "/meta/handshake",
        version: "1.0",
        supportedConnectionTypes: ["websocket", "long-polling"],
        id: "i00001",
      },
      { channel: "/meta/connect", clientId: "c1", connectionType: "websocket", id: "i00002" },
    ]);
    expect(heard).toEqual(["up", "opened"]);
  });

  test("what is sent before it is open follows the subscriptions, in a frame without the connect", async () => {
    const network = new FakeNetwork();
    const { session } = await openSession(network);
    session.send({ channel: "/a", data: 1 }, () => {});
    session.send({ channel: "/b", data: 2 }, () => {});
    await settle();
    expect(network.now.frames.at(-1)?.map((message) => message.channel)).toEqual(["/a", "/b"]);
  });

  test("a refused handshake is tried again after a growing pause, at least as long as advised", async () => {
    const network = new FakeNetwork();
    await openSession(network);
    network.now.reply("/meta/connect", {
      successful: false,
      error: "401:c1:Unknown client",
      advice: { reconnect: "handshake" },
    });
    await vi.advanceTimersByTimeAsync(500);
    network.now.reply("/meta/handshake", {
      successful: false,
      error: "503::Busy",
      advice: { reconnect: "handshake", interval: 4000 },
    });
    await vi.advanceTimersByTimeAsync(3999);
    const handshakes = () => network.now.sent.filter((message) => message.channel === "/meta/handshake").length;
    expect(handshakes()).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(handshakes()).toBe(3);
  });

  test("falls back to long-polling at once, without a word, when the socket cannot be opened", async () => {
    const network = new FakeNetwork();
    const { heard } = await openSession(network, async () => {
      network.now.fail();
      await vi.advanceTimersByTimeAsync(0);
    });
    expect(network.transports.map((transport) => transport.type)).toEqual(["websocket", "long-polling"]);
    expect(network.now.last("/meta/connect").connectionType).toBe("long-polling");
    expect(heard).toEqual(["up", "opened"]);
  });
});

describe("staying", () => {
  test("one connect follows the other, after the advised interval", async () => {
    const network = new FakeNetwork();
    await openSession(network);
    network.now.reply("/meta/connect");
    await settle();
    expect(network.now.last("/meta/connect").id).toBe("i00003");
    network.now.reply("/meta/connect", { advice: { interval: 250 } });
    await vi.advanceTimersByTimeAsync(249);
    expect(network.now.last("/meta/connect").id).toBe("i00003");
    await vi.advanceTimersByTimeAsync(1);
    expect(network.now.last("/meta/connect").id).toBe("i00004");
  });

  test("a socket that a draining server closes between two connects is no failure", async () => {
    const network = new FakeNetwork();
    const { heard } = await openSession(network);
    network.now.reply("/meta/connect", { advice: { interval: 250 } });
    network.now.fail();
    await vi.advanceTimersByTimeAsync(250);
    expect(network.transports).toHaveLength(2);
    expect(network.now.sent).toEqual([
      { channel: "/meta/connect", clientId: "c1", connectionType: "websocket", id: "i00003" },
    ]);
    expect(heard).toEqual(["up", "opened", "resumed"]);
  });

  test("what was not answered is sent again with the same id on the next connection", async () => {
    const network = new FakeNetwork();
    const { session, heard } = await openSession(network);
    const done = vi.fn();
    session.send({ channel: "/a", data: 1 }, done);
    await settle();
    network.now.fail();
    await vi.advanceTimersByTimeAsync(500);
    expect(network.transports).toHaveLength(2);
    expect(network.now.sent.map(({ channel, id }) => [channel, id])).toEqual([
      ["/a", "i00003"],
      ["/meta/connect", "i00002"],
    ]);
    network.now.reply("/a");
    network.now.reply("/a");
    expect(done).toHaveBeenCalledOnce();
    expect(heard).toEqual(["up", "opened", "down", "resumed", "up"]);
  });

  test("a server that does not answer is given up: after 10 s, and a connect 10 s after it was due", async () => {
    const network = new FakeNetwork();
    const { session, heard } = await openSession(network);
    await vi.advanceTimersByTimeAsync(39_999);
    expect(heard).not.toContain("down");
    network.now.reply("/meta/connect");
    session.send({ channel: "/a", data: 1 }, () => {});
    await vi.advanceTimersByTimeAsync(10_000);
    expect(heard).toContain("down");
    expect(network.transports[0]?.closed).toBe(true);
  });

  test("what an old connection still says is not heard", async () => {
    const network = new FakeNetwork();
    const { heard } = await openSession(network);
    const old = network.now;
    old.fail();
    old.events.receive([{ channel: "/a", data: 1 }]);
    old.fail();
    expect(heard).toEqual(["up", "opened", "down"]);
  });

  test("a publisher's advice is not followed", async () => {
    const network = new FakeNetwork();
    const { session } = await openSession(network);
    network.now.events.receive([{ channel: "/a", data: 1, advice: { reconnect: "none" } }]);
    expect(session.open).toBe(true);
  });
});

describe("a new session", () => {
  test("drops what belongs to the old one, and sends publishes again", async () => {
    const network = new FakeNetwork();
    const { session, heard } = await openSession(network);
    const subscribed = vi.fn();
    const published = vi.fn();
    session.send({ channel: "/meta/subscribe", subscription: "/a" }, subscribed);
    session.send({ channel: "/a", data: 1 }, published);
    await settle();
    network.now.reply("/meta/connect", {
      successful: false,
      error: "401:c1:Unknown client",
      advice: { reconnect: "handshake" },
    });
    network.now.reply("/meta/subscribe", { successful: false, error: "401:c1:Unknown client" });
    network.now.reply("/a");
    await vi.advanceTimersByTimeAsync(500);
    network.now.reply("/meta/handshake", { clientId: "c2" });
    await settle();
    expect(network.now.last("/meta/connect").clientId).toBe("c2");
    expect(heard).toEqual(["up", "opened", "opened"]);
    expect(subscribed).not.toHaveBeenCalled();
    expect(published).toHaveBeenCalledOnce();
  });
});

describe("a session that the server lost, which a reply tells before the connect", () => {
  const unknown = { successful: false, error: "401:c1:Unknown client" };

  test("a subscription is not refused: it is made again with all others", async () => {
    const network = new FakeNetwork();
    const { session, heard } = await openSession(network);
    const done = vi.fn();
    session.send({ channel: "/meta/subscribe", subscription: "/a" }, done);
    await settle();
    network.now.reply("/meta/subscribe", unknown);
    await vi.advanceTimersByTimeAsync(500);
    network.now.reply("/meta/handshake", { clientId: "c2" });
    expect(done).not.toHaveBeenCalled();
    expect(heard).toEqual(["up", "opened", "opened"]);
  });

  test("a publication is sent again in the new session", async () => {
    const network = new FakeNetwork();
    const { session } = await openSession(network);
    const done = vi.fn();
    session.send({ channel: "/a", data: 1 }, done);
    await settle();
    network.now.reply("/a", unknown);
    await vi.advanceTimersByTimeAsync(500);
    network.now.reply("/meta/handshake", { clientId: "c2" });
    await settle();
    expect(network.now.last("/a")).toMatchObject({ clientId: "c2", data: 1 });
    network.now.reply("/a");
    expect(done).toHaveBeenCalledOnce();
  });

  test("a connect needs no advice to be understood", async () => {
    const network = new FakeNetwork();
    await openSession(network);
    network.now.reply("/meta/connect", unknown);
    await vi.advanceTimersByTimeAsync(500);
    expect(network.now.sent.filter((message) => message.channel === "/meta/handshake")).toHaveLength(2);
  });
});

describe("ending", () => {
  test("disconnect tells the server, and ends with its answer", async () => {
    const network = new FakeNetwork();
    const { session, heard } = await openSession(network);
    const disconnected = session.disconnect();
    await settle();
    expect(network.now.last("/meta/disconnect").clientId).toBe("c1");
    network.now.reply("/meta/disconnect");
    await disconnected;
    expect(network.now.closed).toBe(true);
    expect(heard.at(-1)).toEqual(["closed", "Client disconnected"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("disconnect does not wait for a server that is gone", async () => {
    const network = new FakeNetwork();
    const { session } = await openSession(network);
    const disconnected = session.disconnect();
    await settle();
    network.now.fail();
    await disconnected;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("disconnect ends at once while the server can't be reached", async () => {
    const network = new FakeNetwork();
    const { session } = await openSession(network);
    network.now.fail();
    await session.disconnect();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("advice none ends it, and refuses what waits", async () => {
    const network = new FakeNetwork();
    const { session, heard } = await openSession(network);
    const done = vi.fn();
    session.send({ channel: "/a", data: 1 }, done);
    network.now.reply("/meta/connect", { successful: false, error: "403::Denied", advice: { reconnect: "none" } });
    expect(String(done.mock.calls[0]?.[0])).toBe("403::Denied");
    expect(heard.at(-1)).toEqual(["closed", "Denied"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
