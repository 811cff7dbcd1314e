import { isObject } from "./bayeux.js";
import { BayeuxError } from "./error.js";
import type { PostConfig } from "./transport/post.js";

/** Which of the retained messages are wanted. */
export interface HistoryOptions {
  /** After this cursor; or so many messages ago, or so long ago: `10`, `"2m"`. */
  since?: string | number;
  /** Up to this cursor, or so long ago. */
  until?: string;
  /** How many at most; there is a bound on the server. */
  limit?: number;
  /** The newest first, which is the default, or the oldest. */
  order?: "newest" | "oldest";
}

/** A message of the past. */
export interface PastMessage {
  readonly id: string;
  readonly channel: string;
  readonly data: unknown;
  /** True for the server's own word of who came to a presence channel or left. */
  readonly notice?: true;
}

/** A page of the past. */
export interface History {
  readonly messages: readonly PastMessage[];
  /** The end of the stream when it was read: a subscription `since` there goes on from this page. */
  readonly cursor: string;
  /** Where the next page begins: `since` if the oldest come first, else `until`. Undefined if there is none. */
  readonly next?: string;
  /** What of the past that was asked for is gone. */
  readonly gap?: { readonly from: string; readonly to: string; readonly reason: string };
}

/** Reads a channel's or pattern's past from the server's HTTP API, which is beside `endpoint`. Rejects with a BayeuxError. */
export async function readHistory(
  { endpoint, headers, fetch }: PostConfig,
  channel: string,
  token: string | null,
  options: HistoryOptions,
): Promise<History> {
  const url = new URL(`channel${channel}`, endpoint.href.replace(/\/$/, ""));
  for (const [name, value] of Object.entries(options)) {
    url.searchParams.set(name, String(value));
  }
  const authorization = token === null ? {} : { Authorization: `Token ${token}` };
  const request = { headers: { ...headers, Accept: "application/json", ...authorization } };
  const response = await fetch(url, request).catch((error) => {
    throw new BayeuxError(String(error));
  });
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && isObject(body)) {
    return body as unknown as History;
  }
  const detail = isObject(body) ? (body.detail ?? body.message) : undefined;
  throw new BayeuxError(String(detail ?? `HTTP status ${response.status}`), response.status);
}
