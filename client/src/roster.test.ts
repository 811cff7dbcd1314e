import { expect, test } from "vitest";
import { Roster } from "./roster.js";
import { type Delivery, type MessageCallback, Subscription } from "./subscription.js";

/** A roster with what it emits, and a function that hands it what the server says. */
function make() {
  let callback: MessageCallback = () => {};
  const roster = new Roster((given) => {
    callback = given;
    return new Subscription("/a/presence/x", given, {}, () => heard.push("cancelled"));
  });
  const heard: unknown[] = [];
  roster.on("join", (member, id) => heard.push(["join", id, member.name]));
  roster.on("leave", (member, id) => heard.push(["leave", id, member.name]));
  roster.on("update", (member, id, before) => heard.push(["update", id, before.name, member.name]));
  roster.on("synced", () => heard.push("synced"));
  roster.on("message", (data) => heard.push(["message", data]));
  const say = (data: unknown, presence: Delivery["presence"]) => {
    callback(data, "/a/presence/x", { id: undefined, presence });
    return heard.splice(0);
  };
  return { roster, say, heard };
}

const ann = { id: "ann", name: "Ann" };
const bob = { id: 7, name: "Bob" };

test("it begins with who is there, and follows the notices", () => {
  const { roster, say } = make();
  expect(say({ subscribe: { ann } }, "roster")).toEqual([["join", "ann", "Ann"], "synced"]);
  expect(say({ subscribe: { 7: bob } }, "notice")).toEqual([["join", "7", "Bob"]]);
  expect(say({ subscribe: { 7: { ...bob, name: "Bobby" } } }, "notice")).toEqual([["update", "7", "Bob", "Bobby"]]);
  expect(say({ unsubscribe: { ann: null } }, "notice")).toEqual([["leave", "ann", "Ann"]]);
  expect([...roster.members]).toEqual([["7", { id: 7, name: "Bobby" }]]);
  expect(roster.complete).toBe(true);
});

test("in a new session it tells what has changed, and only that", () => {
  const { say } = make();
  say({ subscribe: { ann, 7: bob } }, "roster");
  const zoe = { id: "zoe", name: "Zoë" };
  expect(say({ subscribe: { zoe, 7: { ...bob } } }, "roster")).toEqual([
    ["leave", "ann", "Ann"],
    ["join", "zoe", "Zoë"],
    "synced",
  ]);
});

test("an id may be the name of anything", () => {
  const { roster, say } = make();
  const there = JSON.parse(
    '{"__proto__": {"id": "__proto__", "name": "P"}, "constructor": {"id": "constructor", "name": "C"}}',
  );
  expect(say({ subscribe: there }, "roster")).toEqual([
    ["join", "__proto__", "P"],
    ["join", "constructor", "C"],
    "synced",
  ]);
  expect(say({ subscribe: {} }, "roster")).toEqual([
    ["leave", "__proto__", "P"],
    ["leave", "constructor", "C"],
    "synced",
  ]);
  expect(roster.members.size).toBe(0);
});

test("what is known already, or was never known, is no news", () => {
  const { say } = make();
  say({ subscribe: { ann } }, "roster");
  expect(say({ subscribe: { ann: { ...ann } } }, "notice")).toEqual([]);
  expect(say({ unsubscribe: { bob: null } }, "notice")).toEqual([]);
});

test("what somebody publishes is no notice, whatever it looks like", () => {
  const { roster, say } = make();
  expect(say({ subscribe: { ann } }, undefined)).toEqual([["message", { subscribe: { ann } }]]);
  expect(say("nonsense", "notice")).toEqual([]);
  expect(roster.members.size).toBe(0);
});

test("of a very large room it has a part, and says so", () => {
  const { roster, say } = make();
  say({ subscribe: { ann }, count: 2000, next: "x" }, "roster");
  expect(roster.complete).toBe(false);
});

test("cancel ends the subscription", () => {
  const { roster, heard } = make();
  roster.cancel();
  expect(heard).toEqual(["cancelled"]);
});
