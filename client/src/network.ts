/**
 * Calls `wake` when a page has reason to look at its connection: it is seen again after it was hidden or asleep, or the
 * machine is online again, by another way perhaps (`suspect`). Returns what ends that. Does nothing outside of a page.
 */
export function watchNetwork(wake: (suspect: boolean) => void): () => void {
  if (typeof document === "undefined" || typeof addEventListener !== "function") {
    return () => {};
  }
  const online = () => wake(true);
  const shown = () => {
    if (document.visibilityState === "visible") {
      wake(false);
    }
  };
  addEventListener("online", online);
  addEventListener("pageshow", shown);
  document.addEventListener("visibilitychange", shown);
  return () => {
    removeEventListener("online", online);
    removeEventListener("pageshow", shown);
    document.removeEventListener("visibilitychange", shown);
  };
}
