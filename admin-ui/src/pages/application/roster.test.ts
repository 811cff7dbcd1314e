import { expect, test } from "vitest";
import { applyPresence } from "./roster.js";

test("a roster replaces who was there, and notices change it", () => {
  let room = applyPresence(new Map([["old", {}]]), "roster", { subscribe: { a: { id: "a" }, b: { id: "b" } } });
  expect([...room.keys()]).toEqual(["a", "b"]);
  room = applyPresence(room, "notice", { unsubscribe: { a: { id: "a" } } });
  room = applyPresence(room, "notice", { subscribe: { c: { id: "c" } } });
  expect([...room.keys()]).toEqual(["b", "c"]);
});
