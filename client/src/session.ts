import { Backoff } from "./backoff.js";
import type { Incoming, Outgoing } from "./bayeux.js";
import { isMeta } from "./channel.js";
import type { Progress } from "./cursor.js";
import { Dispatcher, type DispatcherConfig, type Limits } from "./dispatcher.js";
import { BayeuxError } from "./error.js";
import type { ConnectionState, Link, LinkHooks } from "./link.js";
import { Timer } from "./timer.js";
import type { Route } from "./transport/route.js";

/** Settings in milliseconds, until the server's advice overrides `timeout` and `interval`. */
export interface SessionConfig extends DispatcherConfig {
  timeout: number;
  interval: number;
  retry: number;
  /** Asks the server to end each subscription when its token expires. */
  expiry: boolean;
}

type Phase = "idle" | "opening" | "open" | "closed";

/**
 * Session keeps one session with the server: it shakes hands, keeps one connect outstanding, follows the server's advice,
 * and shakes hands again when the server no longer knows it.
 *
 *     idle ──start──▶ opening ──handshake──▶ open ──disconnect──▶ closed
 *                        ▲                     │
 *                        └─ session unknown ───┘      (advice "none" leads from anywhere to closed)
 */
export class Session implements Link {
  readonly #config: SessionConfig;
  readonly #hooks: LinkHooks;
  readonly #route: Route;
  readonly #progress: Progress;
  readonly #dispatcher: Dispatcher;
  readonly #backoff: Backoff;
  #phase: Phase = "idle";
  #clientId = "";
  /** Whether a connect has gone out in this session. */
  #attached = false;
  /** What was to be sent while there was no session. */
  #waiting: Parameters<Link["send"]>[] = [];
  readonly #next = new Timer();
  #over = false;

