import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError, PandapushError, passes } from "./errors.js";

const firstPause = 200; // bound of the pause after the first failure, in milliseconds; it doubles each time
const maxPause = 10_000; // and grows no further
// For so long a request waits if the server wants it to. Whoever is sent away for longer is told so instead.
const maxRetryAfter = 60_000;

// The way to one server.
export class Connection {
  #base;
  #authorization;

  constructor({ url, authorization, timeout, attempts }) {
    const { protocol, username, search } = new URL(url);
    if (!["http:", "https:"].includes(protocol) || username || search) {
      throw new TypeError("url takes an http or https URL, without a query or a password");
    }
    this.#base = String(url).replace(/\/$/, "");
    this.#authorization = authorization;
    this.timeout = timeout;
    this.attempts = attempts;
  }

  // call sends a request until it is answered or refused, and returns the decoded answer. A POST has an Idempotency-Key, so
  // that it may be sent again.
  async call(what, request, signal) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#try(what, request, signal);
      } catch (error) {
        signal?.throwIfAborted();
        if (!passes(error) || attempt >= this.attempts || error.retryAfter > maxRetryAfter) throw error;
        await rest(pause(attempt, error), signal);
      }
    }
  }

  // try sends a request once.
  async #try(what, request, signal) {
    const timeout = AbortSignal.timeout(this.timeout);
    const response = await this.send(what, request, signal ? AbortSignal.any([signal, timeout]) : timeout);
    const body = await text(what, response);
    if (response.status !== 200) throw new PandapushError(what, response, body);
    return JSON.parse(body);
  }

  // send sends a request until the head of its answer is there.
  async send(what, { method, target, body, headers }, signal) {
    const all = { Accept: "application/json", "User-Agent": "pandapush-server-js", ...headers };
    if (this.#authorization) all.Authorization = this.#authorization;
    if (body !== undefined) all["Content-Type"] = "application/json";
    const sendable = new Headers(all); // throws at what no request can have in its head
    try {
      // A redirect would turn a publish into a GET, which looks like a success.
      return await fetch(this.#base + target, { method, body, headers: sendable, signal, redirect: "manual" });
    } catch (error) {
      throw new ConnectionError(what, error);
    }
  }
}

// text reads the rest of an answer.
export async function text(what, response) {
  try {
    return await response.text();
  } catch (error) {
    throw new ConnectionError(what, error);
  }
}

// rest waits. If signal is aborted meanwhile it throws why.
export async function rest(milliseconds, signal) {
  await sleep(milliseconds, undefined, { signal }).catch((error) => {
    throw signal?.aborted ? signal.reason : error;
  });
}

// pause returns how long to wait after a failed attempt, in milliseconds: any time up to a bound that doubles, so that clients
// which failed together do not come back together, and at least what the server asked for.
export function pause(attempt, error) {
  return Math.random() * Math.min(maxPause, firstPause * 2 ** (attempt - 1)) + (error.retryAfter ?? 0);
}
