import { expect, test } from "vitest";
import { patterns } from "./channel.js";

test("a message belongs to its channel, to * one level above, and to ** above that", () => {
  expect(patterns("/a/b/c")).toEqual(["/a/b/c", "/a/b/*", "/**", "/a/**", "/a/b/**"]);
  expect(patterns("/a")).toEqual(["/a", "/*", "/**"]);
});
