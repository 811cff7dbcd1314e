import { type Incoming, isObject, whyNotJSON } from "./bayeux.js";
import { Progress } from "./cursor.js";
import { diagnose, type Trial } from "./diagnose.js";
import { Emitter, protect } from "./emitter.js";
import { BayeuxError } from "./error.js";
import { type Extension, Extensions } from "./extensions.js";
import { type History, type HistoryOptions, readHistory } from "./history.js";
import type { ConnectionState, Link, LinkHooks } from "./link.js";
import { type Options, withDefaults } from "./options.js";
import { watchPage } from "./page.js";
import { limits, Publication, type PublishOptions } from "./publication.js";
import { Roster } from "./roster.js";
import { Session, type SessionConfig } from "./session.js";
import { SharedLink } from "./shared/link.js";
import { platform } from "./shared/notes.js";
import type { MessageCallback, SubscribeOptions, Subscription } from "./subscription.js";
import { Subscriptions } from "./subscriptions.js";
import { ask, auth, type TokenSource } from "./token.js";
import type { Gap } from "./topic.js";
import { platformRoute } from "./transport/platform.js";
import type { PostConfig } from "./transport/post.js";
import type { Route } from "./transport/route.js";

/** How many publications may wait for their answers. An outage must not fill the memory. */
const maxPublishing = 1000;

/** The events of a client, each with its arguments. */
export interface ClientEvents {
  /** The server answers. */
  "transport:up": [];
  /** The server can't be reached. The client goes on trying. */
  "transport:down": [];
  /** The client's `state` has changed. */
  state: [state: ConnectionState, before: ConnectionState];
  /** In a new session, what was missed of a channel has come or is on its way, all of it. */
  recovered: [channel: string];
  /** Messages are lost: the server does not have them any more. */
  gap: [gap: Gap];
  /** Something failed that no promise tells: a handshake, or, with its channel, a subscription that had been accepted. */
  error: [error: BayeuxError, channel: string | null];
}

/**
 * Client subscribes and publishes over one connection, which it opens when it is first needed: a WebSocket, or what else
 * gets through. It keeps trying until `disconnect`, and then goes on from the last message that it got.
 *
 * It has the methods of Faye's client, and those of the Node version's `Pandapush.Client`.
 */
export class Client extends Emitter<ClientEvents> {
  readonly #headers: Record<string, string> = {};
  readonly #extensions = new Extensions<Client>(this);
  readonly #progress = new Progress();
  readonly #http: PostConfig;
  readonly #route: Route;
  readonly #link: Link;
  readonly #subscriptions: Subscriptions;
  readonly #ended = new AbortController();
  readonly #opening: (() => void)[] = [];
  #autodisconnect = true;
  /** How many publications have no answer. */
  #publishing = 0;
  #state: ConnectionState = "idle";
  #closed: BayeuxError | null = null;

