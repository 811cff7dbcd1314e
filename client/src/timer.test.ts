import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Timer } from "./timer.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("the last thing that was asked for is done, once", () => {
  const timer = new Timer();
  const [first, second] = [vi.fn(), vi.fn()];
  timer.start(100, first);
  timer.start(200, second);
  expect(timer.running).toBe(true);
  vi.advanceTimersByTime(1000);
  expect(first).not.toHaveBeenCalled();
  expect(second).toHaveBeenCalledOnce();
  expect(timer.running).toBe(false);
});

test("without a delay it is done at once", () => {
  const run = vi.fn();
  new Timer().start(0, run);
  expect(run).toHaveBeenCalledOnce();
});

test("stop", () => {
  const timer = new Timer();
  const run = vi.fn();
  timer.start(100, run);
  timer.stop();
  vi.advanceTimersByTime(1000);
  expect(run).not.toHaveBeenCalled();
  expect(timer.running).toBe(false);
});
