import { afterEach, expect, test, vi } from "vitest";
import { Deferrable } from "./deferrable.js";

afterEach(() => void vi.useRealTimers());

test("it can be awaited, and is decided once", async () => {
  const good = new Deferrable<number>();
  good.setDeferredStatus("succeeded", 1);
  good.setDeferredStatus("failed", "too late");
  expect(await good).toBe(1);
  const bad = new Deferrable<number>();
  bad.setDeferredStatus("failed", "no");
  await expect(bad).rejects.toBe("no");
  expect(await bad.catch((reason) => `caught ${reason}`)).toBe("caught no");
  await expect(bad.finally(() => {})).rejects.toBe("no");
});

test("callback and errback, each with its this", async () => {
  const heard: unknown[] = [];
  const listen = (deferrable: Deferrable<number>) =>
    deferrable
      .callback(function (this: unknown, value) {
        heard.push([this, value]);
      }, "context")
      .errback(function (this: unknown, reason) {
        heard.push([this, reason]);
      }, "other context");
  const [good, bad] = [listen(new Deferrable()), listen(new Deferrable())];
  good.setDeferredStatus("succeeded", 1);
  bad.setDeferredStatus("failed", "no");
  await good.then();
  await bad.catch(() => {});
  expect(heard).toEqual([
    ["context", 1],
    ["other context", "no"],
  ]);
});

test("it fails when its time is over, unless it has been decided", async () => {
  vi.useFakeTimers();
  const slow = new Deferrable<number>();
  slow.timeout(10, "too slow");
  slow.timeout(20, "much too slow");
  const fast = new Deferrable<number>();
  fast.timeout(10, "too slow");
  fast.setDeferredStatus("succeeded", 1);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(20_000);
  await expect(slow).rejects.toBe("much too slow");
  expect(await fast).toBe(1);
});