  /** `url` is the server's `/push`; in a page it may be relative to it. */
  constructor(url: string | URL = "/bayeux", options: Options = {}) {
    super();
    const settings = withDefaults(options);
    const base = globalThis.document?.baseURI;
    const endpoint = new URL(url, base);
    const endpoints = Object.fromEntries(
      Object.entries(settings.endpoints).map(([type, at]) => [type, new URL(at, base)]),
    );
    this.#http = { endpoint, headers: this.#headers, fetch: settings.fetch };
    this.#route = platformRoute({ ...settings, ...this.#http, endpoints });
    this.#subscriptions = new Subscriptions(this.#progress, {
      isOpen: () => this.#link.open,
      send: (message, done) => this.#link.send(message, done),
      failed: (error, channel) => this.emit("error", error, channel),
      gap: (gap) => this.emit("gap", gap),
      recovered: (channel) => this.emit("recovered", channel),
    });
    const config: SessionConfig = {
      ...settings,
      timeout: settings.timeout * 1000,
      interval: settings.interval * 1000,
      retry: settings.retry * 1000,
      extensions: this.#extensions,
    };
    const makeSession = (hooks: LinkHooks) => new Session(this.#route, this.#progress, config, hooks);
    const shared = settings.share ? platform() : undefined;
    this.#link = shared
      ? new SharedLink(`pandapush ${endpoint}`, shared, this.#progress, this.#hooks(), makeSession)
      : makeSession(this.#hooks());
    const page = {
      wake: (suspect: boolean) => this.#link.wake(suspect),
      sleep: () => this.#link.sleep?.(),
      clientId: () => (this.#autodisconnect && this.#link.last ? this.#link.clientId : ""),
    };
    watchPage(endpoint, page, this.#ended.signal);
  }

  /** Where the client is. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** The server's name of the session, "" while there is none. A back end can leave this client out of a publish by it. */
  get clientId(): string {
    return this.#link.clientId;
  }

  /**
   * Subscribes to a public channel, or to a pattern that ends in `/*` or `/**`; to several with an array of them, which
   * returns an array. The callback is handed the data of each message; `context` is its `this`.
   */
  subscribe(
    channel: string,
    callback?: MessageCallback | null,
    context?: unknown,
    options?: SubscribeOptions,
  ): Subscription;
  subscribe(
    channels: readonly string[],
    callback?: MessageCallback | null,
    context?: unknown,
    options?: SubscribeOptions,
  ): Subscription[];
  subscribe(
    channel: string | readonly string[],
    callback: MessageCallback | null = null,
    context?: unknown,
    options?: SubscribeOptions,
  ): Subscription | Subscription[] {
    if (typeof channel !== "string") {
      return channel.map((one) => this.subscribe(one, callback, context, options));
    }
    return this.#subscribe(channel, undefined, callback && ((...args) => callback.apply(context, args)), options);
  }

  /**
   * Subscribes with a token, which `publish` to the same channel uses as well. A function is asked for one before every
   * subscribe and publish, and before the one that it gave expires; it may return a promise.
   *
   * On a presence channel the callback is also handed the roster, `{subscribe: {id: object}}`, in the beginning, in every new
   * session, and when the token is renewed; `presence` gives a roster that keeps itself true.
   */
  subscribeTo(
    channel: string,
    token: TokenSource,
    callback?: MessageCallback | null,
    options?: SubscribeOptions,
  ): Subscription {
    return this.#subscribe(channel, token, callback ?? null, options);
  }

  /** Ends a subscription, or all to that channel or those channels. */
  unsubscribe(channel: string | readonly string[], subscription?: Subscription): void {
    for (const one of typeof channel === "string" ? [channel] : channel) {
      this.#subscriptions.remove(one, subscription);
    }
  }

  /** Publishes with the token that the channel was subscribed to with. */
  publish(channel: string, data: unknown, options?: PublishOptions): Publication {
    return this.publishTo(channel, this.#subscriptions.token(channel), data, options);
  }

  /** Publishes with a token. */
  publishTo(channel: string, token: TokenSource, data: unknown, options: PublishOptions = {}): Publication {
    const publication = new Publication();
    const done = (outcome: Incoming | BayeuxError) => {
      this.#publishing--;
      publication.settle(outcome instanceof BayeuxError ? outcome : undefined);
    };
    const bounds = limits(options);
    if (options.deadline !== undefined) {
      publication.timeout(options.deadline, new BayeuxError("Given up"));
    }
    const send = (text: string | null) =>
      this.#closed ? done(this.#closed) : this.#link.send({ channel, data, ext: auth(text) }, done, bounds);
    this.#publishing++;
    const refusal = this.#publishing > maxPublishing ? "Too many messages waiting" : whyNotJSON(data);
    if (refusal) {
      done(new BayeuxError(refusal));
    } else {
      ask(this.#closed ? null : token, channel, send, done);
    }
    return publication;
  }

  /**
   * Subscribes to a presence channel for the sake of who is there: the token says who this client is to the others. The
   * roster is kept true from then on.
   */
  presence(channel: string, token: TokenSource): Roster {
    const roster = new Roster((callback) => this.#subscribe(channel, token, callback));
    this.#subscriptions.refresh(channel);
    return roster;
  }

  /** Reads what is retained of a channel or pattern; with the token that it was subscribed to with, or with another. */
  history(channel: string, options: HistoryOptions & { token?: TokenSource } = {}): Promise<History> {
    const { token = this.#subscriptions.token(channel), ...query } = options;
    return new Promise<string | null>((use, fail) => ask(token, channel, use, fail)).then((text) =>
      readHistory(this.#http, channel, text, query),
    );
  }

  /** Tries every transport with a session of its own, and tells which of them work and why others do not. */
  diagnose(): Promise<Trial[]> {
    return diagnose(this.#route);
  }

  /** Opens the connection now, and calls `callback` when there is a session; `context` is its `this`. */
  connect(callback?: () => void, context?: unknown): void {
    const opened = () => callback?.call(context);
    if (this.#link.open) {
      opened();
      return;
    }
    this.#opening.push(opened);
    this.#link.start();
  }

  /** The same as `connect`. */
  handshake: this["connect"] = this.connect;

  /** Ends the session and every subscription. The client can't be used again. */
  disconnect(): Publication {
    const publication = new Publication();
    void this.#link.disconnect().then(() => publication.settle());
    return publication;
  }

  /**
   * Does without a transport: "websocket", "eventsource" or "long-polling"; the last one stays. Or, with "autodisconnect",
   * does not end the session when the page goes away. Anything else is ignored.
   */
  disable(feature: string): void {
    this.#autodisconnect &&= feature !== "autodisconnect";
    this.#route.disable(feature);
  }

  /** Sets a header of all HTTP requests to come; also of WebSockets, if they are those of the `ws` package. */
  setHeader(name: string, value: string): void {
    this.#headers[name] = value;
  }

  /** Has every message pass through `extension`. */
  addExtension(extension: Extension<Client>): void {
    this.#extensions.add(extension);
  }

  /** Ends that. */
  removeExtension(extension: Extension<Client>): void {
    this.#extensions.remove(extension);
  }

  #subscribe(
    channel: string,
    token: TokenSource | undefined,
    callback: MessageCallback | null,
    options?: SubscribeOptions,
  ): Subscription {
    const subscription = this.#subscriptions.add(channel, token, callback, options);
    if (this.#closed) {
      this.#subscriptions.close(this.#closed);
    } else {
      this.#link.start();
    }
    return subscription;
  }

  #hooks(): LinkHooks {
    return {
      opened: () => {
        this.#subscriptions.opened();
        this.#opening.splice(0).forEach(protect);
      },
      resumed: () => this.#subscriptions.resumed(),
      closed: (reason) => this.#end(reason),
      delivered: (message) => this.#subscriptions.deliver(message),
      noticed: (message) => this.#noticed(message),
      reachable: (yes) => this.emit(yes ? "transport:up" : "transport:down"),
      changed: () => this.#changed(),
      failed: (error) => this.emit("error", error, null),
    };
  }

  /** The server has something to say: that messages are gone, or that a subscription has ended. */
  #noticed({ channel, subscription, successful, error, ext }: Incoming): void {
    if (channel === "/meta/gap" && isObject(ext?.gap)) {
      this.#subscriptions.lost({ ...(ext.gap as unknown as Gap), channel: undefined });
    } else if (channel === "/meta/unsubscribe" && subscription !== undefined && successful === false) {
      this.#subscriptions.ended(subscription, BayeuxError.parse(error));
    }
  }

  #changed(): void {
    const before = this.#state;
    this.#state = this.#link.state;
    if (this.#state !== before) {
      this.emit("state", this.#state, before);
    }
  }

  #end(reason: BayeuxError): void {
    this.#closed = reason;
    this.#subscriptions.close(reason);
    this.#ended.abort();
  }
}
