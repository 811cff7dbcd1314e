/** Whether the server itself speaks on this channel. */
export function isMeta(channel: string): boolean {
  return channel.startsWith("/meta/");
}

/** The first segment: the application whose channel it is. */
export function application(channel: string): string {
  return channel.split("/")[1] ?? "";
}

/** Whether the server keeps a list of who is there. */
export function isPresence(channel: string): boolean {
  return channel.split("/")[2] === "presence";
}

/** Every subscription that a message on `channel` belongs to: itself, `*` for its last segment, `**` for one or more. */
export function patterns(channel: string): string[] {
  const segments = channel.split("/").slice(1);
  const parents = segments.map((_, depth) => ["", ...segments.slice(0, depth)].join("/"));
  return [channel, `${parents.at(-1) ?? ""}/*`, ...parents.map((parent) => `${parent}/**`)];
}
