import type { Incoming, Outgoing } from "./bayeux.js";
import type { Limits } from "./dispatcher.js";
import type { BayeuxError } from "./error.js";

/**
 * Where a client is:
 *
 * - `idle`: nothing was wanted yet.
 * - `connecting`: on the way to its first session.
 * - `connected`: there is a session, and the server answers.
 * - `reconnecting`: the server can't be reached, or has lost the session. The client goes on trying.
 * - `closed`: after `disconnect`, or when the server wants no more of it. This is the end.
 */
export type ConnectionState = "idle" | "connecting" | "connected" | "reconnecting" | "closed";

/** What joins a client to a session with the server: its own, or one that it shares. */
export interface Link {
  readonly state: ConnectionState;
  /** Whether `send` sends at once. */
  readonly open: boolean;
  /** The server's name of the session while it is open, else "". */
  readonly clientId: string;
  /** Whether nobody else uses the session, so that it may end with this page. */
  readonly last: boolean;
  /** Begins, unless that has been done. */
  start(): void;
  /** Sends once the session is open, and calls `done` with the reply or with the reason why there is none. */
  send(message: Outgoing, done: (outcome: Incoming | BayeuxError) => void, limits?: Limits): void;
  /** Ends the session. The promise is fulfilled when the server has agreed, or can't be asked. */
  disconnect(): Promise<void>;
  /** The network may work again; if the connection is `suspect`, by another way than before. */
  wake(suspect: boolean): void;
  /** The page is put away, with all that it has open, and perhaps for ever. Until it wakes nobody is to wait for it. */
  sleep?(): void;
}

export interface LinkHooks {
  /** The session is new, and has no subscriptions. */
  opened(): void;
  /** The session goes on over another connection. */
  resumed(): void;
  /** The session is over for good. */
  closed(reason: BayeuxError): void;
  /** Somebody has published this. */
  delivered(message: Incoming): void;
  /** The server says this unasked. */
  noticed(message: Incoming): void;
  /** The server was reached, or can't be reached. Called when that changes. */
  reachable(yes: boolean): void;
  /** `state` may have changed. */
  changed(): void;
  /** Something was refused that nobody asked for directly: a handshake or a connect. */
  failed(error: BayeuxError): void;
}
