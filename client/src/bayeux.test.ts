import { expect, test } from "vitest";
import { parse } from "./bayeux.js";

test("an array and a single object are both read", () => {
  expect(parse('[{"channel":"/a","id":"1","successful":true}]')).toEqual([
    { channel: "/a", id: "1", successful: true },
  ]);
  expect(parse('{"channel":"/a","data":null}')).toEqual([{ channel: "/a", data: null }]);
  expect(parse("[]")).toEqual([]);
});

test("fields of a wrong type are dropped", () => {
  const text =
    '[{"channel":7,"id":7,"clientId":{},"successful":"yes","error":1,"advice":[],"ext":{"presence":{"a":1}}}]';
  expect(parse(text)).toEqual([{ channel: "", ext: { presence: { a: 1 } } }]);
});

test("advice is kept only where it can be followed", () => {
  const advice = (raw: unknown) => parse(JSON.stringify({ channel: "/meta/connect", advice: raw }))[0]?.advice;
  expect(advice({ reconnect: "retry", interval: 5, timeout: 6 })).toEqual({
    reconnect: "retry",
    interval: 5,
    timeout: 6,
  });
  expect(advice({ interval: -1, timeout: "6" })).toEqual({});
  expect(advice({ interval: 2 ** 31 })).toEqual({});
});

test.each(["", "nope", "1", "null", '"a"', "[1]", "[null]", "[[]]"])("%j is refused", (text) => {
  expect(() => parse(text)).toThrow();
});
