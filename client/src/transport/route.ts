import type { Transport, TransportEvents, TransportType } from "./transport.js";

/** How many failures in a row a transport that has worked may have before the next one is tried. */
const patience = 3;

/** How long to stay with a lesser transport before the best one is tried again, in milliseconds. */
const returnAfter = 300_000;

export interface Candidate {
  readonly type: TransportType;
  open(events: TransportEvents): Transport;
}

interface Tried extends Candidate {
  worked: boolean;
  failuresLeft: number;
}

/**
 * Route decides which transport is used, the best first. One that never worked gives place to the next at its first
 * failure, one that has worked at its third in a row. After the last comes the first again.
 *
 * While a lesser one is in use, the best one is opened beside it from time to time, and takes over if that succeeds.
 */
export class Route {
  #candidates: Tried[];
  #current = 0;
  /** When the best one was last left or tried. */
  #leftBest = 0;
  /** The best one on trial, and whether it is open. */
  #trial: { transport: Transport; events: TransportEvents | null; open: boolean } | null = null;

  constructor(candidates: Candidate[]) {
    this.#candidates = candidates.map(({ type, open }) => ({ type, open, worked: false, failuresLeft: 1 }));
  }

  /** The types in use, for the handshake. */
  get types(): TransportType[] {
    return this.#candidates.map((candidate) => candidate.type);
  }

  /** What may be used, the best first. */
  get candidates(): readonly Candidate[] {
    return this.#candidates;
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

  /**
   * Returns what makes an open connection of the best transport the current one, if a lesser one is in use and there is one
   * to change to; else null, and a trial may have begun.
   */
  better(): ((events: TransportEvents) => Transport) | null {
    const trial = this.#trial;
    if (trial?.open) {
      return (events) => {
        this.#trial = null;
        this.#current = 0;
        trial.events = events;
        return trial.transport;
      };
    }
    if (!trial && this.#current !== 0 && Date.now() - this.#leftBest >= returnAfter) {
      this.#leftBest = Date.now();
      this.#try();
    }
    return null;
  }

  /** Stops using a transport. The last one stays. */
  disable(type: string): void {
    const left = this.#candidates.filter((candidate) => candidate.type !== type);
    if (left.length > 0) {
      this.#candidates = left;
      this.#current = 0;
    }
  }

  /** Ends a trial. */
  close(): void {
    this.#trial?.transport.close();
    this.#trial = null;
  }

  #try(): void {
    const transport = this.#candidates[0]?.open({
      receive: (messages) => {
        trial.open = true;
        trial.events?.receive(messages);
      },
      down: (reason) => {
        trial.events?.down(reason);
        if (this.#trial === trial) {
          this.#trial = null;
        }
      },
    });
    if (!transport) {
      return;
    }
    const trial = { transport, events: null as TransportEvents | null, open: false };
    this.#trial = trial;
    transport.send([]);
  }

  #at(): Tried {
    const candidate = this.#candidates[this.#current];
    if (!candidate) {
      throw new Error("no transport");
    }
    return candidate;
  }
}
