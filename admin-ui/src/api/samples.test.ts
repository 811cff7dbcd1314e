import { expect, test, vi } from "vitest";

vi.stubGlobal("document", { baseURI: "https://host/admin/" });
const { append } = await import("./samples.js");

test("a sample is added once, and the oldest goes after 15 minutes", () => {
  const at = (n: number) => ({ at: new Date(n * 5000).toISOString() });
  let samples = Array.from({ length: 180 }, (_, n) => at(n));
  samples = append(samples, at(180));
  samples = append(samples, at(180));
  expect(samples).toHaveLength(180);
  expect([samples[0], samples.at(-1)]).toEqual([at(1), at(180)]);
});
