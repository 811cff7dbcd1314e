import { afterEach, expect, test, vi } from "vitest";
import { watchNetwork } from "./network.js";

afterEach(() => void vi.unstubAllGlobals());

test("a page that is online or seen again wakes the client", () => {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  vi.stubGlobal("document", document);
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
  const wake = vi.fn();
  const stop = watchNetwork(wake);
  document.dispatchEvent(new Event("visibilitychange"));
  expect(wake).not.toHaveBeenCalled();
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  page.dispatchEvent(new Event("pageshow"));
  page.dispatchEvent(new Event("online"));
  expect(wake.mock.calls).toEqual([[false], [false], [true]]);
  stop();
  page.dispatchEvent(new Event("online"));
  document.dispatchEvent(new Event("visibilitychange"));
  expect(wake).toHaveBeenCalledTimes(3);
});

test("outside of a page it does nothing", () => {
  expect(() => watchNetwork(() => {})()).not.toThrow();
});
