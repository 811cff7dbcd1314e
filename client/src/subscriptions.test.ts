import { expect, test, vi } from "vitest";
import type { Incoming, Outgoing } from "./bayeux.js";
import { BayeuxError } from "./error.js";
import { settle } from "./fake.js";
import { Subscriptions } from "./subscriptions.js";

/** Subscriptions whose messages are kept with the functions that answer them. */
function make(open = true) {
  const sent: { message: Outgoing; done(outcome: Incoming | BayeuxError): void }[] = [];
  const failed = vi.fn();
  const state = { open };
  const subscriptions = new Subscriptions({
    isOpen: () => state.open,
    send: (message, done) => sent.push({ message, done }),
    failed,
  });
  const answer = (outcome: Incoming | BayeuxError = { channel: "/meta/subscribe", successful: true }) => {
    sent.at(-1)?.done(outcome);
  };
  return { subscriptions, sent, failed, state, answer, messages: () => sent.map(({ message }) => message) };
}

test("the second listener of a channel needs no message", async () => {
  const { subscriptions, answer, messages } = make();
  const first = subscriptions.add("/a", undefined, () => {});
  const second = subscriptions.add("/a", undefined, () => {});
  answer();
  await Promise.all([first, second, subscriptions.add("/a", undefined, () => {})]);
  expect(messages()).toEqual([{ channel: "/meta/subscribe", subscription: "/a" }]);
});

test("with the last listener the server is told", () => {
  const { subscriptions, answer, messages } = make();
  const first = subscriptions.add("/a", undefined, () => {});
  const second = subscriptions.add("/a", undefined, () => {});
  answer();
  first.cancel();
  first.cancel();
  expect(messages()).toHaveLength(1);
  second.cancel();
  expect(messages().at(-1)).toEqual({ channel: "/meta/unsubscribe", subscription: "/a" });
  expect(messages()).toHaveLength(2);
});

test("a message goes to every pattern that matches, with its channel", () => {
  const { subscriptions } = make();
  const heard: unknown[] = [];
  for (const pattern of ["/a/b", "/a/*", "/a/**", "/a/c", "/b/**"]) {
    subscriptions.add(pattern, null, (data, channel) => heard.push([pattern, data, channel]));
  }
  subscriptions.deliver({ channel: "/a/b", data: 1 });
  expect(heard).toEqual(["/a/b", "/a/*", "/a/**"].map((pattern) => [pattern, 1, "/a/b"]));
});

test("a refused channel is forgotten", async () => {
  const { subscriptions, answer, messages } = make();
  const refused = subscriptions.add("/a", "t", () => {});
  answer(new BayeuxError("Invalid token"));
  await expect(refused).rejects.toThrow("Invalid token");
  subscriptions.subscribeAll();
  expect(messages()).toHaveLength(1);
});

test("in a new session every channel is subscribed to, and function tokens are asked again", async () => {
  const { subscriptions, answer, messages, state } = make(false);
  let asked = 0;
  subscriptions.add(
    "/a",
    () => `t${++asked}`,
    () => {},
  );
  expect(messages()).toEqual([]);
  state.open = true;
  subscriptions.subscribeAll();
  answer();
  subscriptions.subscribeAll();
  expect(messages().map((message) => message.ext?.auth.token)).toEqual(["t1", "t2"]);
});

test("a refusal in a new session is an event, and the next session tries again", () => {
  const { subscriptions, answer, failed, messages } = make();
  subscriptions.add("/a", "t", () => {});
  answer();
  subscriptions.subscribeAll();
  answer(new BayeuxError("Expired key"));
  expect(failed).toHaveBeenCalledWith(expect.objectContaining({ message: "Expired key" }), "/a");
  subscriptions.subscribeAll();
  expect(messages()).toHaveLength(3);
});

test("the answer to an earlier attempt is not taken for the present one's", async () => {
  const { subscriptions, sent, answer } = make();
  const subscription = subscriptions.add("/a", "t", () => {});
  subscriptions.subscribeAll();
  sent[0]?.done(new BayeuxError("Connection lost"));
  answer();
  await expect(subscription).resolves.toBeUndefined();
});

test("a token that comes too late is not sent", async () => {
  const { subscriptions, messages, state } = make();
  let give: (token: string) => void = () => {};
  const slow = () =>
    new Promise<string>((resolve) => {
      give = resolve;
    });
  const cancelled = subscriptions.add("/a", slow, () => {});
  cancelled.cancel();
  give("t");
  await expect(cancelled).rejects.toThrow("Subscription cancelled");
  subscriptions.add("/b", slow, () => {});
  state.open = false;
  give("t");
  await settle();
  expect(messages()).toEqual([{ channel: "/meta/unsubscribe", subscription: "/a" }]);
});

test("a token that cannot be had refuses the subscription", async () => {
  const { subscriptions } = make();
  const subscription = subscriptions.add(
    "/a",
    () => Promise.reject(new Error("logged out")),
    () => {},
  );
  await expect(subscription).rejects.toThrow("No token: Error: logged out");
});

test("the roster of a presence channel goes to the callback, before notices in the same frame", () => {
  const { subscriptions, answer } = make();
  const heard: unknown[] = [];
  subscriptions.add("/app/presence/x", "t", (data, channel) => heard.push([data, channel]));
  const roster = { subscribe: { ann: { id: "ann" } } };
  answer({ channel: "/meta/subscribe", successful: true, presence: roster });
  subscriptions.deliver({ channel: "/app/presence/x", data: { unsubscribe: { ann: null } } });
  expect(heard).toEqual([
    [roster, "/app/presence/x"],
    [{ unsubscribe: { ann: null } }, "/app/presence/x"],
  ]);
});

test("closing refuses who still waits, and hands nothing on", async () => {
  const { subscriptions } = make();
  const callback = vi.fn();
  const waiting = subscriptions.add("/a", null, callback);
  subscriptions.close(new BayeuxError("Client disconnected"));
  subscriptions.deliver({ channel: "/a", data: 1 });
  await expect(waiting).rejects.toThrow("Client disconnected");
  expect(callback).not.toHaveBeenCalled();
});
