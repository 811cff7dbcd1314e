import { expect, test } from "vitest";
import { withDefaults } from "./options.js";

test("defaults", () => {
  expect(withDefaults({ retry: 5 })).toMatchObject({ timeout: 60, interval: 0, retry: 5 });
});

test("what is not known is refused, as is what is no time", () => {
  expect(() => withDefaults({ colour: "x" } as object)).toThrow("Unrecognized option: colour");
  expect(() => withDefaults({ proxy: "x" } as object)).toThrow("Unrecognized option: proxy");
  expect(() => withDefaults({ retry: -1 })).toThrow("Option retry is a number of seconds");
  expect(() => withDefaults({ timeout: Number.NaN })).toThrow("Option timeout is a number of seconds");
});
