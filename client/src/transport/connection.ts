import { type Incoming, parse } from "../bayeux.js";
import { Timer } from "../timer.js";
import type { TransportEvents } from "./transport.js";

/** What connections that stay have in common: they open or not, bring texts, and end once. */
export abstract class Connection {
  readonly #events: TransportEvents;
  readonly #patience = new Timer();
  #ended = false;

  constructor(events: TransportEvents) {
    this.#events = events;
  }

  /** Ends the connection. Nothing is reported after it. */
  close(): void {
    this.#ended = true;
    this.#patience.stop();
  }

  /** Gives it so long, in milliseconds, until `arrived` is called. */
  protected waitFor(milliseconds: number, reason: string): void {
    this.#patience.start(milliseconds, () => this.down(reason));
  }

  /** What was waited for has come. */
  protected arrived(): void {
    this.#patience.stop();
  }

  /** A text with messages has come. */
  protected received(text: unknown): void {
    if (this.#ended) {
      return;
    }
    let messages: Incoming[];
    try {
      messages = parse(String(text));
    } catch (error) {
      this.down(String(error));
      return;
    }
    this.#events.receive(messages);
  }

  /** It has failed. */
  protected down(reason: string, code?: number): void {
    if (!this.#ended) {
      this.close();
      this.#events.down(reason, code);
    }
  }
}
