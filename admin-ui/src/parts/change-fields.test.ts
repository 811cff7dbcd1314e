import { expect, test } from "vitest";
import { fieldChanges } from "./change-fields.js";

test("what was made has its fields, and nothing of what was not there before", () => {
  expect(fieldChanges({ before: null, after: { name: "Shop", admins: ["ann", "bob"] } })).toEqual([
    { name: "name", after: "Shop" },
    { name: "admins", after: "ann, bob" },
  ]);
  expect(fieldChanges({ before: { previous_until: null }, after: { previous_until: null } })).toEqual([]);
});

test("what was changed is told with what it was; a time that was not set before is only told", () => {
  expect(fieldChanges({ before: { name: "Old", admins: [] }, after: { name: "New", admins: ["ann"] } })).toEqual([
    { name: "name", before: "Old", after: "New" },
    { name: "admins", before: "none", after: "ann" },
  ]);
  const [rotated] = fieldChanges({
    before: { previous_until: null },
    after: { previous_until: "2026-11-29T07:49:54.629Z" },
  });
  expect(rotated?.name).toBe("old secret ends");
  expect(rotated?.before).toBeUndefined();
  expect(rotated?.after).toMatch(/^\d\d? Nov 2026, \d\d:\d\d:54$/);
});

test("of settings only those that differ are told, with their units", () => {
  const before = { history_age: 0, history_length: 10, suspended: false, max_message_bytes: 0, publish_rate: 50 };
  const after = { ...before, history_age: 604_800, suspended: true, max_message_bytes: 65_536, publish_rate: 0 };
  expect(fieldChanges({ before: { settings: before }, after: { settings: after } })).toEqual([
    { name: "kept for", before: "default", after: "7 days" },
    { name: "suspended", before: "no", after: "yes" },
    { name: "largest message", before: "default", after: "64 KiB" },
    { name: "publish rate", before: "50 / s", after: "default" },
  ]);
});

test("what a token grants is told in words", () => {
  const after = { channel: "/shop/private/a", pub: false, sub: true, expires: "2026-11-29T07:49:54Z" };
  const told = Object.fromEntries(fieldChanges({ before: null, after }).map(({ name, after }) => [name, after]));
  expect(told).toMatchObject({ channel: "/shop/private/a", may: "subscribe" });
  expect(fieldChanges({ before: null, after: { pub: true, sub: true } })).toEqual([
    { name: "may", after: "publish and subscribe" },
  ]);
});

test("what was deleted is told as it was", () => {
  expect(fieldChanges({ before: { purpose: "shop", expires: null, odd: { a: 1 } }, after: null })).toEqual([
    { name: "purpose", before: "shop" },
    { name: "expires", before: "never" },
    { name: "odd", before: '{"a":1}' },
  ]);
});
