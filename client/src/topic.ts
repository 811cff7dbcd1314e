import { Backoff } from "./backoff.js";
import { type Incoming, isObject, type Outgoing } from "./bayeux.js";
import { isAfter, type Progress, parseCursor } from "./cursor.js";
import { BayeuxError } from "./error.js";
import type { Subscription } from "./subscription.js";
import { Timer } from "./timer.js";
import { ask, auth, renewAfter, type TokenSource } from "./token.js";

/** The upper bound of the first pause before a subscription is tried again, in milliseconds. */
const firstRetry = 2000;

/** Messages that can't be had any more. */
export interface Gap {
  /** The application whose stream it is. */
  readonly app: string;
  /** The channel whose subscription is concerned, or undefined if it is every one of the application. */
  readonly channel: string | undefined;
  /** After this cursor… */
  readonly from: string | undefined;
  /** …and up to this one. */
  readonly to: string | undefined;
  /** What happened to them, as the server says it. */
  readonly reason: string | undefined;
}

export interface TopicHooks {
  /** Whether there is a session to subscribe in. */
  isOpen(): boolean;
  send(message: Outgoing, done: (outcome: Incoming | BayeuxError) => void): void;
  /** A channel that was subscribed to can't be now, as nobody else is told. */
  failed(error: BayeuxError, channel: string): void;
  gap(gap: Gap): void;
  /** In a new session, all that was missed of the channel has come or is on its way. */
  recovered(channel: string): void;
}

/**
 * One channel or pattern with everybody who listens to it, which is one subscription on the server. It is made again in
 * every new session, from where it was, and renewed before its token expires.
 */
export class Topic {
  readonly channel: string;
  readonly listeners = new Set<Subscription>();
  token: TokenSource = null;
  readonly #progress: Progress;
  readonly #hooks: TopicHooks;
  readonly #emptied: () => void;
  /** Whether the server has accepted it, in this session or an earlier one. */
  #accepted = false;
  /** Whether the server has it now. */
  #live = false;
  /** Where to go on, while the server does not have it: other channels of the application come further meanwhile. */
  #goOn: string | undefined;
  /** Counts the times it was sent, so that the answer to an earlier time is known as such. */
  #attempt = 0;
  /** The next time: because its token expires, or because it was refused. */
  readonly #next = new Timer();
  readonly #backoff = new Backoff(firstRetry);

  constructor(channel: string, progress: Progress, hooks: TopicHooks, emptied: () => void) {
    this.channel = channel;
    this.#progress = progress;
    this.#hooks = hooks;
    this.#emptied = emptied;
  }

  /** Whether the server has it now. */
  get live(): boolean {
    return this.#live;
  }

