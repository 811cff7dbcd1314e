/** Whether the server itself speaks on this channel. */
export function isMeta(channel: string): boolean {
  return channel.startsWith("/meta/");
}

/** Every subscription that a message on `channel` belongs to: itself, `*` for its last segment, `**` for one or more. */
export function patterns(channel: string): string[] {
  const segments = channel.split("/").slice(1);
  const parents = segments.map((_, depth) => ["", ...segments.slice(0, depth)].join("/"));
  return [channel, `${parents.at(-1) ?? ""}/*`, ...parents.map((parent) => `${parent}/**`)];
}
