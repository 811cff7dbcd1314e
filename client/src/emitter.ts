/**
 * Calls `listener`; what it throws is reported as uncaught, and does not stop the caller. Returns whether it threw nothing.
 */
export function protect(listener: () => void): boolean {
  try {
    listener();
    return true;
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return false;
  }
}

/** The arguments of each event, by its name. */
// biome-ignore lint/suspicious/noExplicitAny: the one type that takes every list of arguments
export type EventMap<Events> = Record<keyof Events, any[]>;

/** A function, its `this`, and whether it is for one event. */
type Listener<Args extends unknown[]> = readonly [(...args: Args) => void, unknown, boolean];

/** Events by name. Every method has the further names that it has in Faye. */
export class Emitter<Events extends EventMap<Events>> {
  readonly #listeners: { [Name in keyof Events]?: Listener<Events[Name]>[] } = Object.create(null);

  /** Adds a listener, with `context` as its `this`. Returns a function that removes it. */
  on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void, context?: unknown): () => void {
    return this.#add(name, [listener, context, false]);
  }

  /** Adds a listener for one event. Returns a function that removes it. */
  once<Name extends keyof Events>(
    name: Name,
    listener: (...args: Events[Name]) => void,
    context?: unknown,
  ): () => void {
    return this.#add(name, [listener, context, true]);
  }

  #add<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    this.#listeners[name] = [...(this.#listeners[name] ?? []), listener];
    return () => this.#keep(name, (known) => known !== listener);
  }

  /** Removes a listener (of one context, if that is given), or all of that name. */
  off<Name extends keyof Events>(name: Name, listener?: (...args: Events[Name]) => void, context?: unknown): void {
    this.#keep(name, ([run, own]) => listener && (run !== listener || (context !== undefined && own !== context)));
  }

  /** Calls all listeners of that name. */
  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of this.#listeners[name] ?? []) {
      const [run, context, once] = listener;
      if (once) {
        this.#keep(name, (known) => known !== listener);
      }
      protect(() => run.apply(context, args));
    }
  }

  #keep<Name extends keyof Events>(name: Name, keep: (known: Listener<Events[Name]>) => unknown): void {
    this.#listeners[name] = this.#listeners[name]?.filter(keep);
  }

  /** The listeners of that name. */
  listeners<Name extends keyof Events>(name: Name): ((...args: Events[Name]) => void)[] {
    return (this.#listeners[name] ?? []).map(([run]) => run);
  }

  /** How many listeners there are of that name. */
  countListeners(name: keyof Events): number {
    return this.listeners(name).length;
  }

  /** The same as `on`. */
  addListener: this["on"] = this.on;
  /** The same as `on`. */
  bind: this["on"] = this.on;
  /** The same as `off`. */
  removeListener: this["off"] = this.off;
  /** The same as `off`. */
  unbind: this["off"] = this.off;
  /** The same as `off`; for all listeners of a name. */
  removeAllListeners: (name: keyof Events) => void = this.off;
  /** The same as `emit`. */
  trigger: this["emit"] = this.emit;
}