  constructor(route: Route, progress: Progress, config: SessionConfig, hooks: LinkHooks) {
    this.#route = route;
    this.#progress = progress;
    this.#config = { ...config };
    this.#hooks = hooks;
    this.#backoff = new Backoff(config.retry);
    this.#dispatcher = new Dispatcher(route, config, {
      answered: (message) => {
        progress.replied();
        this.#advise(message);
      },
      delivered: (message) => hooks.delivered(message),
      noticed: (message) => hooks.noticed(message),
      reachable: (yes) => {
        hooks.changed();
        hooks.reachable(yes);
      },
      retryDelay: () => this.#retryDelay(),
      resumption: () => this.#resumption(),
      broken: () => this.#broken(),
    });
  }

  get state(): ConnectionState {
    if (this.#phase === "idle" || this.#phase === "closed") {
      return this.#phase;
    }
    if (this.open && !this.#dispatcher.down) {
      return "connected";
    }
    return this.#clientId ? "reconnecting" : "connecting";
  }

  get open(): boolean {
    return this.#phase === "open";
  }

  get clientId(): string {
    return this.open ? this.#clientId : "";
  }

  start(): void {
    if (this.#phase === "idle") {
      this.#handshake();
    }
  }

  readonly last = true;

  send(message: Outgoing, done: (outcome: Incoming | BayeuxError) => void, limits: Limits = {}): void {
    if (!this.open) {
      this.#waiting.push([message, done, limits]);
      this.start();
      return;
    }
    const heard = (outcome: Incoming | BayeuxError) => {
      if (!isUnknownClient(outcome)) {
        done(outcome);
        return;
      }
      // The server lost the session, which the connect has not told yet. Subscriptions are made again anyway.
      this.#reopen();
      if (!isMeta(message.channel)) {
        this.send(message, done, limits);
      }
    };
    this.#dispatcher.send({
      limits,
      message: { ...message, clientId: message.clientId || this.#clientId },
      done: heard,
    });
  }

  disconnect(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#end(new BayeuxError("Client disconnected"));
        resolve();
      };
      if (!this.open || this.#dispatcher.down) {
        done();
        return;
      }
      this.#enter("closed");
      this.#next.stop();
      this.#dispatcher.forget((message) => isMeta(message.channel));
      const message = { channel: "/meta/disconnect", clientId: this.#clientId };
      this.#dispatcher.send({ message, limits: { attempts: 1 }, done });
    });
  }

  /** Ends without a word to anybody: what has no answer is another's to send again. */
  leave(): void {
    this.#dispatcher.forget(() => true);
    this.#waiting = [];
    this.#end(new BayeuxError("Client disconnected"));
  }

  wake(suspect: boolean): void {
    this.#dispatcher.wake(suspect);
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#hooks.changed();
  }

  #handshake(): void {
    this.#enter("opening");
    const ext = this.#config.expiry ? { ext: { pandapush: { expiry: true } } } : {};
    const message = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: this.#route.types, ...ext };
    const done = (outcome: Incoming | BayeuxError) => {
      if (this.#phase !== "opening") {
        return;
      }
      if (outcome instanceof BayeuxError) {
        this.#hooks.failed(outcome);
        this.#next.start(this.#retryDelay(), () => this.#handshake());
        return;
      }
      this.#clientId = outcome.clientId ?? "";
      this.#attached = false;
      this.#enter("open");
      this.#hooks.opened(); // before what waits: a message may be published to what was just subscribed
      for (const waiting of this.#waiting.splice(0)) {
        this.send(...waiting);
      }
      this.#connect();
    };
    this.#dispatcher.send({ message, done });
  }

  #connect(): void {
    this.#dispatcher.upgrade();
    const message = { channel: "/meta/connect", clientId: this.#clientId };
    const done = (outcome: Incoming | BayeuxError) => {
      if (!this.open) {
        return;
      }
      if (isUnknownClient(outcome)) {
        this.#reopen();
      } else if (outcome instanceof BayeuxError) {
        this.#hooks.failed(outcome);
        this.#next.start(this.#retryDelay(), () => this.#connect());
      } else {
        this.#backoff.reset();
        // A stream's connect only says that the client is there. Nothing waits for the next one.
        const interval = this.#streaming
          ? (outcome.advice?.interval ?? this.#config.timeout / 2)
          : this.#config.interval;
        this.#next.start(interval, () => this.#connect());
      }
    };
    this.#dispatcher.send({ message, held: () => (this.#streaming ? 0 : this.#config.timeout), done });
  }

  /** Takes the server's advice. Only meta messages may carry any: a plain Faye server passes on what publishers send. */
  #advise(message: Incoming): void {
    if (!message.advice || !isMeta(message.channel) || this.#phase === "closed") {
      return;
    }
    const { reconnect, interval, timeout } = message.advice;
    if (!this.#streaming || message.channel !== "/meta/connect") {
      this.#config.interval = interval ?? this.#config.interval;
      this.#config.timeout = timeout ?? this.#config.timeout;
    }
    if (reconnect === "none") {
      this.#end(message.error ? BayeuxError.parse(message.error) : new BayeuxError("Closed by the server"));
    } else if (reconnect === "handshake") {
      this.#reopen();
    }
  }

  /** Begins a new session. What was published and not answered is sent again as it is; all else belongs to the old one. */
  #reopen(): void {
    if (!this.open) {
      return;
    }
    this.#enter("opening");
    this.#dispatcher.forget((message) => isMeta(message.channel));
    this.#next.start(this.#retryDelay(), () => this.#handshake());
  }

  /** The connection has ended while nobody waited for a reply. Who only listens must not wait until the next connect. */
  #broken(): void {
    if (this.#streaming && this.open) {
      this.#next.start(this.#retryDelay(), () => this.#connect());
    }
  }

  /** What goes with the first connect over a connection: what the client has got, as far as it knows better. */
  #resumption(): Record<string, unknown> | undefined {
    const since = this.#progress.cursors();
    if (this.#attached) {
      this.#hooks.resumed();
    }
    this.#attached = true;
    return Object.keys(since).length > 0 ? { since } : undefined;
  }

  #end(reason: BayeuxError): void {
    if (this.#over) {
      return;
    }
    this.#over = true;
    this.#enter("closed");
    this.#next.stop();
    this.#dispatcher.close(reason);
    for (const [, done] of this.#waiting.splice(0)) {
      done(reason);
    }
    this.#hooks.closed(reason);
  }

  /** Messages come by a stream, and connects are not held. */
  get #streaming(): boolean {
    return this.#route.type === "eventsource";
  }

  #retryDelay(): number {
    return this.#backoff.next(this.#config.interval);
  }
}

function isUnknownClient(outcome: Incoming | BayeuxError): boolean {
  return outcome instanceof BayeuxError && outcome.code === 401;
}
