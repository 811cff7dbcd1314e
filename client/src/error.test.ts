import { expect, test } from "vitest";
import { BayeuxError } from "./error.js";

test.each([
  ["403:/meta/x:Forbidden channel", 403, ["/meta/x"], "Forbidden channel"],
  ["405::Invalid channel", 405, [], "Invalid channel"],
  ["301:a,b:Connection types not supported", 301, ["a", "b"], "Connection types not supported"],
  ["Token does not match channel", null, [], "Token does not match channel"],
  ["", null, [], ""],
])("%s", (text, code, params, message) => {
  const error = BayeuxError.parse(text);
  expect({ code: error.code, params: error.params, message: error.message }).toEqual({ code, params, message });
  expect(String(error)).toBe(text);
});
