/** What a page has to do with a client. */
export interface PageHooks {
  /**
   * The page has reason to look at the connection: it is seen again after it was hidden or asleep, or the machine is online
   * again, by another way perhaps (`suspect`).
   */
  wake(suspect: boolean): void;
  /** The page is put away. It may come back as it is, and then wakes; or not. */
  sleep(): void;
  /** The session that ends with the page, "" for none. */
  clientId(): string;
}

/** Tells what happens to the page, until `signal`. Does nothing outside of one. */
export function watchPage(endpoint: URL, hooks: PageHooks, signal: AbortSignal): void {
  if (!globalThis.document) {
    return;
  }
  const shown = () => {
    if (document.visibilityState === "visible") {
      hooks.wake(false);
    }
  };
  addEventListener("online", () => hooks.wake(true), { signal });
  addEventListener("pageshow", shown, { signal });
  document.addEventListener("visibilitychange", shown, { signal });
  const hidden = ({ persisted }: PageTransitionEvent) => {
    if (persisted) {
      hooks.sleep();
    } else if (hooks.clientId()) {
      sayGoodbye(endpoint, hooks.clientId());
    }
  };
  addEventListener("pagehide", hidden, { signal });
}

/** Tells the server that the page goes away for good, so that others see the user leave at once. */
function sayGoodbye(endpoint: URL, clientId: string): void {
  const message = JSON.stringify([{ channel: "/meta/disconnect", clientId, id: "bye" }]);
  // A string goes as text/plain, which needs no preflight: a page that goes away could not wait for one. The server
  // takes everything that is not JSON for a form.
  navigator.sendBeacon(endpoint, `message=${encodeURIComponent(message)}`);
}
