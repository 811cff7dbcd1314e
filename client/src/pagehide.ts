/**
 * Tells the server that the page goes away, so that others see the user leave at once. `clientId` returns "" when there is
 * nothing to tell. Returns a function that stops it. Does nothing outside of a page.
 */
export function disconnectOnPageHide(endpoint: URL, clientId: () => string): () => void {
  if (typeof document === "undefined" || typeof navigator.sendBeacon !== "function") {
    return () => {};
  }
  const leave = (event: PageTransitionEvent) => {
    const id = clientId();
    if (event.persisted || id === "") {
      return; // A page that is kept may be shown again.
    }
    const message = JSON.stringify([{ channel: "/meta/disconnect", clientId: id, id: "bye" }]);
    // A string goes as text/plain, which needs no preflight: a page that goes away could not wait for one. The server
    // takes everything that is not JSON for a form.
    navigator.sendBeacon(endpoint, `message=${encodeURIComponent(message)}`);
  };
  addEventListener("pagehide", leave);
  return () => removeEventListener("pagehide", leave);
}
