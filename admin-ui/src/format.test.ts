import { expect, test } from "vitest";
import { browserName, bytes, clock, duration, fromNow, rate } from "./format.js";

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

test("a moment of today is its time of day, and that of another day has its date", () => {
  const at = new Date(2026, 10, 23, 9, 5, 7, 45);
  expect(clock(at.toISOString(), new Date(2026, 10, 23, 23))).toBe("09:05:07.045");
  expect(clock(at.toISOString(), new Date(2026, 10, 24, 1))).toBe("23 Nov, 09:05:07");
});

test("user agents are told by the browser's name", () => {
  const webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
  const names = {
    [`Mozilla/5.0 (X11; Linux x86_64) ${webkit} Chrome/142.0.0.0 Safari/537.36`]: "Chrome 142 on Linux",
    [`Mozilla/5.0 (Windows NT 10.0) ${webkit} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0`]: "Edge 142 on Windows",
    "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0": "Firefox 145 on Android",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1":
      "Safari 18 on iOS",
    "curl/8.5.0": "curl/8.5.0",
  };
  expect(Object.keys(names).map(browserName)).toEqual(Object.values(names));
});

test("rates keep a decimal while they are small", () => {
  expect([0, 0.02, 0.44, 12.5, 1234].map(rate)).toEqual(["0", "< 0.1", "0.4", "12.5", "1.2K"]);
});
