import type { Incoming, Outgoing } from "../bayeux.js";
import { takeFrame } from "./frame.js";
import { type PostConfig, post } from "./post.js";
import type { Transport, TransportEvents } from "./transport.js";

/**
 * HTTP POST, at most two at a time: one that the server holds (the connect) and one for everything else. What comes while
 * the latter is under way shares the next one, so that messages arrive in the order in which they were sent.
 */
export class LongPollingTransport implements Transport {
  readonly works = true;
  readonly #config: PostConfig;
  readonly #events: TransportEvents;
  readonly #abort = new AbortController();
  readonly #queue: Outgoing[] = [];
  #busy = false;

  constructor(config: PostConfig, events: TransportEvents) {
    this.#config = config;
    this.#events = events;
  }

  send(messages: readonly Outgoing[]): void {
    if (messages.length === 0 || messages.some((message) => message.channel === "/meta/connect")) {
      void this.#post([...messages]);
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
      await this.#post(this.#queue);
    }
    this.#busy = false;
  }

  /** Posts what fits into one request of what is at the front of `queue`. */
  async #post(queue: Outgoing[]): Promise<void> {
    let replies: Incoming[];
    try {
      replies = await post(this.#config, takeFrame(queue), this.#abort.signal);
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        this.#abort.abort();
        this.#events.down(String(error), (error as { status?: number }).status);
      }
      return;
    }
    if (!this.#abort.signal.aborted) {
      this.#events.receive(replies);
    }
  }
}
