import { expect, test } from "vitest";
import { isAfter, type Position, parseCursor } from "./cursor.js";

test("cursors compare by time and then by number, to the last of 64 bits", () => {
  const order = ["e-9-5", "e-10-0", "e-10-2", "e-10-10", "e-18446744073709551614-1", "e-18446744073709551615-0"];
  const positions = order.map((cursor) => parseCursor(cursor) as Position);
  for (const [i, position] of positions.entries()) {
    for (const [j, known] of positions.entries()) {
      expect(isAfter(position, known), `${position.cursor} after ${known.cursor}`).toBe(i > j);
    }
    expect(isAfter(position, undefined)).toBe(true);
    expect(isAfter(position, parseCursor("other-99999999999999999999-0"))).toBe(true);
  }
});

test("what is no cursor is none", () => {
  for (const text of ["", "1", "e-1", "e-1-", "e-1-x", "-1-1", "e-1-1 ", undefined, null, 7]) {
    expect(parseCursor(text)).toBeUndefined();
  }
});
