import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Incoming } from "../bayeux.js";
import { settle } from "../fake.js";
import { LongPollingTransport } from "./longpolling.js";

interface Post {
  messages: { channel: string }[];
  signal: AbortSignal;
  answer(body: string, status?: number): void;
}

let posts: Post[];
let received: Incoming[];
let downs: number;
let transport: LongPollingTransport;

beforeEach(() => {
  posts = [];
  received = [];
  downs = 0;
  vi.stubGlobal("fetch", (_: URL, init: { body: string; signal: AbortSignal }) => {
    return new Promise((resolve, reject) => {
      init.signal.addEventListener("abort", () => reject(init.signal.reason));
      const answer = (body: string, status = 200) => resolve(new Response(body, { status }));
      posts.push({ messages: JSON.parse(init.body), signal: init.signal, answer });
    });
  });
  const config = { endpoint: new URL("http://server/push"), headers: { "X-A": "1" }, fetch: globalThis.fetch };
  transport = new LongPollingTransport(config, {
    receive: (messages) => received.push(...messages),
    down: () => downs++,
  });
});
afterEach(() => void vi.unstubAllGlobals());

/** Gives a response time to be read, which takes more than promises. */
const read = () => vi.waitFor(() => expect(received.length + downs).toBeGreaterThan(0));

test("a connect has a request of its own; the rest goes one after the other", async () => {
  transport.send([{ channel: "/meta/connect" }]);
  for (const channel of ["/a", "/b", "/c"]) transport.send([{ channel }]);
  expect(posts.map(({ messages }) => messages.map(({ channel }) => channel))).toEqual([["/meta/connect"], ["/a"]]);
  posts[1]?.answer('[{"channel":"/a","successful":true}]');
  await read();
  await settle();
  expect(posts[2]?.messages).toEqual([{ channel: "/b" }, { channel: "/c" }]);
});

test.each([
  ["a status", "[]", 503],
  ["no JSON", "<html>", 200],
  ["no messages", "[1]", 200],
])("%s is a failure, told once, and ends the other request", async (_, body, status) => {
  transport.send([{ channel: "/meta/connect" }]);
  transport.send([{ channel: "/a" }]);
  posts[1]?.answer(body, status);
  await read();
  await settle();
  expect(downs).toBe(1);
  expect(posts[0]?.signal.aborted).toBe(true);
});

test("a request that is too large is told as such, and the rest follows in others", async () => {
  const down = vi.fn();
  const config = { endpoint: new URL("http://server/push"), headers: {}, fetch: globalThis.fetch };
  const other = new LongPollingTransport(config, { receive: () => {}, down });
  const long = { channel: "/a", data: "x".repeat(100_000) };
  other.send([long, long]);
  expect(posts.map(({ messages }) => messages.length)).toEqual([1]);
  posts[0]?.answer("[]");
  await vi.waitFor(() => expect(posts.map(({ messages }) => messages.length)).toEqual([1, 1]));
  posts[1]?.answer("", 413);
  await vi.waitFor(() => expect(down).toHaveBeenCalledWith("Error: HTTP status 413", 413));
});

test("closing ends the requests without a word", async () => {
  transport.send([{ channel: "/meta/connect" }]);
  transport.send([{ channel: "/a" }]);
  transport.send([{ channel: "/b" }]);
  transport.close();
  await settle();
  expect(posts.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  expect(downs).toBe(0);
});
