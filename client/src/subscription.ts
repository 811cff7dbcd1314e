import type { Incoming } from "./bayeux.js";
import { isAfter, type Position, parseCursor } from "./cursor.js";
import { Deferrable } from "./deferrable.js";
import { protect } from "./emitter.js";

/** What a callback is told besides the data. */
export interface Delivery {
  /** The message's cursor, to be given back as `since`; undefined with servers that have none, and for a roster. */
  readonly id: string | undefined;
  /**
   * On a presence channel: "roster" if the data is `{subscribe: {…}}` with everybody who is there, "notice" if it is the
   * server's word of who came or left. Undefined for what somebody published.
   */
  readonly presence: "roster" | "notice" | undefined;
}

/** Called with the data of a message, and its channel. */
export type MessageCallback = (data: unknown, channel: string, delivery: Delivery) => void;

/** Where a subscription is to begin. */
export interface SubscribeOptions {
  /** After this cursor. */
  since?: string;
  /** So many messages ago, or so long ago: `10`, `"30s"`, `"2m"`, `"1h"`. */
  rewind?: number | string;
}

/** How the server has accepted a subscription. */
export interface Started {
  /** Where it begins; undefined with servers that have no cursors. */
  readonly cursor: string | undefined;
  /** Whether all of the past that was asked for is there; undefined if none was. */
  readonly recovered: boolean | undefined;
}

/**
 * One call of `subscribe`. It is fulfilled when the server has accepted the subscription, and rejected with a BayeuxError
 * when it has refused it.
 */
export class Subscription extends Deferrable<Started> {
  /** The channel or pattern subscribed to. */
  readonly channel: string;
  /** @internal what was asked of the past, as it is sent. */
  readonly since: string | undefined;
  /** @internal whether the server has answered. */
  settled = false;
  /** @internal whether what it has asked for of the past may still be coming. */
  catchingUp = false;
  readonly #callback: MessageCallback | null;
  readonly #cancel: (subscription: Subscription) => void;
  #withChannel: ((channel: string, data: unknown) => void) | undefined;
  /** Everything up to here was handed over. */
  #seen: Position | undefined;
  /** Cursors beyond `#seen` that were handed over early, while catching up. */
  readonly #early = new Set<string>();

  /** @internal */
  constructor(
    channel: string,
    callback: MessageCallback | null,
    options: SubscribeOptions,
    cancel: (subscription: Subscription) => void,
  ) {
    super();
    this.channel = channel;
    this.#callback = callback;
    this.#cancel = cancel;
    this.since = (options.since ?? options.rewind)?.toString();
  }

  /** Adds a callback that gets the channel first. */
  withChannel(callback: (channel: string, data: unknown) => void, context?: unknown): this {
    this.#withChannel = (channel, data) => callback.call(context, channel, data);
    return this;
  }

  /** Ends the subscription: the callback is not called again. An answer that is still awaited becomes a rejection. */
  cancel(): void {
    this.#cancel(this);
  }

  /** The same as `cancel`. */
  unsubscribe(): void {
    this.cancel();
  }

  /** @internal the server has accepted it. */
  begin(started: Started): void {
    this.settled = true;
    this.beginAt(parseCursor(started.cursor));
    this.setDeferredStatus("succeeded", started);
  }

  /** @internal everything up to here has come, or is not wanted. */
  beginAt(position: Position | undefined): void {
    if (position && isAfter(position, this.#seen)) {
      this.#seen = position;
    }
  }

  /** @internal the cursor after which it wants to go on. */
  get seen(): Position | undefined {
    return this.#seen;
  }

  /** @internal forgets what it has seen of a stream that is gone. */
  forget(epoch: string | undefined): void {
    if (this.#seen?.epoch !== epoch) {
      this.#seen = undefined;
    }
  }

  /**
   * @internal Takes a delivered message unless it has come before. `early` says that it may have come because of another
   * subscription, before what is still missing of this one; then it is remembered by its cursor.
   */
  take(message: Incoming, early: boolean): void {
    const position = parseCursor(message.id);
    const notice = message.ext?.notice;
    // What the server says on a meta channel holds however often it comes; and its first word has the cursor of the reply.
    if (position && notice !== "meta") {
      if (!isAfter(position, this.#seen) || this.#early.has(position.cursor)) {
        return;
      }
      if (!this.catchingUp) {
        this.#early.clear();
      }
      if (early) {
        this.#early.add(position.cursor);
      } else {
        this.#seen = position;
      }
    }
    const presence = notice === "presence" ? "notice" : undefined;
    this.hand(message.data, message.channel, { id: position?.cursor, presence });
  }

  /** @internal calls the callbacks. */
  hand(data: unknown, channel: string, delivery: Delivery): void {
    protect(() => this.#callback?.(data, channel, delivery));
    protect(() => this.#withChannel?.(channel, data));
  }
}
