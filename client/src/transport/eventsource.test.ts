import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { settle } from "../fake.js";
import { EventSourceTransport } from "./eventsource.js";

/** A stream that does what the test says. */
class FakeSource extends EventTarget {
  static newest: FakeSource | undefined;
  readonly url: string;
  readyState = 0;
  closed = false;

  constructor(url: string) {
    super();
    this.url = url;
    FakeSource.newest = this;
  }

  close(): void {
    this.closed = true;
  }
}

const events = { receive: vi.fn(), down: vi.fn() };
let posted: unknown[];
let transport: EventSourceTransport;

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  FakeSource.newest = undefined;
  posted = [];
  const fetch = vi.fn(async (_: unknown, init?: RequestInit) => {
    posted.push(...JSON.parse(String(init?.body)));
    return new Response("[]");
  });
  const config = { endpoint: new URL("http://server/push/?x=1"), headers: {}, fetch };
  transport = new EventSourceTransport(config, FakeSource as never, events);
});
afterEach(() => void vi.useRealTimers());

const connect = { channel: "/meta/connect", clientId: "c1" };

function source(): FakeSource {
  if (!FakeSource.newest) throw new Error("no stream was begun");
  return FakeSource.newest;
}

test("the stream begins with the connect, which goes out when it has begun; the rest is posted", async () => {
  transport.send([{ channel: "/meta/handshake" }]);
  expect(FakeSource.newest).toBeUndefined();
  transport.send([connect]);
  transport.send([{ channel: "/a" }]);
  await settle();
  expect(source().url).toBe("http://server/push/c1");
  expect(posted).toEqual([{ channel: "/meta/handshake" }, { channel: "/a" }]);
  expect(transport.works).toBe(false);
  source().dispatchEvent(new Event("open"));
  await settle();
  expect(posted).toContainEqual(connect);
  expect(transport.works).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test("messages come by the stream", () => {
  transport.send([connect]);
  source().dispatchEvent(new MessageEvent("message", { data: '[{"channel":"/a","data":1}]' }));
  expect(events.receive).toHaveBeenCalledWith([{ channel: "/a", data: 1 }]);
});

test("a stream that says what is not understood is a failure, told once", () => {
  transport.send([connect]);
  source().dispatchEvent(new MessageEvent("message", { data: "nope" }));
  source().readyState = 2;
  source().dispatchEvent(new Event("error"));
  source().dispatchEvent(new MessageEvent("message", { data: "[]" }));
  expect(events.down).toHaveBeenCalledOnce();
  expect(events.receive).not.toHaveBeenCalled();
  expect(source().closed).toBe(true);
});

test("a stream that breaks is waited for, and with it the next connect", async () => {
  transport.send([connect]);
  source().dispatchEvent(new Event("open"));
  source().dispatchEvent(new Event("error"));
  await settle();
  posted = [];
  transport.send([connect]);
  vi.advanceTimersByTime(29_999);
  expect(posted).toEqual([]);
  source().dispatchEvent(new Event("open"));
  await settle();
  expect(posted).toEqual([connect]);
  source().dispatchEvent(new Event("error"));
  vi.advanceTimersByTime(30_000);
  expect(events.down).toHaveBeenCalledExactlyOnceWith("the stream broke", undefined);
});

test("a stream that is refused is a failure", () => {
  transport.send([connect]);
  source().readyState = 2;
  source().dispatchEvent(new Event("error"));
  expect(events.down).toHaveBeenCalledExactlyOnceWith("the stream was refused", undefined);
});

test("a stream that does not begin is a failure", () => {
  transport.send([connect]);
  vi.advanceTimersByTime(5000);
  expect(events.down).toHaveBeenCalledWith("the stream did not begin", undefined);
});

test("closing is no failure", () => {
  transport.send([connect]);
  transport.close();
  source().dispatchEvent(new Event("error"));
  expect(source().closed).toBe(true);
  expect(events.down).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});
