/**
 * Something that is decided once: fulfilled with a value, or rejected with a reason. It can be awaited as a promise can, and
 * has the methods that Faye's results have. A rejection that nobody asks for is not reported.
 */
export class Deferrable<Value> implements PromiseLike<Value> {
  #fulfil!: (value: Value) => void;
  #reject!: (reason: unknown) => void;
  readonly #promise = new Promise<Value>((fulfil, reject) => {
    this.#fulfil = fulfil;
    this.#reject = reject;
  });
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor() {
    this.#promise.catch(() => {});
  }

  /** As of a promise. */
  // biome-ignore lint/suspicious/noThenProperty: pages wait for subscriptions and publications with then
  then<Yes = Value, No = never>(
    fulfilled?: ((value: Value) => Yes | PromiseLike<Yes>) | null,
    rejected?: ((reason: unknown) => No | PromiseLike<No>) | null,
  ): Promise<Yes | No> {
    return this.#promise.then(fulfilled, rejected);
  }

  /** As of a promise. */
  catch<No = never>(rejected?: ((reason: unknown) => No | PromiseLike<No>) | null): Promise<Value | No> {
    return this.#promise.catch(rejected);
  }

  /** As of a promise. */
  finally(settled?: (() => void) | null): Promise<Value> {
    return this.#promise.finally(settled);
  }

  /** Calls `callback` with the value once there is one; `context` is its `this`. */
  callback(callback: (value: Value) => void, context?: unknown): this {
    this.#promise.then(
      (value) => callback.call(context, value),
      () => {},
    );
    return this;
  }

  /** Calls `callback` with the reason of a rejection; `context` is its `this`. */
  errback(callback: (reason: unknown) => void, context?: unknown): this {
    this.#promise.catch((reason) => callback.call(context, reason));
    return this;
  }

  /** Rejects with `reason` unless it is decided within so many seconds. */
  timeout(seconds: number, reason: unknown): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.setDeferredStatus("failed", reason), seconds * 1000);
  }

  /** Decides: "succeeded" with a value, or "failed" with a reason. Only the first decision counts. */
  setDeferredStatus(status: "succeeded" | "failed", value: unknown): void {
    clearTimeout(this.#timer);
    if (status === "succeeded") {
      this.#fulfil(value as Value);
    } else {
      this.#reject(value);
    }
  }
}
