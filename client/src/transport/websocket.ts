import { type Incoming, type Outgoing, parse } from "../bayeux.js";
import type { Transport, TransportEvents } from "./transport.js";

/** The part of the standard WebSocket that is used: browsers, Node 22 and the `ws` package have it. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** One socket. Messages sent before it is open wait for it. */
export class WebSocketTransport implements Transport {
  readonly #events: TransportEvents;
  #socket: WebSocketLike | null = null;
  #open = false;
  #ended = false;
  #waiting: string[] = [];

  /** `endpoint` is the http(s) URL of the Bayeux server. */
  constructor(endpoint: URL, construct: WebSocketConstructor, events: TransportEvents) {
    this.#events = events;
    try {
      this.#socket = new construct(endpoint.href.replace(/^http/, "ws"));
    } catch {
      // A page on https may not open ws://, for example. Others may be reached all the same.
      queueMicrotask(() => this.#down());
      return;
    }
    this.#socket.addEventListener("open", () => this.#opened());
    this.#socket.addEventListener("message", (event) => this.#received(event.data));
    this.#socket.addEventListener("close", () => this.#down());
    this.#socket.addEventListener("error", () => this.#down());
  }

  send(messages: readonly Outgoing[]): void {
    this.#waiting.push(JSON.stringify(messages));
    if (this.#open) {
      this.#flush();
    }
  }

  close(): void {
    this.#ended = true;
    this.#socket?.close(1000);
  }

  #opened(): void {
    this.#open = true;
    this.#flush();
  }

  #flush(): void {
    for (const frame of this.#waiting.splice(0)) {
      this.#socket?.send(frame);
    }
  }

  #received(data: unknown): void {
    if (this.#ended) {
      return;
    }
    let messages: Incoming[];
    try {
      messages = parse(String(data));
    } catch {
      this.#down();
      return;
    }
    this.#events.receive(messages);
  }

  #down(): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#events.down();
    }
  }
}
