import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeNetwork } from "../fake.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a transport that never worked gives place at its first failure, and the round begins again", () => {
  const { route } = new FakeNetwork();
  expect(route.type).toBe("websocket");
  expect(route.failed()).toBe(true);
  expect(route.type).toBe("long-polling");
  expect(route.failed()).toBe(false);
  expect(route.type).toBe("websocket");
});

test("a transport that has worked gives place at its third failure in a row", () => {
  const { route } = new FakeNetwork();
  route.worked();
  expect([route.failed(), route.failed()]).toEqual([false, false]);
  route.worked();
  expect([route.failed(), route.failed(), route.failed()]).toEqual([false, false, true]);
  expect(route.type).toBe("long-polling");
});

test("the best one is tried again after five minutes if it has ever worked, and then has one chance", () => {
  const { route } = new FakeNetwork();
  route.worked();
  for (let failures = 0; failures < 3; failures++) route.failed();
  route.worked();
  expect(route.comeBack()).toBe(false);
  vi.advanceTimersByTime(300_000);
  expect(route.comeBack()).toBe(true);
  expect(route.type).toBe("websocket");
  expect(route.failed()).toBe(true);
});

test("one that never worked is not tried again while the other works", () => {
  const { route } = new FakeNetwork();
  route.failed();
  route.worked();
  vi.advanceTimersByTime(300_000);
  expect(route.comeBack()).toBe(false);
});

test("a transport can be done without, but not the last", () => {
  const { route } = new FakeNetwork();
  route.disable("websocket");
  route.disable("long-polling");
  route.disable("eventsource");
  expect(route.types).toEqual(["long-polling"]);
});
