import type { Incoming } from "pandapush-client";

/** One message as it came. */
export interface ConsoleEvent {
  /** Counts all that came, from 1. */
  number: number;
  received: Date;
  channel: string;
  data: unknown;
  /** Its place in the stream; undefined for a roster. */
  id: string | undefined;
  kind: "roster" | "notice" | undefined;
  /** The message as it was sent. */
  frame: Incoming;
}

/** What there is to show. */
export interface LogView {
  /** The newest first. */
  events: readonly ConsoleEvent[];
  /** How many came. */
  total: number;
  /** How many of them are not kept any more. */
  dropped: number;
}

/** How many events are kept. */
export const capacity = 2000;

const nothing: LogView = { events: [], total: 0, dropped: 0 };

/**
 * Keeps the newest events. However fast they come, listeners are told once a frame: that is what React's
 * useSyncExternalStore wants, with `listen` and `view`.
 */
export class EventLog {
  #kept: ConsoleEvent[] = [];
  #total = 0;
  #dropped = 0;
  #view = nothing;
  #scheduled = false;
  readonly #listeners = new Set<() => void>();
  readonly #schedule: (tell: () => void) => void;

  constructor(schedule: (tell: () => void) => void = requestAnimationFrame) {
    this.#schedule = schedule;
  }

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly view = (): LogView => this.#view;

  add(event: Omit<ConsoleEvent, "number" | "received">): void {
    this.#total++;
    this.#kept.push({ ...event, number: this.#total, received: new Date() });
    // In steps, so that not every event moves all others.
    if (this.#kept.length >= capacity * 1.25) {
      this.#trim();
    }
    this.#changed();
  }

  clear(): void {
    this.#kept = [];
    this.#total = 0;
    this.#dropped = 0;
    this.#changed();
  }

  #trim(): void {
    const excess = Math.max(0, this.#kept.length - capacity);
    this.#kept.splice(0, excess);
    this.#dropped += excess;
  }

  #changed(): void {
    if (this.#scheduled) {
      return;
    }
    this.#scheduled = true;
    const schedule = this.#schedule;
    schedule(() => {
      this.#scheduled = false;
      this.#trim();
      this.#view = { events: this.#kept.toReversed(), total: this.#total, dropped: this.#dropped };
      for (const listener of this.#listeners) {
        listener();
      }
    });
  }
}

/** Whether an event has a text in its channel or its data, upper and lower case alike. */
export const matches = (event: ConsoleEvent, text: string): boolean =>
  text === "" || `${event.channel} ${JSON.stringify(event.data)}`.toLowerCase().includes(text.toLowerCase());
