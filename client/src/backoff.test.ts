import { afterEach, expect, test, vi } from "vitest";
import { Backoff } from "./backoff.js";

afterEach(() => vi.restoreAllMocks());

test("the pause doubles up to 30 s, and begins anew after a success", () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  const backoff = new Backoff(1000);
  expect(Array.from({ length: 7 }, () => backoff.next())).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  backoff.reset();
  expect(backoff.next()).toBe(500);
});

test("the pause is never shorter than the server asked for", () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  expect(new Backoff(1000).next(250)).toBe(250);
});
