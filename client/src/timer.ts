/** One thing to be done later. */
export class Timer {
  #handle: ReturnType<typeof setTimeout> | undefined;

  /** Whether something is still to be done. */
  get running(): boolean {
    return this.#handle !== undefined;
  }

  /** Does `run` after `delay` milliseconds, in place of what was to be done before; at once if there is no delay. */
  start(delay: number, run: () => void): void {
    this.stop();
    if (delay === 0) {
      run(); // Browsers slow the timers of hidden pages down to one a second.
      return;
    }
    this.#handle = setTimeout(() => {
      this.#handle = undefined;
      run();
    }, delay);
  }

  stop(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }
}
