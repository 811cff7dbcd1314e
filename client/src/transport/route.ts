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
  failuresLeft: number;
}

/**
 * Route decides which transport is used, the best first. One that never worked gives place to the next at its first
 * failure, one that has worked at its third in a row. After the last comes the first again.
 *
 * While a lesser one is in use, the best one is tried beside it from time to time, and used again when it answers.
 */
export class Route {
  #candidates: Tried[];
  #current = 0;
  /** When the best one was last left or tried. */
  #leftBest = 0;
  /** The best one on trial. */
  #trial: Transport | null = null;
  #proven = false;

  constructor(candidates: Candidate[]) {
    this.#candidates = candidates.map((candidate) => ({ ...candidate, failuresLeft: 1 }));
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
    this.#at().failuresLeft = patience;
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
   * Returns to the best transport if it has been found to work, and returns whether it did. If not, and a lesser one has
   * been in use for long, the best one may be on trial from now on.
   */
  better(): boolean {
    if (this.#proven) {
      this.#proven = false;
      this.#current = 0;
      return true;
    }
    if (!this.#trial && this.#current !== 0 && Date.now() - this.#leftBest >= returnAfter) {
      this.#leftBest = Date.now();
      this.#try();
    }
    return false;
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
    this.#trial?.close();
    this.#trial = null;
  }

  #try(): void {
    const receive = () => {
      this.#proven = true;
      this.close();
    };
    this.#trial = this.#candidates[0]?.open({ receive, down: () => this.close() }) ?? null;
    this.#trial?.send([]);
  }

  #at(): Tried {
    return this.#candidates[this.#current] as Tried; // the last one stays
  }
}
