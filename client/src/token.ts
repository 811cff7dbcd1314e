/** A token, or a function that is asked for one before every subscribe and publish. Null is no token. */
export type TokenSource = string | null | (() => string | null | Promise<string | null>);

/**
 * Asks `source` and calls `use` with the answer, or `fail`.
 *
 * It calls `use` before it returns unless the answer is a promise: messages whose tokens are at hand leave in the order in
 * which they were handed over.
 */
export function ask(source: TokenSource, use: (token: string | null) => void, fail: (reason: unknown) => void): void {
  let answer: ReturnType<Extract<TokenSource, () => unknown>>;
  try {
    answer = typeof source === "function" ? source() : source;
  } catch (reason) {
    fail(reason);
    return;
  }
  if (answer instanceof Promise) {
    answer.then(use, fail);
  } else {
    use(answer);
  }
}

/** The part of a message that carries a token. */
export function auth(token: string | null): { ext?: { auth: { token: string } } } {
  return token === null ? {} : { ext: { auth: { token } } };
}
