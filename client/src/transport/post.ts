import { type Incoming, parse } from "../bayeux.js";

/** How requests are made. */
export interface PostConfig {
  endpoint: URL;
  /** In use while the request is made, so that changes count from then on. */
  headers: Readonly<Record<string, string>>;
  fetch: typeof fetch;
}

/** Posts a frame, and returns the replies. Rejects with an Error that says why there are none, perhaps with a `status`. */
export async function post(
  { endpoint, headers, fetch }: PostConfig,
  frame: string,
  signal: AbortSignal,
): Promise<Incoming[]> {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: frame,
    cache: "no-store",
    signal,
  });
  if (!response.ok) {
    throw Object.assign(new Error(`HTTP status ${response.status}`), { status: response.status });
  }
  return parse(await response.text());
}
