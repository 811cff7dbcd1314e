import { type Incoming, type Outgoing, parse } from "../bayeux.js";
import type { Transport, TransportEvents } from "./transport.js";

/**
 * HTTP POST, at most two at a time: one that the server holds (the connect) and one for everything else. What comes while
 * the latter is under way shares the next one, so that messages arrive in the order in which they were sent.
 */
export class LongPollingTransport implements Transport {
  readonly #endpoint: URL;
  readonly #events: TransportEvents;
  readonly #abort = new AbortController();
  #queue: Outgoing[] = [];
  #busy = false;

  constructor(endpoint: URL, events: TransportEvents) {
    this.#endpoint = endpoint;
    this.#events = events;
  }

  send(messages: readonly Outgoing[]): void {
    if (messages.some((message) => message.channel === "/meta/connect")) {
      void this.#post(messages);
      return;
    }
    this.#queue.push(...messages);
    void this.#drain();
  }

  close(): void {
    this.#abort.abort();
  }

  async #drain(): Promise<void> {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    while (this.#queue.length > 0 && !this.#abort.signal.aborted) {
      await this.#post(this.#queue.splice(0));
    }
    this.#busy = false;
  }

  async #post(messages: readonly Outgoing[]): Promise<void> {
    let replies: Incoming[];
    try {
      replies = await this.#exchange(messages);
    } catch {
      if (!this.#abort.signal.aborted) {
        this.#abort.abort();
        this.#events.down();
      }
      return;
    }
    if (!this.#abort.signal.aborted) {
      this.#events.receive(replies);
    }
  }

  async #exchange(messages: readonly Outgoing[]): Promise<Incoming[]> {
    const response = await fetch(this.#endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(messages),
      cache: "no-store",
      signal: this.#abort.signal,
    });
    if (!response.ok) {
      throw new Error(`HTTP status ${response.status}`);
    }
    return parse(await response.text());
  }
}
