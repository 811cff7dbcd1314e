import type { Incoming, Outgoing } from "./bayeux.js";
import { BayeuxError } from "./error.js";
import { Timer } from "./timer.js";
import type { Route } from "./transport/route.js";
import type { Transport } from "./transport/transport.js";

/** How long the server may take for a reply, in milliseconds, before the transport is given up. */
const replyWithin = 10_000;

/** A message that waits for its reply. */
export interface Request {
  message: Outgoing;
  /** Milliseconds for which the server may hold the reply in addition. */
  held?: number;
  /** Whether it is given up, rather than sent again, when the transport fails. */
  once?: boolean;
  /** Called once with the reply, or with the reason why there will be none; not called if the request is forgotten. */
  done(outcome: Incoming | BayeuxError): void;
}

export interface DispatcherHooks {
  /** The reply to a request that waits for it, before that hears of it. */
  answered(message: Incoming): void;
  /** A message that somebody published. */
  delivered(message: Incoming): void;
  /** The server was reached, or can't be reached. Called when that changes. */
  reachable(yes: boolean): void;
  /** Milliseconds to wait after a failure. */
  retryDelay(): number;
}

interface Envelope extends Request {
  sent: boolean;
  timer?: ReturnType<typeof setTimeout>;
}

/**
 * Dispatcher sees to it that every request gets its reply: it gives ids, sends, matches replies, and when a transport
 * fails sends everything unanswered again, with the same id, over the next one.
 */
export class Dispatcher {
  readonly #route: Route;
  readonly #hooks: DispatcherHooks;
  /** In the order in which they were sent. */
  readonly #pending = new Map<string, Envelope>();
  #transport: Transport | null = null;
  readonly #pause = new Timer();
  #flushing = false;
  #reachable: boolean | null = null;
  #lastId = 0;

  constructor(route: Route, hooks: DispatcherHooks) {
    this.#route = route;
    this.#hooks = hooks;
  }

  /** How many requests have no reply yet. */
  get size(): number {
    return this.#pending.size;
  }

  /** Sends at the end of the current task, together with what else is sent in it. */
  send(request: Request): void {
    if (request.once && this.#pause.running) {
      request.done(new BayeuxError("Connection lost"));
      return;
    }
    const id = (++this.#lastId).toString(36);
    this.#pending.set(id, { ...request, message: { ...request.message, id }, sent: false });
    if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => {
        this.#flushing = false;
        this.#flush();
      });
    }
  }

  /** Drops the requests that match, whatever happens to them on the server. */
  forget(matches: (message: Outgoing) => boolean): void {
    for (const [id, envelope] of this.#pending) {
      if (matches(envelope.message)) {
        this.#take(id);
      }
    }
  }

  /** Goes back to the best transport if it is time to, and nobody waits for a reply on the present one. */
  comeBack(): void {
    if (this.#pending.size === 0 && this.#route.comeBack()) {
      this.#drop();
    }
  }

  /** Ends every request with `reason`, and the transport. */
  close(reason: BayeuxError): void {
    this.#drop();
    this.#pause.stop();
    for (const id of [...this.#pending.keys()]) {
      this.#take(id)?.done(reason);
    }
  }

  #flush(): void {
    const unsent = [...this.#pending.values()].filter((envelope) => !envelope.sent);
    if (unsent.length === 0 || this.#pause.running) {
      return;
    }
    this.#transport ??= this.#open();
    const transport = this.#transport;
    for (const envelope of unsent) {
      envelope.sent = true;
      envelope.timer = setTimeout(() => this.#failed(transport), replyWithin + (envelope.held ?? 0));
    }
    // A server may hold the answers to everything that shares a frame with a connect for as long as the connect.
    const messages = unsent.map((envelope) => envelope.message);
    const connects = messages.filter((message) => message.channel === "/meta/connect");
    const others = messages.filter((message) => message.channel !== "/meta/connect");
    for (const frame of [others, connects]) {
      if (frame.length > 0) {
        transport.send(frame);
      }
    }
  }

  #open(): Transport {
    const transport = this.#route.open({
      receive: (messages) => this.#received(transport, messages),
      down: () => this.#failed(transport),
    });
    return transport;
  }

  #received(transport: Transport, messages: Incoming[]): void {
    if (transport !== this.#transport) {
      return;
    }
    this.#route.worked();
    this.#setReachable(true);
    for (const message of messages) {
      if ("data" in message) {
        this.#hooks.delivered(message);
        continue;
      }
      const envelope = message.successful === undefined ? undefined : this.#take(message.id);
      if (envelope) {
        this.#hooks.answered(message);
        envelope.done(message.successful ? message : BayeuxError.parse(message.error));
      }
    }
  }

  #failed(transport: Transport): void {
    if (transport !== this.#transport) {
      return;
    }
    this.#drop();
    if (this.#pending.size === 0) {
      return; // Closed while nobody waited, as a server does that drains. The next message opens another.
    }
    const retryNow = this.#route.failed();
    if (!retryNow) {
      this.#setReachable(false);
    }
    for (const [id, envelope] of this.#pending) {
      clearTimeout(envelope.timer);
      envelope.sent = false;
      if (envelope.once) {
        this.#take(id)?.done(new BayeuxError("Connection lost"));
      }
    }
    if (this.#pending.size > 0) {
      this.#pause.start(retryNow ? 0 : this.#hooks.retryDelay(), () => this.#flush());
    }
  }

  #take(id: string | undefined): Envelope | undefined {
    const envelope = id === undefined ? undefined : this.#pending.get(id);
    if (envelope) {
      clearTimeout(envelope.timer);
      this.#pending.delete(envelope.message.id ?? "");
    }
    return envelope;
  }

  #drop(): void {
    this.#transport?.close();
    this.#transport = null;
  }

  #setReachable(yes: boolean): void {
    if (this.#reachable !== yes) {
      this.#reachable = yes;
      this.#hooks.reachable(yes);
    }
  }
}
