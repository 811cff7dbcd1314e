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
