import { afterEach, expect, test, vi } from "vitest";
import type { Outgoing } from "./bayeux.js";
import { type Extension, Extensions, type Next } from "./extensions.js";

/** Adds a letter to the data of what goes out. */
const adding = (letter: string): Extension => ({
  outgoing: (message, next) => next({ ...message, data: `${message.data}${letter}` }),
});

afterEach(() => void vi.unstubAllGlobals());

function run(extensions: Extensions<unknown>, data = "") {
  const [done, dropped] = [vi.fn(), vi.fn()];
  extensions.pass("outgoing", { channel: "/a", data }, (message: Outgoing) => done(message.data), dropped);
  return { done, dropped };
}

test("messages pass through all of them in order, at once if they do not wait", () => {
  const extensions = new Extensions(null);
  extensions.add(adding("a"));
  extensions.add({ incoming: (_, next) => next(null) });
  extensions.add(adding("b"));
  expect(run(extensions).done).toHaveBeenCalledWith("ab");
});

test("a message may be held, and dropped", () => {
  const extensions = new Extensions(null);
  let next: Next<Outgoing> = () => {};
  extensions.add({
    outgoing: (_, given) => {
      next = given;
    },
  });
  const held = run(extensions);
  expect(held.done).not.toHaveBeenCalled();
  next({ channel: "/a", data: "later" });
  expect(held.done).toHaveBeenCalledWith("later");
  const lost = run(extensions);
  next();
  expect(lost.dropped).toHaveBeenCalledOnce();
  expect(lost.done).not.toHaveBeenCalled();
});

test("one with three parameters is given Faye's request in between; this is the extension", () => {
  const extensions = new Extensions(null);
  const seen: unknown[] = [];
  const extension = {
    incoming(message: { channel: string }, request: null, next: Next<never>) {
      seen.push(this, message.channel, request);
      next(message as never);
    },
  };
  extensions.add(extension as never);
  const done = vi.fn();
  extensions.pass("incoming", { channel: "/a" }, done);
  expect(done).toHaveBeenCalledOnce();
  expect(seen).toEqual([extension, "/a", null]);
});

test("one is told when it is added and when it is removed, and then sees nothing", () => {
  const extensions = new Extensions("client");
  const extension = { ...adding("a"), added: vi.fn(), removed: vi.fn() };
  extensions.add(extension);
  extensions.remove(extension);
  extensions.remove(extension);
  expect(extension.added).toHaveBeenCalledWith("client");
  expect(extension.removed).toHaveBeenCalledExactlyOnceWith("client");
  expect(run(extensions, "x").done).toHaveBeenCalledWith("x");
});

test("one that throws is passed over, and is not silent; one that goes on twice does so once", async () => {
  const reported: unknown[] = [];
  vi.stubGlobal("queueMicrotask", (report: () => void) => {
    expect(report).toThrow("bug");
    reported.push("bug");
  });
  const bug = new Error("bug");
  const extensions = new Extensions(null);
  extensions.add({
    outgoing: () => {
      throw bug;
    },
  });
  extensions.add({
    outgoing: (message, next) => {
      next(message);
      next(message);
      throw bug;
    },
  });
  extensions.add(adding("b"));
  const { done, dropped } = run(extensions, "a");
  expect(done.mock.calls).toEqual([["ab"]]);
  expect(dropped).not.toHaveBeenCalled();
  expect(reported).toEqual(["bug", "bug"]);
});
