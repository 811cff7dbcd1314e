/** The longest pause between two attempts, in milliseconds. */
const longest = 30_000;

/**
 * Backoff says how long to wait after a failure: a random part ("full jitter") of a time that doubles with every failure in
 * a row. The randomness keeps clients that lost the same server from coming back together.
 */
export class Backoff {
  readonly #base: number;
  #failures = 0;

  /** `base` is the upper bound of the first pause, in milliseconds. */
  constructor(base: number) {
    this.#base = base;
  }

  /** The next pause, in milliseconds, never shorter than `atLeast`. */
  next(atLeast = 0): number {
    const ceiling = Math.min(longest, this.#base * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    return Math.max(atLeast, Math.random() * ceiling);
  }

  /** To be called when something worked. */
  reset(): void {
    this.#failures = 0;
  }
}
