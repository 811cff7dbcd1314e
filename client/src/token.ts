import { BayeuxError } from "./error.js";

/**
 * A token, or a function that is asked for one, with the channel, before every subscribe and publish, and before the one
 * that it gave expires. Null is no token.
 */
export type TokenSource = string | null | ((channel: string) => string | null | Promise<string | null>);

/**
 * Asks `source` and calls `use` with the answer, or `fail`.
 *
 * It calls `use` before it returns unless the answer is a promise: messages whose tokens are at hand leave in the order in
 * which they were handed over.
 */
export function ask(
  source: TokenSource,
  channel: string,
  use: (token: string | null) => void,
  fail: (reason: BayeuxError) => void,
): void {
  const failed = (reason: unknown) => fail(new BayeuxError(`No token: ${String(reason)}`));
  let answer: string | null | Promise<string | null>;
  try {
    answer = typeof source === "function" ? source(channel) : source;
  } catch (reason) {
    failed(reason);
    return;
  }
  if (answer && typeof answer === "object") {
    answer.then(use, failed);
  } else {
    use(answer);
  }
}

/** The part of a message that carries a token. */
export function auth(token: string | null): { auth?: { token: string } } {
  return token === null ? {} : { auth: { token } };
}

/**
 * When to ask for the next token, in milliseconds from now: after most of the time that is left to this one, not the same
 * part for everybody. Undefined if it does not say when it expires, or if that is over: the server has just accepted it, so
 * the clocks differ, and the server will say when it ends.
 */
export function renewAfter(token: string | null): number | undefined {
  const left = (expiry(token) ?? 0) * 1000 - Date.now();
  return left > 0 ? Math.min(left * (0.7 + 0.2 * Math.random()), 2 ** 31 - 1) : undefined;
}

/** The claim `exp` of a JWT. The client does not check signatures: it only wants to know. */
function expiry(token: string | null): number | undefined {
  try {
    const claims = JSON.parse(atob((token?.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")));
    return typeof claims.exp === "number" ? claims.exp : undefined;
  } catch {
    return undefined;
  }
}
