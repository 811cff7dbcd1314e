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
  /** Channel and data in lower case, to look for words in; its length stands for what the event takes. */
  text: string;
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

/** How long the texts of all of them together may be, in characters: two thousand of the largest would fill a browser. */
export const maxText = 16 << 20;

/** Beyond a bound by this factor, events are let go of at once, and not with the next frame: a hidden page has none. */
const slack = 1.25;

const nothing: LogView = { events: [], total: 0, dropped: 0 };

/**
 * Keeps the newest events. However fast they come, listeners are told once a frame: that is what React's
 * useSyncExternalStore wants, with `listen` and `view`.
 */
export class EventLog {
  #kept: ConsoleEvent[] = [];
  #text = 0;
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

  add(event: Omit<ConsoleEvent, "number" | "received" | "text">): void {
    const text = `${event.channel} ${JSON.stringify(event.data)}`.toLowerCase();
    this.#total++;
    this.#text += text.length;
    this.#kept.push({ ...event, text, number: this.#total, received: new Date() });
    // In steps, so that not every event moves all others.
    if (this.#kept.length >= capacity * slack || this.#text >= maxText * slack) {
      this.#trim();
    }
    this.#changed();
  }

  clear(): void {
    this.#kept = [];
    this.#text = 0;
    this.#total = 0;
    this.#dropped = 0;
    this.#changed();
  }

  #trim(): void {
    let excess = Math.max(0, this.#kept.length - capacity);
    for (const [n, { text }] of this.#kept.entries()) {
      if (n >= excess && this.#text <= maxText) {
        break;
      }
      this.#text -= text.length;
      excess = Math.max(excess, n + 1);
    }
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
export const matches = (event: ConsoleEvent, text: string): boolean => event.text.includes(text.toLowerCase());
