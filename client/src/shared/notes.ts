import type { Incoming, Outgoing } from "../bayeux.js";
import type { Limits } from "../dispatcher.js";
import type { BayeuxError } from "../error.js";
import type { ConnectionState, LinkHooks } from "../link.js";

/** What the browser has to offer: locks that end with their page, and a channel between the pages of an origin. */
export interface Platform {
  locks: Pick<LockManager, "request">;
  BroadcastChannel: new (name: string) => Pick<BroadcastChannel, "postMessage" | "close" | "onmessage">;
}

/** The platform, if it can do that: in pages that came by https, or from localhost. */
export function platform(): Platform | undefined {
  const { navigator, BroadcastChannel } = globalThis;
  return navigator?.locks && BroadcastChannel ? { locks: navigator.locks, BroadcastChannel } : undefined;
}

/** What a page wants sent. */
export interface Wish {
  message: Outgoing & { id: string };
  limits: Limits;
}

/** Called with the reply to a message, or with the reason why there is none. */
export type Done = (outcome: Incoming | BayeuxError) => void;

/** How the session stands. */
export interface Standing {
  state: ConnectionState;
  clientId: string;
}

/** What the pages say to each other, as JSON. Errors travel as texts. */
export type Note =
  /** I am here. Who leads? */
  | { kind: "hello" }
  /** I lead. `fresh` says that nobody has been told yet. */
  | ({ kind: "lead"; fresh: boolean } & Standing)
  | ({ kind: "wish" } & Wish)
  | { kind: "answer"; id: string; reply?: Incoming; error?: string }
  /** This has happened to the session. */
  | ({ kind: "event"; name: keyof LinkHooks; args: unknown[] } & Standing)
  /** The network may work again. And is the leader awake? */
  | { kind: "wake"; suspect: boolean };
