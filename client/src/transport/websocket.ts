import { type Incoming, type Outgoing, parse } from "../bayeux.js";
import { Timer } from "../timer.js";
import { openWithin, type Transport, type TransportEvents } from "./transport.js";

/** The part of the standard WebSocket that is used: browsers, Node 22 and the `ws` package have it. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

/** The options are those of the `ws` package; browsers' sockets have none, and take no headers. */
export type WebSocketConstructor = new (
  url: string,
  protocols?: string[],
  options?: { headers: Record<string, string> },
) => WebSocketLike;

/** One socket. Messages sent before it is open wait for it. */
export class WebSocketTransport implements Transport {
  readonly works = true;
  readonly #events: TransportEvents;
  #socket: WebSocketLike | null = null;
  #open = false;
  #ended = false;
  #waiting: string[] = [];
  readonly #patience = new Timer();

  /** `endpoint` is the http(s) URL of the Bayeux server. */
  constructor(
    endpoint: URL,
    headers: Readonly<Record<string, string>>,
    construct: WebSocketConstructor,
    events: TransportEvents,
  ) {
    this.#events = events;
    try {
      const url = endpoint.href.replace(/^http/, "ws");
      const own = construct === globalThis.WebSocket || Object.keys(headers).length === 0;
      this.#socket = own ? new construct(url) : new construct(url, [], { headers: { ...headers } });
    } catch (error) {
      // A page on https may not open ws://, for example. Others may be reached all the same.
      queueMicrotask(() => this.#down(String(error)));
      return;
    }
    this.#patience.start(openWithin, () => this.#down("the socket did not open"));
    this.#socket.addEventListener("open", () => this.#opened());
    this.#socket.addEventListener("message", (event) => this.#received(event.data));
    this.#socket.addEventListener("close", ({ code }) => this.#down(`the socket was closed with code ${code}`));
    this.#socket.addEventListener("error", () => {}); // always followed by a close; but ws throws if nobody listens
  }

  send(messages: readonly Outgoing[]): void {
    this.#waiting.push(JSON.stringify(messages));
    if (this.#open) {
      this.#flush();
    }
  }

  close(): void {
    this.#ended = true;
    this.#patience.stop();
    this.#socket?.close(1000);
  }

  #opened(): void {
    this.#open = true;
    this.#patience.stop();
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
    } catch (error) {
      this.#down(String(error));
      return;
    }
    this.#events.receive(messages);
  }

  #down(reason: string): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#patience.stop();
      this.#socket?.close();
      this.#events.down(reason);
    }
  }
}
