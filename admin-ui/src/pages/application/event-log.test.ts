import { expect, test } from "vitest";
import { capacity, EventLog, matches, maxText } from "./event-log.js";

const event = (data: unknown) => ({
  channel: "/a/public/b",
  data,
  id: undefined,
  kind: undefined,
  frame: { channel: "/a/public/b", data },
});

test("the newest events are kept, and those that had to go are counted", () => {
  const log = new EventLog((tell) => tell());
  for (let n = 1; n <= capacity + 3; n++) {
    log.add(event(n));
  }
  const { events, total, dropped } = log.view();
  expect([events.length, total, dropped]).toEqual([capacity, capacity + 3, 3]);
  expect(events[0]?.number).toBe(capacity + 3);
});

test("of large events fewer are kept, also while nothing is shown", () => {
  const frames: (() => void)[] = [];
  const log = new EventLog((tell) => frames.push(tell));
  const large = "x".repeat(1 << 20);
  for (let n = 0; n < 40; n++) {
    log.add(event(large));
  }
  frames[0]?.();
  const { events, total, dropped } = log.view();
  expect([events.length, total, dropped]).toEqual([15, 40, 25]);
  expect(events.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(maxText);
  log.clear();
  log.add(event(1));
  frames.at(-1)?.();
  expect(log.view()).toMatchObject({ total: 1, dropped: 0, events: [{ data: 1 }] });
});

test("listeners are told once a frame, however much came", () => {
  const frames: (() => void)[] = [];
  const log = new EventLog((tell) => frames.push(tell));
  let told = 0;
  const stop = log.listen(() => told++);
  log.add(event(1));
  log.add(event(2));
  expect([frames.length, told, log.view().total]).toEqual([1, 0, 0]);
  frames[0]?.();
  expect([told, log.view().total]).toEqual([1, 2]);
  stop();
});

test("a filter looks at channel and data", () => {
  const log = new EventLog((tell) => tell());
  log.add(event({ text: "Hello" }));
  const [one] = log.view().events;
  expect(one && [matches(one, "hello"), matches(one, "PUBLIC"), matches(one, "bye"), matches(one, "")]).toEqual([
    true,
    true,
    false,
    true,
  ]);
});
