import { expect, test } from "vitest";
import { parseSearch, stringifySearch } from "./search.js";

test("what was typed comes back as text, JSON or not", () => {
  const search = { pubPayloadInput: '{"a": 1}', subChannelPath: "a/*", n: "12" };
  expect(parseSearch(stringifySearch(search))).toEqual(search);
});

test("empty and long values are left out", () => {
  expect(stringifySearch({ a: "", b: "x".repeat(1025), c: undefined })).toBe("");
  expect(stringifySearch({ b: "x".repeat(1024) })).toHaveLength(1027);
});
