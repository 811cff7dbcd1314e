import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchPage } from "./page.js";

const endpoint = new URL("http://server/push");
const sendBeacon = vi.fn();
let page: EventTarget;
let document: EventTarget & { visibilityState: string };

beforeEach(() => {
  vi.clearAllMocks();
  page = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  vi.stubGlobal("document", document);
  vi.stubGlobal("navigator", { sendBeacon });
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
});
afterEach(() => void vi.unstubAllGlobals());

/** Watches the page. Returns what was heard, and what ends it. */
function watch(clientId = "c1") {
  const wake = vi.fn();
  const sleep = vi.fn();
  const ended = new AbortController();
  watchPage(endpoint, { wake, sleep, clientId: () => clientId }, ended.signal);
  return { wake, sleep, end: () => ended.abort() };
}

const hide = (persisted: boolean) => page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted }));

test("a page that is online or seen again wakes the client", () => {
  const { wake, end } = watch();
  document.dispatchEvent(new Event("visibilitychange"));
  expect(wake).not.toHaveBeenCalled();
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  page.dispatchEvent(new Event("pageshow"));
  page.dispatchEvent(new Event("online"));
  expect(wake.mock.calls).toEqual([[false], [false], [true]]);
  end();
  page.dispatchEvent(new Event("online"));
  document.dispatchEvent(new Event("visibilitychange"));
  expect(wake).toHaveBeenCalledTimes(3);
});

test("a page that goes away for good disconnects, with a form", () => {
  const { sleep, end } = watch();
  hide(true);
  expect(sendBeacon).not.toHaveBeenCalled();
  expect(sleep).toHaveBeenCalledOnce();
  hide(false);
  expect(sleep).toHaveBeenCalledOnce();
  expect(sendBeacon).toHaveBeenCalledOnce();
  const [url, body] = sendBeacon.mock.calls[0] ?? [];
  expect(url).toBe(endpoint);
  expect(JSON.parse(new URLSearchParams(body).get("message") ?? "")).toEqual([
    { channel: "/meta/disconnect", clientId: "c1", id: "bye" },
  ]);
  end();
  hide(false);
  expect(sendBeacon).toHaveBeenCalledOnce();
});

test("without a session there is nothing to tell", () => {
  watch("");
  hide(false);
  expect(sendBeacon).not.toHaveBeenCalled();
});

test("outside of a page it does nothing", () => {
  vi.unstubAllGlobals();
  expect(() => watch()).not.toThrow();
});
