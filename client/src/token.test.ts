import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ask, auth, renewAfter } from "./token.js";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("what is at hand is used at once", () => {
  const use = vi.fn();
  const fail = vi.fn();
  ask("a", "/c", use, fail);
  ask(null, "/c", use, fail);
  ask((channel) => `b of ${channel}`, "/c", use, fail);
  expect(use.mock.calls).toEqual([["a"], [null], ["b of /c"]]);
  expect(fail).not.toHaveBeenCalled();
});

test("a promise is waited for", async () => {
  await expect(new Promise((use, fail) => ask(async () => "c", "/c", use, fail))).resolves.toBe("c");
  const rejected = new Promise((use, fail) => ask(() => Promise.reject("no"), "/c", use, fail));
  await expect(rejected).rejects.toThrow("No token: no");
});

test("a function that throws fails", () => {
  const fail = vi.fn();
  const throws = () => {
    throw new Error("no");
  };
  ask(throws, "/c", vi.fn(), fail);
  expect(String(fail.mock.calls[0]?.[0])).toBe("No token: Error: no");
});

test("no token, no ext", () => {
  expect(auth(null)).toEqual({});
  expect(auth("a")).toEqual({ auth: { token: "a" } });
});

const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;

test.each([
  ["after 80 % of what is left", jwt({ exp: 1_000_100, name: "Zoë ?>~" }), 80_000],
  ["no later than a timer can wait", jwt({ exp: 1e12 }), 2 ** 31 - 1],
  ["not, if it is over by our clock", jwt({ exp: 999_999 }), undefined],
  ["not, if it never expires", jwt({}), undefined],
  ["not, if the claim is no number", jwt({ exp: "soon" }), undefined],
  ["not, if it is no token", "nonsense", undefined],
  ["not, if there is none", null, undefined],
])("a token is renewed %s", (_, token, after) => {
  expect(renewAfter(token)).toBe(after);
});
