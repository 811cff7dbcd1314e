import { Backoff } from "./backoff.js";
import type { Incoming, Outgoing } from "./bayeux.js";
import { isMeta } from "./channel.js";
import { Dispatcher } from "./dispatcher.js";
import { BayeuxError } from "./error.js";
import { Timer } from "./timer.js";
import type { Route } from "./transport/route.js";

/** How many messages may wait for their replies. Publications beyond are refused: an outage must not fill the memory. */
const maxWaiting = 1000;

/** Settings in milliseconds, until the server's advice overrides `timeout` and `interval`. */
export interface SessionConfig {
  timeout: number;
  interval: number;
  retry: number;
}

export interface SessionHooks {
  /** The server has a new session, which has no subscriptions. */
  opened(): void;
  /** The session is over for good. */
  closed(reason: BayeuxError): void;
  delivered(message: Incoming): void;
  reachable(yes: boolean): void;
  /** Something was refused that nobody asked for directly: a handshake or a connect. */
  failed(error: BayeuxError): void;
}

/**
 * Session keeps one session with the server: it shakes hands, keeps one connect outstanding, follows the server's advice,
 * and shakes hands again when the server no longer knows it.
 *
 *     idle ──start──▶ opening ──handshake──▶ open ──disconnect──▶ closing ──▶ closed
 *                        ▲                     │
 *                        └─ session unknown ───┘      (advice "none" leads from anywhere to closed)
 */
export class Session {
  readonly #config: SessionConfig;
  readonly #hooks: SessionHooks;
  readonly #route: Route;
  readonly #dispatcher: Dispatcher;
  readonly #backoff: Backoff;
  #state: "idle" | "opening" | "open" | "closing" | "closed" = "idle";
  #clientId = "";
  #waiting: { send(): void; refuse(reason: BayeuxError): void }[] = [];
  readonly #next = new Timer();
  #disconnected: Promise<void> | null = null;

  constructor(route: Route, config: SessionConfig, hooks: SessionHooks) {
    this.#route = route;
    this.#config = { ...config };
    this.#hooks = hooks;
    this.#backoff = new Backoff(config.retry);
    this.#dispatcher = new Dispatcher(route, {
      answered: (message) => this.#advise(message),
      delivered: (message) => hooks.delivered(message),
      reachable: (yes) => hooks.reachable(yes),
      retryDelay: () => this.#retryDelay(),
    });
  }

  /** Whether `send` sends at once. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** The server's name of the session while it is open, else "". */
  get clientId(): string {
    return this.open ? this.#clientId : "";
  }

  /** Shakes hands unless that has been done. */
  start(): void {
    if (this.#state === "idle") {
      this.#handshake();
    }
  }

  /** Sends once the session is open, and calls `done` with the reply or with the reason why there is none. */
  send(message: Outgoing, done: (outcome: Incoming | BayeuxError) => void): void {
    if (this.#state === "closing" || this.#state === "closed") {
      done(new BayeuxError("Client disconnected"));
      return;
    }
    if (!isMeta(message.channel) && this.#waiting.length + this.#dispatcher.size >= maxWaiting) {
      done(new BayeuxError("Too many messages waiting"));
      return;
    }
    const send = () => this.#dispatcher.send({ message: { ...message, clientId: this.#clientId }, done: heard });
    const heard = (outcome: Incoming | BayeuxError) => {
      if (!isUnknownClient(outcome)) {
        done(outcome);
        return;
      }
      // The server lost the session, which the connect has not told yet. Subscriptions are made again anyway.
      if (!isMeta(message.channel)) {
        this.#waiting.push({ send, refuse: done });
      }
      this.#reopen();
    };
    if (this.open) {
      send();
    } else {
      this.#waiting.push({ send, refuse: done });
      this.start();
    }
  }

  /** Ends the session. The promise is fulfilled when the server has agreed, or can't be asked. */
  disconnect(): Promise<void> {
    this.#disconnected ??= new Promise((resolve) => {
      const done = () => {
        this.#stop(new BayeuxError("Client disconnected"));
        resolve();
      };
      if (!this.open) {
        done();
        return;
      }
      this.#state = "closing";
      this.#next.stop();
      this.#dispatcher.forget((message) => isMeta(message.channel));
      const message = { channel: "/meta/disconnect", clientId: this.#clientId };
      this.#dispatcher.send({ message, once: true, done });
    });
    return this.#disconnected;
  }

  #handshake(): void {
    this.#state = "opening";
    const message = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: this.#route.types };
    const done = (outcome: Incoming | BayeuxError) => {
      if (this.#state !== "opening") {
        return;
      }
      if (outcome instanceof BayeuxError || outcome.clientId === undefined) {
        this.#hooks.failed(outcome instanceof BayeuxError ? outcome : new BayeuxError("Handshake without a client id"));
        this.#next.start(this.#retryDelay(), () => this.#handshake());
        return;
      }
      this.#clientId = outcome.clientId;
      this.#state = "open";
      this.#hooks.opened(); // before what waits: a message may be published to what was just subscribed
      for (const waiting of this.#waiting.splice(0)) {
        waiting.send();
      }
      this.#connect();
    };
    this.#dispatcher.send({ message, done });
  }

  #connect(): void {
    this.#dispatcher.comeBack();
    const message = { channel: "/meta/connect", clientId: this.#clientId, connectionType: this.#route.type };
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
        this.#next.start(this.#config.interval, () => this.#connect());
      }
    };
    this.#dispatcher.send({ message, held: this.#config.timeout, done });
  }

  /** Takes the server's advice. Only meta messages may carry any: a plain Faye server passes on what publishers send. */
  #advise(message: Incoming): void {
    if (!message.advice || !isMeta(message.channel) || this.#state === "closing") {
      return;
    }
    const { reconnect, interval, timeout } = message.advice;
    this.#config.interval = interval ?? this.#config.interval;
    this.#config.timeout = timeout ?? this.#config.timeout;
    if (reconnect === "none") {
      this.#stop(message.error ? BayeuxError.parse(message.error) : new BayeuxError("Closed by the server"));
    } else if (reconnect === "handshake") {
      this.#reopen();
    }
  }

  /** Begins a new session. What was published and not answered is sent again as it is; all else belongs to the old one. */
  #reopen(): void {
    if (!this.open) {
      return;
    }
    this.#state = "opening";
    this.#dispatcher.forget((message) => isMeta(message.channel));
    this.#next.start(this.#retryDelay(), () => this.#handshake());
  }

  #stop(reason: BayeuxError): void {
    if (this.#state === "closed") {
      return;
    }
    this.#state = "closed";
    this.#next.stop();
    this.#dispatcher.close(reason);
    for (const waiting of this.#waiting.splice(0)) {
      waiting.refuse(reason);
    }
    this.#hooks.closed(reason);
  }

  #retryDelay(): number {
    return this.#backoff.next(this.#config.interval);
  }
}

function isUnknownClient(outcome: Incoming | BayeuxError): boolean {
  return outcome instanceof BayeuxError && outcome.code === 401;
}
