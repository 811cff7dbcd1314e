import type { Incoming, Outgoing } from "../bayeux.js";

/** The names that Bayeux gives to transports. */
export type TransportType = "websocket" | "eventsource" | "long-polling";

/**
 * Transport carries messages to the server and back until it fails once; then it is thrown away. It promises nothing about
 * a message that it took: whoever sent it waits for the reply.
 */
export interface Transport {
  /** Whether a reply by it proves that it works. */
  readonly works: boolean;
  /**
   * Takes messages that may share one frame; none at all ask the server for a sign of life. Opens the connection if it is
   * not open yet. Never throws.
   */
  send(messages: readonly Outgoing[]): void;
  /** Ends the connection. Nothing is reported after it. */
  close(): void;
}

/** Where a transport reports. No function is called from within `send` or the constructor. */
export interface TransportEvents {
  receive(messages: Incoming[]): void;
  /** The transport has failed or was closed by the server, and why; with a WebSocket's code or an HTTP status. Called once at most. */
  down(reason: string, code?: number): void;
}

/** How long a connection may take to open, in milliseconds. Some proxies swallow what they do not know. */
export const openWithin = 5000;
