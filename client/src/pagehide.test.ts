import { afterEach, expect, test, vi } from "vitest";
import { disconnectOnPageHide } from "./pagehide.js";

afterEach(() => void vi.unstubAllGlobals());

/** A page of which only its going away exists. */
function stubPage() {
  const page = new EventTarget();
  const sendBeacon = vi.fn();
  vi.stubGlobal("document", {});
  vi.stubGlobal("navigator", { sendBeacon });
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
  const hide = (persisted: boolean) => page.dispatchEvent(Object.assign(new Event("pagehide"), { persisted }));
  return { hide, sendBeacon };
}

test("a page that goes away for good disconnects, with a form", () => {
  const { hide, sendBeacon } = stubPage();
  const endpoint = new URL("http://server/push");
  const stop = disconnectOnPageHide(endpoint, () => "c1");
  hide(true);
  expect(sendBeacon).not.toHaveBeenCalled();
  hide(false);
  expect(sendBeacon).toHaveBeenCalledOnce();
  const [url, body] = sendBeacon.mock.calls[0] ?? [];
  expect(url).toBe(endpoint);
  expect(JSON.parse(new URLSearchParams(body).get("message") ?? "")).toEqual([
    { channel: "/meta/disconnect", clientId: "c1", id: "bye" },
  ]);
  stop();
  hide(false);
  expect(sendBeacon).toHaveBeenCalledOnce();
});

test("without a session there is nothing to tell", () => {
  const { hide, sendBeacon } = stubPage();
  disconnectOnPageHide(new URL("http://server/push"), () => "");
  hide(false);
  expect(sendBeacon).not.toHaveBeenCalled();
});

test("outside of a page it does nothing", () => {
  expect(() => disconnectOnPageHide(new URL("http://server/push"), () => "c1")()).not.toThrow();
});
