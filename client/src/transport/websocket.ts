import type { Outgoing } from "../bayeux.js";
import { Connection } from "./connection.js";
import { takeFrame } from "./frame.js";
import { openWithin, type Transport, type TransportEvents } from "./transport.js";

/** The part of the standard WebSocket that is used: browsers, Node 22 and the `ws` package have it. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

/** The options are those of the `ws` package. Browsers' sockets pass over them, and send no headers. */
export type WebSocketConstructor = new (
  url: string,
  protocols?: string[],
  options?: { headers: Record<string, string> },
) => WebSocketLike;

/** One socket. Messages sent before it is open wait for it. */
export class WebSocketTransport extends Connection implements Transport {
  readonly works = true;
  #socket: WebSocketLike | null = null;
  #open = false;
  readonly #waiting: string[] = [];

  /** `endpoint` is the http(s) URL of the Bayeux server. */
  constructor(
    endpoint: URL,
    headers: Readonly<Record<string, string>>,
    construct: WebSocketConstructor,
    events: TransportEvents,
  ) {
    super(events);
    try {
      this.#socket = new construct(endpoint.href.replace(/^http/, "ws"), [], { headers: { ...headers } });
    } catch (error) {
      // A page on https may not open ws://, for example. Others may be reached all the same.
      queueMicrotask(() => this.down(String(error)));
      return;
    }
    this.waitFor(openWithin, "the socket did not open");
    this.#socket.addEventListener("open", () => {
      this.arrived();
      this.#open = true;
      this.#flush();
    });
    this.#socket.addEventListener("message", (event) => this.received(event.data));
    this.#socket.addEventListener("close", ({ code }) => this.down(`the socket was closed with code ${code}`, code));
    this.#socket.addEventListener("error", () => {}); // always followed by a close; but ws throws if nobody listens
  }

  send(messages: readonly Outgoing[]): void {
    const queue = [...messages];
    do {
      this.#waiting.push(takeFrame(queue));
    } while (queue.length > 0);
    if (this.#open) {
      this.#flush();
    }
  }

  override close(): void {
    super.close();
    this.#socket?.close(1000);
  }

  #flush(): void {
    for (const frame of this.#waiting.splice(0)) {
      this.#socket?.send(frame);
    }
  }
}
