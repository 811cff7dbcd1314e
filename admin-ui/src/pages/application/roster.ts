/** Who is in a room, and what they said of themselves. */
export type Roster = ReadonlyMap<string, unknown>;

/** Who is there after a roster, which says it all, or a notice, which says who came or left. */
export function applyPresence(known: Roster, kind: "roster" | "notice", data: unknown): Roster {
  const next = new Map(kind === "roster" ? [] : known);
  const { subscribe = {}, unsubscribe = {} } = (data ?? {}) as Record<string, Record<string, unknown>>;
  for (const id of Object.keys(unsubscribe)) {
    next.delete(id);
  }
  for (const [id, about] of Object.entries(subscribe)) {
    next.set(id, about);
  }
  return next;
}
