import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { diagnose } from "./diagnose.js";
import { FakeNetwork, settle } from "./fake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("each transport is tried with a session of its own, which ends", async () => {
  const { route, transports } = new FakeNetwork(["websocket", "eventsource", "long-polling"]);
  const trials = diagnose(route);
  const [socket, stream, polling] = transports;
  await vi.advanceTimersByTimeAsync(5);
  socket?.reply("/meta/handshake", { clientId: "c1" });
  stream?.fail();
  polling?.reply("/meta/handshake", { clientId: "c2" });
  await settle();
  expect(socket?.last("/meta/connect")).toMatchObject({
    clientId: "c1",
    connectionType: "websocket",
    advice: { timeout: 0 },
  });
  socket?.reply("/meta/connect");
  polling?.reply("/meta/connect", { successful: false, error: "500::Internal server error" });
  await settle();
  expect(socket?.last("/meta/disconnect").clientId).toBe("c1");
  socket?.reply("/meta/disconnect");
  expect(await trials).toEqual([
    { type: "websocket", works: true, milliseconds: 5, reason: undefined },
    { type: "eventsource", works: false, milliseconds: 5, reason: "broken" },
    { type: "long-polling", works: false, milliseconds: 5, reason: "500::Internal server error" },
  ]);
  expect(transports.every(({ closed }) => closed)).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test("one that brings no answer is given up", async () => {
  const trials = diagnose(new FakeNetwork(["websocket"]).route);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await trials).toMatchObject([{ works: false, reason: "no answer" }]);
});
