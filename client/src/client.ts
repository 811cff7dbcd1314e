import { Emitter } from "./emitter.js";
import { BayeuxError } from "./error.js";
import { type Options, withDefaults } from "./options.js";
import { disconnectOnPageHide } from "./pagehide.js";
import { Session } from "./session.js";
import type { MessageCallback, Subscription } from "./subscription.js";
import { Subscriptions } from "./subscriptions.js";
import { ask, auth, type TokenSource } from "./token.js";
import { platformRoute, type Route } from "./transport/route.js";

/** The events of a client, each with its arguments. */
export interface ClientEvents {
  /** The server answers. */
  "transport:up": [];
  /** The server can't be reached. The client goes on trying. */
  "transport:down": [];
  /** Something failed that no promise tells: a handshake, or, with its channel, a subscription in a new session. */
  error: [error: BayeuxError, channel: string | null];
}

/**
 * Client subscribes and publishes over one connection, which it opens when it is first needed: a WebSocket, or HTTP
 * long-polling where no socket can be opened. It keeps trying until `disconnect`.
 */
export class Client {
  readonly #events = new Emitter<ClientEvents>();
  readonly #route: Route;
  readonly #session: Session;
  readonly #subscriptions: Subscriptions;
  readonly #forgetPage: () => void;
  #closed: BayeuxError | null = null;

  /** `url` is the server's `/push`; in a page it may be relative to it. */
  constructor(url: string | URL, options: Options = {}) {
    const { timeout, interval, retry, WebSocket } = withDefaults(options);
    const endpoint = new URL(url, globalThis.document?.baseURI);
    const config = { timeout: timeout * 1000, interval: interval * 1000, retry: retry * 1000 };
    this.#route = platformRoute(endpoint, WebSocket);
    this.#subscriptions = new Subscriptions({
      isOpen: () => this.#session.open,
      send: (message, done) => this.#session.send(message, done),
      failed: (error, channel) => this.#events.emit("error", error, channel),
    });
    this.#session = new Session(this.#route, config, {
      opened: () => this.#subscriptions.subscribeAll(),
      closed: (reason) => this.#ended(reason),
      delivered: (message) => this.#subscriptions.deliver(message),
      reachable: (yes) => this.#events.emit(yes ? "transport:up" : "transport:down"),
      failed: (error) => this.#events.emit("error", error, null),
    });
    this.#forgetPage = disconnectOnPageHide(endpoint, () => this.#session.clientId);
  }

  /** Subscribes to a public channel, or to a pattern that ends in `/*` or `/**`. */
  subscribe(channel: string, callback: MessageCallback): Subscription {
    return this.#subscribe(channel, undefined, callback);
  }

  /**
   * Subscribes with a token, which `publish` to the same channel uses as well. A function is asked for one before every
   * subscribe and publish, also in new sessions after an outage; it may return a promise.
   *
   * On a presence channel the callback is also handed the roster, `{subscribe: {id: object}}`, in the beginning and after
   * every outage.
   */
  subscribeTo(channel: string, token: TokenSource, callback: MessageCallback): Subscription {
    return this.#subscribe(channel, token, callback);
  }

  /** Ends a subscription, or all to that channel. */
  unsubscribe(channel: string, subscription?: Subscription): void {
    this.#subscriptions.remove(channel, subscription);
  }

  /** Publishes with the token that the channel was subscribed to with. Rejects with a BayeuxError. */
  publish(channel: string, data: unknown): Promise<void> {
    return this.publishTo(channel, this.#subscriptions.token(channel), data);
  }

  /** Publishes with a token. The promise is fulfilled when the server has the message. Rejects with a BayeuxError. */
  publishTo(channel: string, token: TokenSource, data: unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      const send = (text: string | null) =>
        this.#session.send({ channel, data, ...auth(text) }, (outcome) => {
          if (outcome instanceof BayeuxError) {
            reject(outcome);
          } else {
            resolve();
          }
        });
      ask(token, send, (reason) => reject(new BayeuxError(`No token: ${String(reason)}`)));
    });
  }

  /** Ends the session and every subscription. The client can't be used again. */
  disconnect(): Promise<void> {
    return this.#session.disconnect();
  }

  /** Does without a transport: "websocket" or "long-polling". Others are ignored, and the last one stays. */
  disable(transport: string): void {
    this.#route.disable(transport);
  }

  /** Listens to an event. Returns a function that ends it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Removes a listener, or all of that event. */
  off<Name extends keyof ClientEvents>(name: Name, listener?: (...args: ClientEvents[Name]) => void): void {
    this.#events.off(name, listener);
  }

  #subscribe(channel: string, token: TokenSource | undefined, callback: MessageCallback): Subscription {
    const subscription = this.#subscriptions.add(channel, token, callback);
    if (this.#closed) {
      this.#subscriptions.close(this.#closed);
    } else {
      this.#session.start();
    }
    return subscription;
  }

  #ended(reason: BayeuxError): void {
    this.#closed = reason;
    this.#subscriptions.close(reason);
    this.#forgetPage();
  }
}
