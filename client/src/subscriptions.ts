import type { Incoming, Outgoing } from "./bayeux.js";
import { patterns } from "./channel.js";
import { protect } from "./emitter.js";
import { BayeuxError } from "./error.js";
import { type MessageCallback, Subscription } from "./subscription.js";
import { ask, auth, type TokenSource } from "./token.js";

export interface SubscriptionsHooks {
  /** Whether there is a session to subscribe in. */
  isOpen(): boolean;
  send(message: Outgoing, done: (outcome: Incoming | BayeuxError) => void): void;
  /** A channel that was subscribed to was refused in the new session. */
  failed(error: BayeuxError, channel: string): void;
}

/** One channel or pattern with everybody who listens to it: one subscription on the server. */
interface Entry {
  readonly channel: string;
  token: TokenSource;
  readonly listeners: Set<Subscription>;
  /** Whether the server has accepted it, in this session or an earlier one. */
  accepted: boolean;
  /** Counts the times it was sent, so that the answer to an earlier time is known as such. */
  attempt: number;
}

/** Subscriptions knows who listens to what, and subscribes to all of it again in every new session. */
export class Subscriptions {
  readonly #hooks: SubscriptionsHooks;
  readonly #entries = new Map<string, Entry>();

  constructor(hooks: SubscriptionsHooks) {
    this.#hooks = hooks;
  }

  /** Adds a listener. An undefined `token` leaves the channel's as it is. */
  add(channel: string, token: TokenSource | undefined, callback: MessageCallback): Subscription {
    const subscription = new Subscription(channel, callback, (cancelled) => this.remove(channel, cancelled));
    const known = this.#entries.get(channel);
    const entry = known ?? { channel, token: null, listeners: new Set(), accepted: false, attempt: 0 };
    if (token !== undefined) {
      entry.token = token;
    }
    entry.listeners.add(subscription);
    this.#entries.set(channel, entry);
    if (entry.accepted) {
      subscription.settle();
    } else if (!known && this.#hooks.isOpen()) {
      this.#subscribe(entry);
    }
    return subscription;
  }

  /** Removes a listener, or all of the channel. With the last the server is told. */
  remove(channel: string, subscription?: Subscription): void {
    const entry = this.#entries.get(channel);
    if (!entry) {
      return;
    }
    for (const listener of subscription ? [subscription] : [...entry.listeners]) {
      if (entry.listeners.delete(listener)) {
        listener.settle(new BayeuxError("Subscription cancelled"));
      }
    }
    if (entry.listeners.size > 0) {
      return;
    }
    this.#entries.delete(channel);
    if (this.#hooks.isOpen()) {
      this.#hooks.send({ channel: "/meta/unsubscribe", subscription: channel }, () => {});
    }
  }

  /** The token that the channel was last subscribed to with. */
  token(channel: string): TokenSource {
    return this.#entries.get(channel)?.token ?? null;
  }

  /** Subscribes to everything: the session is new. */
  subscribeAll(): void {
    for (const entry of this.#entries.values()) {
      this.#subscribe(entry);
    }
  }

  /** Ends everything. Who still waits for an answer gets `reason`. */
  close(reason: BayeuxError): void {
    for (const entry of this.#entries.values()) {
      for (const listener of entry.listeners) {
        listener.settle(reason);
      }
    }
    this.#entries.clear();
  }

  /** Hands a published message to everybody who listens to its channel, or to a pattern of it. */
  deliver(message: Incoming): void {
    for (const pattern of patterns(message.channel)) {
      const entry = this.#entries.get(pattern);
      if (entry) {
        this.#hand(entry, message.data, message.channel);
      }
    }
  }

  #subscribe(entry: Entry): void {
    const attempt = ++entry.attempt;
    const current = () => this.#entries.get(entry.channel) === entry && entry.attempt === attempt;
    const refused = (reason: unknown) => {
      if (current()) {
        this.#refused(entry, reason instanceof BayeuxError ? reason : new BayeuxError(`No token: ${String(reason)}`));
      }
    };
    const send = (token: string | null) => {
      // A slow token may arrive when the session has gone that it was asked for; the next one asks again.
      if (!current() || !this.#hooks.isOpen()) {
        return;
      }
      const message = { channel: "/meta/subscribe", subscription: entry.channel, ...auth(token) };
      this.#hooks.send(message, (outcome) => {
        if (outcome instanceof BayeuxError) {
          refused(outcome);
        } else if (current()) {
          this.#accepted(entry, outcome.presence);
        }
      });
    };
    ask(entry.token, send, refused);
  }

  #accepted(entry: Entry, presence: unknown): void {
    entry.accepted = true;
    for (const listener of entry.listeners) {
      listener.settle();
    }
    if (presence !== undefined) {
      this.#hand(entry, presence, entry.channel);
    }
  }

  /** A first refusal is the caller's. A later one nobody waits for; the channel is tried again in the next session. */
  #refused(entry: Entry, reason: BayeuxError): void {
    if (entry.accepted) {
      this.#hooks.failed(reason, entry.channel);
      return;
    }
    this.#entries.delete(entry.channel);
    for (const listener of entry.listeners) {
      listener.settle(reason);
    }
  }

  #hand(entry: Entry, data: unknown, channel: string): void {
    for (const listener of [...entry.listeners]) {
      protect(() => listener.callback(data, channel));
    }
  }
}
