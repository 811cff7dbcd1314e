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

/** A route that has gone over to long-polling, and whose time has come to try the best again. */
function fallen() {
  const network = new FakeNetwork();
  network.route.failed();
  network.route.worked();
  expect(network.route.better()).toBe(false);
  expect(network.transports).toHaveLength(0);
  vi.advanceTimersByTime(300_000);
  expect(network.route.better()).toBe(false);
  return network;
}

test("the best one is tried beside a lesser one, and used again when it has answered", () => {
  const { route, transports, now } = fallen();
  expect(now.type).toBe("websocket");
  expect(now.frames).toEqual([[]]);
  expect(route.better()).toBe(false);
  now.events.receive([]);
  expect(now.closed).toBe(true);
  expect(route.type).toBe("long-polling");
  expect(route.better()).toBe(true);
  expect(route.type).toBe("websocket");
  expect(route.better()).toBe(false);
  expect(transports).toHaveLength(1);
});

test("a trial that fails is made again five minutes later, and ends with the client", () => {
  const network = fallen();
  network.now.fail();
  expect(network.route.better()).toBe(false);
  expect(network.transports).toHaveLength(1);
  vi.advanceTimersByTime(300_000);
  network.route.better();
  expect(network.transports).toHaveLength(2);
  network.route.close();
  expect(network.now.closed).toBe(true);
});

test("a transport can be done without, but not the last", () => {
  const { route } = new FakeNetwork();
  route.disable("websocket");
  route.disable("long-polling");
  route.disable("eventsource");
  expect(route.types).toEqual(["long-polling"]);
});
