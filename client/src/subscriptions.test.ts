import { afterEach, describe, expect, test, vi } from "vitest";
import type { Incoming, Outgoing } from "./bayeux.js";
import { Progress } from "./cursor.js";
import { BayeuxError } from "./error.js";
import { settle } from "./fake.js";
import { Subscriptions } from "./subscriptions.js";

afterEach(() => void vi.useRealTimers());

/** Subscriptions whose messages are kept with the functions that answer them. `told` is what the hooks heard. */
function make(open = true) {
  const sent: { message: Outgoing; done(outcome: Incoming | BayeuxError): void }[] = [];
  const told: unknown[] = [];
  const state = { open };
  const progress = new Progress();
  const subscriptions = new Subscriptions(progress, {
    isOpen: () => state.open,
    send: (message, done) => sent.push({ message, done }),
    failed: (error, channel) => told.push(["failed", String(error), channel]),
    gap: (gap) => told.push(["gap", gap]),
    recovered: (channel) => told.push(["recovered", channel]),
  });
  const answer = (outcome: Partial<Incoming> | BayeuxError = {}, index = -1) => {
    const reply = { channel: "/meta/subscribe", successful: true };
    sent.at(index)?.done(outcome instanceof BayeuxError ? outcome : { ...reply, ...outcome });
  };
  const messages = () => sent.map(({ message }) => message);
  const asked = () => messages().map(({ subscription, ext }) => [subscription, ext?.since]);
  return { subscriptions, progress, sent, told, state, answer, messages, asked };
}

/** The cursor of the message at `millis`. */
const at = (millis: number, epoch = "abcd") => `${epoch}-${millis}-0`;

