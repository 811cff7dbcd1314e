import type { Incoming } from "./bayeux.js";
import { application, isPresence, patterns } from "./channel.js";
import { isAfter, type Progress, parseCursor } from "./cursor.js";
import { BayeuxError } from "./error.js";
import { type MessageCallback, type SubscribeOptions, Subscription } from "./subscription.js";
import type { TokenSource } from "./token.js";
import { type Gap, Topic, type TopicHooks } from "./topic.js";

/** Subscriptions knows who listens to what, and hands out what comes. */
export class Subscriptions {
  readonly #progress: Progress;
  readonly #hooks: TopicHooks;
  readonly #topics = new Map<string, Topic>();

  constructor(progress: Progress, hooks: TopicHooks) {
    this.#progress = progress;
    this.#hooks = hooks;
  }

  /** Adds a listener. An undefined `token` leaves the channel's as it is. */
  add(
    channel: string,
    token: TokenSource | undefined,
    callback: MessageCallback | null,
    options: SubscribeOptions = {},
  ): Subscription {
    const subscription = new Subscription(channel, callback, options, (cancelled) => this.remove(channel, cancelled));
    const known = this.#topics.get(channel);
    const topic = known ?? new Topic(channel, this.#progress, this.#hooks, () => this.#delete(channel));
    this.#topics.set(channel, topic);
    if (token !== undefined) {
      topic.token = token;
    }
    topic.listeners.add(subscription);
    if (topic.live && subscription.since === undefined) {
      subscription.begin({ cursor: this.#progress.high(channel)?.cursor, recovered: undefined });
    } else if (!known || subscription.since !== undefined) {
      topic.subscribe();
    }
    return subscription;
  }

  /** Removes a listener, or all of the channel. With the last the server is told. */
  remove(channel: string, subscription?: Subscription): void {
    const topic = this.#topics.get(channel);
    for (const listener of subscription ? [subscription] : [...(topic?.listeners ?? [])]) {
      if (topic?.listeners.delete(listener)) {
        listener.setDeferredStatus("failed", new BayeuxError("Subscription cancelled"));
      }
    }
    if (!topic || topic.listeners.size > 0) {
      return;
    }
    this.#delete(channel);
    if (this.#hooks.isOpen()) {
      this.#hooks.send({ channel: "/meta/unsubscribe", subscription: channel }, () => {});
    }
  }

  /** The token that the channel was last subscribed to with. */
  token(channel: string): TokenSource {
    return this.#topics.get(channel)?.token ?? null;
  }

  /** Subscribes to everything: the session is new. */
  opened(): void {
    this.#progress.begin();
    for (const topic of this.#topics.values()) {
      topic.lose();
      topic.subscribe();
    }
  }

  /** The session goes on over another connection. */
  resumed(): void {
    for (const topic of this.#topics.values()) {
      topic.resume();
    }
  }

  /** Asks for the roster of a presence channel. */
  refresh(channel: string): void {
    const topic = this.#topics.get(channel);
    if (topic?.live) {
      topic.subscribe();
    }
  }

  /** Ends everything. Who still waits for an answer gets `reason`. */
  close(reason: BayeuxError): void {
    for (const topic of this.#topics.values()) {
      topic.close();
      for (const listener of topic.listeners) {
        listener.setDeferredStatus("failed", reason);
      }
    }
    this.#topics.clear();
  }

  /** Hands a published message to everybody who listens to its channel, or to a pattern of it. */
  deliver(message: Incoming): void {
    const position = parseCursor(message.id);
    const newest = position !== undefined && isAfter(position, this.#progress.high(message.channel));
    if (position) {
      this.#progress.note(message.channel, position);
    }
    const behind = this.#progress.behind(message.channel);
    const topics = patterns(message.channel).flatMap((pattern) => this.#topics.get(pattern) ?? []);
    for (const { listeners } of topics) {
      for (const listener of [...listeners]) {
        listener.catchingUp &&= behind;
        // Another listener may just have cancelled it.
        if (listeners.has(listener)) {
          listener.take(message, newest && topics.length > 1 && listener.catchingUp);
        }
      }
    }
  }

  /** The server has ended a subscription. */
  ended(channel: string, reason: BayeuxError): void {
    this.#topics.get(channel)?.ended(reason);
  }

  /** The server has lost messages of an application. Rosters are asked for again: those may have been notices. */
  lost(gap: Gap): void {
    const epoch = parseCursor(gap.to)?.epoch;
    this.#progress.forget(gap.app, epoch);
    for (const topic of this.#topics.values()) {
      if (application(topic.channel) === gap.app) {
        topic.listeners.forEach((listener) => void listener.forget(epoch));
        if (isPresence(topic.channel)) {
          this.refresh(topic.channel);
        }
      }
    }
    this.#hooks.gap(gap);
  }

  #delete(channel: string): void {
    this.#topics.get(channel)?.close();
    this.#topics.delete(channel);
  }
}