  /**
   * Sends what is needed: a subscribe that goes on from where it was, and one for each start that a listener wants who has
   * none yet. If the server has it all, one for the sake of the token and the roster. Does nothing without a session.
   */
  subscribe(): void {
    if (!this.#hooks.isOpen()) {
      return;
    }
    this.#next.stop();
    const waiting = [...this.listeners].filter((listener) => !listener.settled).map((listener) => listener.since);
    const starts = new Set(this.#accepted && !this.#live ? [this.#goOn, ...waiting] : waiting);
    if (starts.size === 0) {
      starts.add(undefined);
    }
    const attempt = ++this.#attempt;
    // A slow token or reply may come when it is wanted no more: there is a newer one, or none.
    const isCurrent = () => this.#attempt === attempt && this.#hooks.isOpen();
    const send = (token: string | null) => {
      for (const since of isCurrent() ? starts : []) {
        this.#request(token, since, (outcome) => {
          if (isCurrent()) {
            this.#answered(outcome, token, since);
          }
        });
      }
    };
    const fail = (reason: BayeuxError) => {
      for (const since of isCurrent() ? starts : []) {
        this.#refused(reason, since);
      }
    };
    ask(this.token, this.channel, send, fail);
  }

  /** The server does not have it any more. */
  lose(): void {
    if (this.#live) {
      this.#live = false;
      this.#goOn = this.#recovery();
    }
  }

  /** The session goes on over another connection. What was catching up asks again for what it lacks. */
  resume(): void {
    if (this.#progress.behind(this.channel) && [...this.listeners].some((listener) => listener.catchingUp)) {
      this.lose();
      this.subscribe();
    }
  }

  /** The server has ended it, though nobody has cancelled it: its token has expired, or its key was revoked. */
  ended(reason: BayeuxError): void {
    this.lose();
    if (!this.#retry(reason)) {
      this.#hooks.failed(reason, this.channel);
    }
  }

  /** It is wanted no more. */
  close(): void {
    this.#attempt++;
    this.#next.stop();
  }

  #request(token: string | null, since: string | undefined, done: (outcome: Incoming | BayeuxError) => void): void {
    const arrived = since === undefined ? () => {} : this.#rewinding(since);
    const message = { channel: "/meta/subscribe", subscription: this.channel, ext: { ...auth(token), since } };
    this.#hooks.send(message, (outcome) => {
      arrived();
      done(outcome);
    });
  }

  /** Notes that the past is asked for. Returns what is to be called with the reply. */
  #rewinding(since: string): () => void {
    for (const listener of this.listeners) {
      if (listener.settled) {
        listener.beginAt(parseCursor(since));
      }
      listener.catchingUp ||= listener.settled || listener.since === since;
    }
    return this.#progress.rewinding(this.channel);
  }

  /**
   * The cursor from which to go on: how far the application's stream had come, or further back if a listener was still
   * catching up.
   */
  #recovery(): string | undefined {
    let from = this.#progress.high(this.channel);
    for (const { catchingUp, seen } of this.listeners) {
      if (catchingUp && seen && from && this.#progress.behind(this.channel) && !isAfter(seen, from)) {
        from = seen;
      }
    }
    return from?.cursor;
  }

  #answered(outcome: Incoming | BayeuxError, token: string | null, since: string | undefined): void {
    if (outcome instanceof BayeuxError) {
      this.#refused(outcome, since);
      return;
    }
    const wasLost = this.#accepted && !this.#live;
    const { cursor, recovered, gap, presence } = outcome.ext ?? {};
    this.#accepted = true;
    this.#live = true;
    this.#backoff.reset();
    this.#begin(parseCursor(cursor)?.cursor, since, recovered as boolean | undefined);
    for (const listener of presence === undefined ? [] : this.listeners) {
      listener.hand(presence, this.channel, { id: undefined, presence: "roster" });
    }
    if (isObject(gap)) {
      this.#hooks.gap({ ...(gap as unknown as Gap), channel: this.channel });
    } else if (wasLost && recovered) {
      this.#hooks.recovered(this.channel);
    }
    const renewal = typeof this.token === "function" ? renewAfter(token) : undefined;
    if (renewal !== undefined) {
      this.#next.start(renewal, () => this.subscribe());
    }
  }

  /** Begins with the listeners that wanted this start. */
  #begin(cursor: string | undefined, since: string | undefined, recovered: boolean | undefined): void {
    const position = parseCursor(cursor);
    if (position && !this.#progress.high(this.channel)) {
      this.#progress.note(this.channel, position);
    }
    for (const listener of this.listeners) {
      if (!listener.settled && listener.since === since) {
        listener.begin({ cursor, recovered });
      }
    }
  }

  /** A first refusal is the caller's. A later one nobody waits for. */
  #refused(reason: BayeuxError, since: string | undefined): void {
    let told = false;
    for (const listener of this.listeners) {
      if (!listener.settled && listener.since === since) {
        this.listeners.delete(listener);
        listener.setDeferredStatus("failed", reason);
        told = true;
      }
    }
    if (this.listeners.size === 0) {
      this.#emptied();
    } else if (!told) {
      this.#hooks.failed(reason, this.channel);
      this.#retry(reason);
    }
  }

  /** Subscribes again after a pause if there is hope: another token, or a server that had failed. Else in a new session. */
  #retry(reason: BayeuxError): boolean {
    const hope = typeof this.token === "function" || reason.code === 500;
    if (hope) {
      this.#next.start(this.#backoff.next(), () => this.subscribe());
    }
    return hope;
  }
}
