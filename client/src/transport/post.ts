import { type Incoming, type Outgoing, parse } from "../bayeux.js";

/** How requests are made. */
export interface PostConfig {
  endpoint: URL;
  /** In use while the request is made, so that changes count from then on. */
  headers: Readonly<Record<string, string>>;
  fetch: typeof fetch;
}

/** Posts messages, and returns the replies. Rejects with an Error that says why there are none. */
export async function post(
  { endpoint, headers, fetch }: PostConfig,
  messages: readonly Outgoing[],
  signal: AbortSignal,
): Promise<Incoming[]> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(messages),
    cache: "no-store",
    signal,
  });
  if (!response.ok) {
    throw new Error(`HTTP status ${response.status}`);
  }
  return parse(await response.text());
}
