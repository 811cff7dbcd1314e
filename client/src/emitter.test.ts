import { afterEach, expect, test, vi } from "vitest";
import { Emitter } from "./emitter.js";

afterEach(() => vi.restoreAllMocks());

test("on, off, and the function that on returns", () => {
  const emitter = new Emitter<{ a: [number]; b: [] }>();
  const heard: string[] = [];
  const first = (n: number) => heard.push(`first ${n}`);
  emitter.on("a", first);
  const forget = emitter.on("a", (n) => heard.push(`second ${n}`));
  emitter.emit("a", 1);
  emitter.emit("b");
  forget();
  emitter.emit("a", 2);
  emitter.off("a");
  emitter.emit("a", 3);
  expect(heard).toEqual(["first 1", "second 1", "first 2"]);
});

test("a listener that throws does not stop the others, and is not silent", () => {
  const later: (() => void)[] = [];
  vi.spyOn(globalThis, "queueMicrotask").mockImplementation((task) => later.push(task));
  const emitter = new Emitter<{ a: [] }>();
  const second = vi.fn();
  emitter.on("a", () => {
    throw new Error("broken");
  });
  emitter.on("a", second);
  emitter.emit("a");
  expect(second).toHaveBeenCalledOnce();
  expect(() => later[0]?.()).toThrow("broken");
});

test("once, and the names that Faye gives", () => {
  const emitter = new Emitter<{ a: [number] }>();
  const heard: unknown[] = [];
  const context = {};
  function listener(this: unknown, n: number) {
    heard.push([this === context, n]);
  }
  emitter.once("a", listener, context);
  emitter.trigger("a", 1);
  emitter.trigger("a", 2);
  emitter.bind("a", listener, context);
  emitter.addListener("a", listener, "other");
  expect(emitter.countListeners("a")).toBe(2);
  expect(emitter.listeners("a")).toEqual([listener, listener]);
  emitter.unbind("a", listener, context);
  emitter.emit("a", 3);
  emitter.removeListener("a", listener);
  expect(emitter.countListeners("a")).toBe(0);
  emitter.on("a", listener);
  emitter.removeAllListeners("a");
  emitter.emit("a", 4);
  expect(heard).toEqual([
    [true, 1],
    [false, 3],
  ]);
});

test("off removes a listener for one event, and what on returns removes that one listening alone", () => {
  const emitter = new Emitter<{ a: [number] }>();
  const listener = vi.fn();
  emitter.once("a", listener);
  expect(emitter.listeners("a")).toEqual([listener]);
  emitter.off("a", listener);
  emitter.emit("a", 1);
  expect(listener).not.toHaveBeenCalled();
  const remove = emitter.on("a", listener);
  emitter.once("a", listener);
  remove();
  emitter.emit("a", 2);
  emitter.emit("a", 3);
  expect(listener.mock.calls).toEqual([[2]]);
});
