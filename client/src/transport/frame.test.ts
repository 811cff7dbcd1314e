import { expect, test } from "vitest";
import type { Outgoing } from "../bayeux.js";
import { takeFrame } from "./frame.js";

test("messages share a frame as long as it is short, and one that is long has a frame of its own", () => {
  const message = (data: string): Outgoing => ({ channel: "/a", data });
  const queue = [
    message("1"),
    message("2"),
    message("x".repeat(100_000)),
    ...Array(100).fill(message("y".repeat(1000))),
  ];
  const all = [...queue];
  const frames: Outgoing[][] = [];
  while (queue.length > 0) frames.push(JSON.parse(takeFrame(queue)));
  expect(frames.map((frame) => frame.length)).toEqual([2, 1, 62, 38]);
  expect(frames.flat()).toEqual(all);
});

test("nothing is an empty frame", () => {
  expect(takeFrame([])).toBe("[]");
});
