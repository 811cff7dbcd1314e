import type { Incoming, Outgoing } from "../bayeux.js";

/** The names that Bayeux gives to transports. */
export type TransportType = "websocket" | "long-polling";

/**
 * Transport carries messages to the server and back until it fails once; then it is thrown away. It promises nothing about
 * a message that it took: whoever sent it waits for the reply.
 */
export interface Transport {
  /** Takes messages that may share one frame. Opens the connection if it is not open yet. Never throws. */
  send(messages: readonly Outgoing[]): void;
  /** Ends the connection. Nothing is reported after it. */
  close(): void;
}

/** Where a transport reports. Neither function is called from within `send` or the constructor. */
export interface TransportEvents {
  receive(messages: Incoming[]): void;
  /** The transport has failed or was closed by the server. Called once at most. */
  down(): void;
}
