import type { BayeuxError } from "./error.js";

/** Called with the data of a message and its channel. */
export type MessageCallback = (data: unknown, channel: string) => void;

/**
 * One call of `subscribe`. It can be awaited, or given to `then`: it is fulfilled when the server has accepted the
 * subscription, and rejected with a BayeuxError when it has refused it.
 */
export class Subscription implements PromiseLike<void> {
  /** The channel or pattern subscribed to. */
  readonly channel: string;
  /** Handed every message, and the roster of a presence channel. */
  readonly callback: MessageCallback;
  readonly #answer: Promise<void>;
  readonly #cancel: (subscription: Subscription) => void;
  #resolve: () => void = () => {};
  #reject: (reason: BayeuxError) => void = () => {};

  /** @internal */
  constructor(channel: string, callback: MessageCallback, cancel: (subscription: Subscription) => void) {
    this.channel = channel;
    this.callback = callback;
    this.#cancel = cancel;
    this.#answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#answer.catch(() => {}); // Nobody has to wait for the answer; those who do get the rejection themselves.
  }

  // biome-ignore lint/suspicious/noThenProperty: old pages wait for subscriptions with then
  then<Yes = void, No = never>(
    // biome-ignore lint/suspicious/noConfusingVoidType: what PromiseLike<void> hands over
    fulfilled?: ((value: void) => Yes | PromiseLike<Yes>) | null,
    rejected?: ((reason: BayeuxError) => No | PromiseLike<No>) | null,
  ): Promise<Yes | No> {
    return this.#answer.then(fulfilled, rejected);
  }

  /** Ends the subscription: the callback is not called again. An answer that is still awaited becomes a rejection. */
  cancel(): void {
    this.#cancel(this);
  }

  /** @internal */
  settle(refusal?: BayeuxError): void {
    if (refusal) {
      this.#reject(refusal);
    } else {
      this.#resolve();
    }
  }
}
