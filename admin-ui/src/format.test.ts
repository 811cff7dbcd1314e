import { expect, test } from "vitest";
import { bytes, duration, fromNow, rate } from "./format.js";

test("bytes go to the next unit at 1024", () => {
  expect([0, 1023, 1024, 1_572_864, 2 ** 51].map(bytes)).toEqual(["0 B", "1,023 B", "1 KiB", "1.5 MiB", "2,048 TiB"]);
});

test("durations choose their unit", () => {
  expect([0.0014, 0.25, 1.5, 90, 5400, 86400, 604800].map(duration)).toEqual([
    "1.4 ms",
    "250 ms",
    "1.5 s",
    "1.5 min",
    "1.5 h",
    "24 h",
    "7 days",
  ]);
});

test("times are told from now in both directions", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  expect(fromNow("2026-11-23T11:57:00Z", now)).toBe("3 minutes ago");
  expect(fromNow("2026-11-30T12:00:00Z", now)).toBe("in 7 days");
  expect(fromNow("2026-11-23T12:00:00Z", now)).toBe("now");
});

test("rates keep a decimal while they are small", () => {
  expect([0, 0.44, 12.5, 1234].map(rate)).toEqual(["0", "0.4", "12.5", "1.2K"]);
});
