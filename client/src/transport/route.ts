import { LongPollingTransport } from "./longpolling.js";
import type { Transport, TransportEvents, TransportType } from "./transport.js";
import { type WebSocketConstructor, WebSocketTransport } from "./websocket.js";

/** How many failures in a row a transport that has worked may have before the next one is tried. */
const patience = 3;

/** How long to stay with a lesser transport before a better one that once worked is tried again, in milliseconds. */
const returnAfter = 300_000;

interface Candidate {
  type: TransportType;
  open(events: TransportEvents): Transport;
  worked: boolean;
  failuresLeft: number;
}

/**
 * Route decides which transport is used, the best first. One that never worked gives place to the next at its first
 * failure, one that has worked at its third in a row. After the last comes the first again.
 */
export class Route {
  #candidates: Candidate[];
  #current = 0;
  #leftBest = 0;

  constructor(candidates: { type: TransportType; open(events: TransportEvents): Transport }[]) {
    this.#candidates = candidates.map((candidate) => ({ ...candidate, worked: false, failuresLeft: 1 }));
  }

  /** The types in use, for the handshake. */
  get types(): TransportType[] {
    return this.#candidates.map((candidate) => candidate.type);
  }

  /** The type of the transport that `open` opens. */
  get type(): TransportType {
    return this.#at().type;
  }

  open(events: TransportEvents): Transport {
    return this.#at().open(events);
  }

  /** To be called when the current transport has brought something. */
  worked(): void {
    const candidate = this.#at();
    candidate.worked = true;
    candidate.failuresLeft = patience;
  }

  /** To be called when the current transport has failed. Returns whether there is a lesser one to be tried at once. */
  failed(): boolean {
    const candidate = this.#at();
    candidate.failuresLeft--;
    if (candidate.failuresLeft > 0) {
      return false;
    }
    candidate.failuresLeft = 1;
    this.#leftBest = this.#current === 0 ? Date.now() : this.#leftBest;
    this.#current = (this.#current + 1) % this.#candidates.length;
    return this.#current !== 0;
  }

  /** Returns to the best transport if it was left long ago and has worked before; returns whether it did. */
  comeBack(): boolean {
    if (this.#current === 0 || !this.#candidates[0]?.worked || Date.now() - this.#leftBest < returnAfter) {
      return false;
    }
    this.#current = 0;
    return true;
  }

  /** Stops using a transport. The last one stays. */
  disable(type: string): void {
    const left = this.#candidates.filter((candidate) => candidate.type !== type);
    if (left.length > 0) {
      this.#candidates = left;
      this.#current = 0;
    }
  }

  #at(): Candidate {
    const candidate = this.#candidates[this.#current];
    if (!candidate) {
      throw new Error("no transport");
    }
    return candidate;
  }
}

/** The transports of this platform. `socket` is undefined where there is none, as in Node 20. */
export function platformRoute(endpoint: URL, socket: WebSocketConstructor | undefined): Route {
  const longPolling = {
    type: "long-polling" as const,
    open: (events: TransportEvents) => new LongPollingTransport(endpoint, events),
  };
  if (!socket) {
    return new Route([longPolling]);
  }
  return new Route([
    { type: "websocket", open: (events) => new WebSocketTransport(endpoint, socket, events) },
    longPolling,
  ]);
}
