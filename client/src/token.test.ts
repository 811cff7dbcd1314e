import { expect, test, vi } from "vitest";
import { ask, auth } from "./token.js";

test("what is at hand is used at once", () => {
  const use = vi.fn();
  const fail = vi.fn();
  ask("a", use, fail);
  ask(null, use, fail);
  ask(() => "b", use, fail);
  expect(use.mock.calls).toEqual([["a"], [null], ["b"]]);
  expect(fail).not.toHaveBeenCalled();
});

test("a promise is waited for", async () => {
  await expect(new Promise((use, fail) => ask(async () => "c", use, fail))).resolves.toBe("c");
  await expect(new Promise((use, fail) => ask(() => Promise.reject("no"), use, fail))).rejects.toBe("no");
});

test("a function that throws fails", () => {
  const fail = vi.fn();
  const error = new Error("no");
  const throws = () => {
    throw error;
  };
  ask(throws, vi.fn(), fail);
  expect(fail).toHaveBeenCalledWith(error);
});

test("no token, no ext", () => {
  expect(auth(null)).toEqual({});
  expect(auth("a")).toEqual({ ext: { auth: { token: "a" } } });
});