test("the second listener of a channel needs no message", async () => {
  const { subscriptions, answer, messages } = make();
  const first = subscriptions.add("/a", undefined, () => {});
  const second = subscriptions.add("/a", undefined, () => {});
  answer();
  await Promise.all([first, second, subscriptions.add("/a", undefined, () => {})]);
  expect(messages()).toEqual([{ channel: "/meta/subscribe", subscription: "/a", ext: {} }]);
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

test("a callback may cancel another subscription, which then gets nothing more, and may add one", () => {
  const { subscriptions, answer } = make();
  const heard: string[] = [];
  subscriptions.add("/a", null, () => {
    heard.push("first");
    second.cancel();
    subscriptions.add("/a", null, () => heard.push("third"));
  });
  const second = subscriptions.add("/a", null, () => heard.push("second"));
  answer();
  subscriptions.deliver({ channel: "/a", data: 1 });
  expect(heard).toEqual(["first"]);
});

test("a refused channel is forgotten", async () => {
  const { subscriptions, answer, messages } = make();
  const refused = subscriptions.add("/a", "t", () => {});
  answer(new BayeuxError("Invalid token"));
  await expect(refused).rejects.toThrow("Invalid token");
  subscriptions.opened();
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
  subscriptions.opened();
  answer();
  subscriptions.opened();
  expect(messages().map((message) => message.ext)).toEqual([{ auth: { token: "t1" } }, { auth: { token: "t2" } }]);
});

test("a refusal in a new session is an event, and the next session tries again", () => {
  const { subscriptions, answer, told, messages } = make();
  subscriptions.add("/a", "t", () => {});
  answer();
  subscriptions.opened();
  answer(new BayeuxError("Expired key"));
  expect(told).toEqual([["failed", "Expired key", "/a"]]);
  subscriptions.opened();
  expect(messages()).toHaveLength(3);
});

test("the answer to an earlier attempt is not taken for the present one's", async () => {
  const { subscriptions, sent, answer } = make();
  const subscription = subscriptions.add("/a", "t", () => {});
  subscriptions.opened();
  sent[0]?.done(new BayeuxError("Connection lost"));
  answer();
  await expect(subscription).resolves.toEqual({ cursor: undefined, recovered: undefined });
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
  answer({ ext: { presence: roster } });
  subscriptions.deliver({ channel: "/app/presence/x", data: { unsubscribe: { ann: null } } });
  expect(heard).toEqual([
    [roster, "/app/presence/x"],
    [{ unsubscribe: { ann: null } }, "/app/presence/x"],
  ]);
});

test("what the server says on a meta channel is handed on, from its first word, which has the cursor of the reply", () => {
  const { subscriptions, answer } = make();
  const heard: unknown[] = [];
  const channel = "/app/meta/channels";
  subscriptions.add(channel, "t", (data, _, { id, presence }) => heard.push([data, id, presence]));
  answer({ ext: { cursor: "e-5-0" } });
  const ext = { notice: "meta" };
  subscriptions.deliver({ channel, data: { occupied: ["/app/public/x"] }, id: "e-5-0", ext });
  subscriptions.deliver({ channel, data: { vacated: ["/app/public/x"] }, id: "e-7-0", ext });
  expect(heard).toEqual([
    [{ occupied: ["/app/public/x"] }, "e-5-0", undefined],
    [{ vacated: ["/app/public/x"] }, "e-7-0", undefined],
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

describe("cursors", () => {
  test("a subscription may begin in the past, and says where and whether all of it is there", async () => {
    const { subscriptions, answer, asked } = make();
    const since = subscriptions.add("/a/x", null, null, { since: at(5) });
    answer({ ext: { cursor: at(5), recovered: true } });
    const rewind = subscriptions.add("/a/y", null, null, { rewind: 10 });
    answer({ ext: { cursor: at(7), recovered: true } });
    expect(asked()).toEqual([
      ["/a/x", at(5)],
      ["/a/y", "10"],
    ]);
    await expect(since).resolves.toEqual({ cursor: at(5), recovered: true });
    await expect(rewind).resolves.toEqual({ cursor: at(7), recovered: true });
  });

  test("in a new session it goes on from the newest message of the application, and tells that all was recovered", () => {
    const { subscriptions, answer, asked, told } = make();
    subscriptions.add("/a/x", null, null);
    answer({ ext: { cursor: at(1) } });
    subscriptions.add("/a/y", null, null);
    answer({ ext: { cursor: at(2) } });
    subscriptions.deliver({ channel: "/a/x", data: 1, id: at(3) });
    subscriptions.opened();
    expect(asked().slice(2)).toEqual([
      ["/a/x", at(3)],
      ["/a/y", at(3)],
    ]);
    answer({ ext: { cursor: at(3), recovered: true } });
    expect(told).toEqual([["recovered", "/a/y"]]);
  });

  test("what comes twice is handed over once, by every subscription", () => {
    const { subscriptions, answer } = make();
    const heard: unknown[] = [];
    for (const pattern of ["/a/x", "/a/*"]) {
      subscriptions.add(pattern, null, (data, _, { id }) => heard.push([pattern, data, id]));
      answer({ ext: { cursor: at(1) } });
    }
    for (const n of [2, 3, 2, 3, 1]) subscriptions.deliver({ channel: "/a/x", data: n, id: at(n) });
    expect(heard).toEqual([
      ["/a/x", 2, at(2)],
      ["/a/*", 2, at(2)],
      ["/a/x", 3, at(3)],
      ["/a/*", 3, at(3)],
    ]);
  });

  test("ids that are no cursors are handed over as they come", () => {
    const { subscriptions } = make();
    const heard = vi.fn();
    subscriptions.add("/a", null, heard);
    for (const id of ["1", "1", "x-y-z"]) subscriptions.deliver({ channel: "/a", data: id, id });
    expect(heard).toHaveBeenCalledTimes(3);
  });

  test("a second listener may ask for the past, which the first has had", async () => {
    const { subscriptions, answer, asked } = make();
    const [first, second] = [vi.fn(), vi.fn()];
    subscriptions.add("/a/x", null, (data) => first(data));
    answer({ ext: { cursor: at(1) } });
    subscriptions.deliver({ channel: "/a/x", data: 2, id: at(2) });
    const late = subscriptions.add("/a/x", null, (data) => second(data), { rewind: "1m" });
    expect(asked()[1]).toEqual(["/a/x", "1m"]);
    answer({ ext: { cursor: at(1), recovered: true } });
    await late;
    for (const n of [2, 3]) subscriptions.deliver({ channel: "/a/x", data: n, id: at(n) });
    expect(first.mock.calls).toEqual([[2], [3]]);
    expect(second.mock.calls).toEqual([[2], [3]]);
  });

  test("a newer message that comes first, by another subscription, does not hide the older ones", () => {
    const { subscriptions, answer } = make();
    const heard: unknown[] = [];
    subscriptions.add("/a/x", null, null);
    answer({ ext: { cursor: at(1) } });
    subscriptions.add("/a/*", null, (data) => heard.push(data), { since: at(1) });
    answer({ ext: { cursor: at(1), recovered: true } });
    subscriptions.deliver({ channel: "/a/x", data: "new", id: at(9) });
    subscriptions.deliver({ channel: "/a/y", data: "old", id: at(2) });
    subscriptions.deliver({ channel: "/a/x", data: "new", id: at(9) });
    expect(heard).toEqual(["new", "old"]);
  });

  test("after a lost connection, what was catching up asks for the rest, and nothing else does", () => {
    vi.useFakeTimers();
    const { subscriptions, answer, asked, progress } = make();
    subscriptions.add("/a/x", null, null);
    answer({ ext: { cursor: at(90) } });
    subscriptions.add("/b/x", null, null);
    answer({ ext: { cursor: at(50, "efgh") } });
    subscriptions.add("/a/y", null, null, { since: at(1) });
    answer({ ext: { cursor: at(1), recovered: true } });
    subscriptions.deliver({ channel: "/a/y", data: 2, id: at(2) });
    expect(progress.cursors()).toEqual({ b: at(50, "efgh") });
    subscriptions.resumed();
    expect(asked().slice(3)).toEqual([["/a/y", at(2)]]);
    answer({ ext: { cursor: at(2), recovered: true } });
    vi.advanceTimersByTime(4999);
    progress.replied();
    expect(progress.cursors()).toEqual({ b: at(50, "efgh") });
    vi.advanceTimersByTime(1);
    progress.replied();
    expect(progress.cursors()).toEqual({ a: at(90), b: at(50, "efgh") });
    subscriptions.resumed();
    expect(asked()).toHaveLength(4);
  });

  test("silence does not mean that all of the past has come: the connection may be dead", () => {
    vi.useFakeTimers();
    const { subscriptions, answer, asked, progress } = make();
    subscriptions.add("/a/x", null, null);
    answer({ ext: { cursor: at(90) } });
    subscriptions.add("/a/y", null, null, { since: at(1) });
    answer({ ext: { cursor: at(1), recovered: true } });
    subscriptions.deliver({ channel: "/a/y", data: 2, id: at(2) });
    vi.advanceTimersByTime(40_000);
    expect(progress.cursors()).toEqual({});
    subscriptions.resumed();
    expect(asked().slice(2)).toEqual([["/a/y", at(2)]]);
    answer({ ext: { cursor: at(2), recovered: true } });
    vi.advanceTimersByTime(5000);
    subscriptions.deliver({ channel: "/a/x", data: 91, id: at(91) });
    expect(progress.cursors()).toEqual({ a: at(91) });
  });

  test("a channel that the server does not have goes on from where it ended, however far others come meanwhile", async () => {
    const { subscriptions, answer, asked } = make();
    const heard: unknown[] = [];
    subscriptions.add("/a/x", null, null);
    answer({ ext: { cursor: at(1) } });
    let fails = false;
    const token = () => {
      if (fails) throw new Error("logged out");
      return "t";
    };
    subscriptions.add("/a/y", token, (data) => heard.push(data));
    answer({ ext: { cursor: at(2) } });
    fails = true;
    subscriptions.opened();
    answer({ ext: { cursor: at(1), recovered: true } });
    subscriptions.deliver({ channel: "/a/x", data: 9, id: at(9) });
    fails = false;
    subscriptions.opened();
    expect(asked().slice(3)).toEqual([
      ["/a/x", at(9)],
      ["/a/y", at(1)],
    ]);
    answer({ ext: { cursor: at(1), recovered: true } });
    subscriptions.deliver({ channel: "/a/y", data: 5, id: at(5) });
    expect(heard).toEqual([5]);
  });

  test("what has not come for long is not given back", () => {
    vi.useFakeTimers();
    const { subscriptions, answer, progress } = make();
    subscriptions.add("/a/x", null, null);
    answer({ ext: { cursor: at(1) } });
    vi.advanceTimersByTime(60_000);
    expect(progress.cursors()).toEqual({});
  });

  test("a gap is told, with its channel if a subscription found it", () => {
    const { subscriptions, answer, told } = make();
    subscriptions.add("/a/x", null, null, { since: at(1) });
    const gap = { app: "a", from: at(1), to: at(5), reason: "trimmed" };
    answer({ ext: { cursor: at(1), recovered: false, gap } });
    subscriptions.lost({ ...gap, channel: undefined });
    expect(told).toEqual([
      ["gap", { ...gap, channel: "/a/x" }],
      ["gap", { ...gap, channel: undefined }],
    ]);
  });

  test("after the stream was lost, the new one counts from its beginning, and rosters are asked for again", () => {
    const { subscriptions, answer, asked } = make();
    const heard = vi.fn();
    subscriptions.add("/a/x", null, (data) => heard(data));
    answer({ ext: { cursor: at(90) } });
    subscriptions.add("/a/presence/x", "t", null);
    answer({ ext: { cursor: at(91) } });
    subscriptions.lost({ app: "a", channel: undefined, from: at(90), to: at(1, "new"), reason: "lost" });
    expect(asked().slice(2)).toEqual([["/a/presence/x", undefined]]);
    subscriptions.deliver({ channel: "/a/x", data: "first", id: at(1, "new") });
    expect(heard).toHaveBeenCalledWith("first");
    subscriptions.opened();
    expect(asked().slice(3)).toEqual([
      ["/a/x", at(1, "new")],
      ["/a/presence/x", at(1, "new")],
    ]);
  });
});

describe("tokens that expire", () => {
  const jwt = (exp: number) => `e30.${btoa(JSON.stringify({ exp }))}.x`;

  function make2() {
    vi.useFakeTimers({ now: 0 });
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const all = make();
    const token = vi.fn(async () => jwt(Date.now() / 1000 + 100));
    all.subscriptions.add("/a/x", token, null);
    return { ...all, token };
  }
  afterEach(() => void vi.restoreAllMocks());

  test("a function is asked in time, and the subscription goes on with what it gives", async () => {
    const { answer, asked, token } = make2();
    await settle();
    answer({ ext: { cursor: at(1) } });
    await vi.advanceTimersByTimeAsync(79_999);
    expect(token).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(1);
    expect(token).toHaveBeenCalledTimes(2);
    expect(asked()).toEqual([
      ["/a/x", undefined],
      ["/a/x", undefined],
    ]);
  });

  test("a function that fails is asked again after a pause, and it is told", async () => {
    const { answer, asked, token, told } = make2();
    await settle();
    answer();
    token.mockRejectedValueOnce("offline");
    await vi.advanceTimersByTimeAsync(80_000);
    expect(told).toEqual([["failed", "No token: offline", "/a/x"]]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()).toHaveLength(2);
  });

  test("what the server ends is subscribed to again, from where it was", async () => {
    const { subscriptions, answer, asked, told } = make2();
    await settle();
    answer({ ext: { cursor: at(1) } });
    subscriptions.ended("/a/x", new BayeuxError("Expired token"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked()[1]).toEqual(["/a/x", at(1)]);
    expect(told).toEqual([]);
  });

  test("what the server ends, and has but one token, is told", () => {
    const { subscriptions, answer, told, sent } = make();
    subscriptions.add("/a/x", "t", null);
    answer();
    subscriptions.ended("/a/x", new BayeuxError("Revoked key"));
    subscriptions.ended("/a/y", new BayeuxError("Revoked key"));
    expect(told).toEqual([["failed", "Revoked key", "/a/x"]]);
    expect(sent).toHaveLength(1);
  });

  test("what is cancelled asks no more", async () => {
    const { subscriptions, answer, token } = make2();
    await settle();
    answer();
    subscriptions.remove("/a/x");
    expect(vi.getTimerCount()).toBe(0);
    expect(token).toHaveBeenCalledOnce();
  });
});
