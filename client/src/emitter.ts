/** Calls `listener`; what it throws is reported as uncaught, and does not stop the caller. */
export function protect(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

type Listeners<Events extends Record<keyof Events, unknown[]>> = {
  [Name in keyof Events]?: Set<(...args: Events[Name]) => void>;
};

/** Events by name, each with the arguments that `Events` gives it. */
export class Emitter<Events extends Record<keyof Events, unknown[]>> {
  readonly #listeners: Listeners<Events> = Object.create(null);

  /** Adds a listener, and returns a function that removes it. */
  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): () => void {
    const listeners = this.#listeners[name] ?? new Set();
    this.#listeners[name] = listeners.add(listener);
    return () => this.off(name, listener);
  }

  /** Removes a listener, or all of that name. */
  off<Name extends keyof Events>(name: Name, listener?: (...args: Events[Name]) => void): void {
    if (listener) {
      this.#listeners[name]?.delete(listener);
    } else {
      delete this.#listeners[name];
    }
  }

  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      protect(() => listener(...args));
    }
  }
}
