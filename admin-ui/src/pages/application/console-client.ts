import { Client, type Incoming, type SubscribeOptions, type Subscription } from "pandapush-client";
import { api, data } from "../../api/client.js";
import { EventLog } from "./event-log.js";
import { applyPresence, type Roster } from "./roster.js";

/** Who the console is on presence channels: an object with an id. */
export type Presence = Record<string, unknown>;

interface TokenWanted {
  channel: string;
  pub?: boolean;
  sub?: boolean;
  presence?: Presence | null;
}

/** What there is to say of the console's subscription. */
export interface SubscriptionState {
  channel: string | null;
  /** For people. */
  status: string;
  problem: boolean;
  roster: Roster;
}

const idle: SubscriptionState = { channel: null, status: "", problem: false, roster: new Map() };

/** Frames that came and have not been handed on. */
const maxFrames = 100;

/**
 * What the console does with the client library: one subscription at a time, whose events go into a log, and publishing.
 * `listen` and `state` are for useSyncExternalStore.
 */
export class ConsoleClient {
  readonly log = new EventLog();
  readonly #app: string;
  readonly #client = new Client(new URL("../push", document.baseURI));
  readonly #frames = new Map<string, Incoming>();
  readonly #listeners = new Set<() => void>();
  #state = idle;
  #subscription: Subscription | null = null;

  constructor(app: string) {
    this.#app = app;
    this.#client.addExtension({ incoming: (message, next) => this.#remember(message, next) });
    this.#client.on("state", (state, before) => {
      if (state === "reconnecting") {
        this.#say("The connection is lost. Trying again…");
      } else if (state === "connected" && before === "reconnecting") {
        this.#say("Connected again.");
      }
    });
    this.#client.on("gap", () => this.#say("Messages were missed: they are not kept any more.", true));
    this.#client.on("recovered", () => this.#say("Connected again. Nothing was missed."));
    this.#client.on("error", (error) => this.#say(error.message, true));
  }

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): SubscriptionState => this.#state;

  /** Begins a subscription in place of the one there was. */
  async subscribe(channel: string, presence: Presence | null, options: SubscribeOptions): Promise<void> {
    this.unsubscribe();
    this.#set({ ...idle, channel, status: "Subscribing…" });
    const open = channel.startsWith(`/${this.#app}/public/`);
    const token = open ? null : () => this.#clientToken({ channel, sub: true, presence });
    const subscription = this.#client.subscribeTo(
      channel,
      token,
      (data, on, { id, presence: kind }) => {
        if (kind !== undefined) {
          this.#set({ ...this.#state, roster: applyPresence(this.#state.roster, kind, data) });
        }
        const frame = this.#frame(id) ?? { channel: on, data };
        this.log.add({ channel: on, data: frame.data, id, kind, frame }); // the data of the frame, so that it is kept once
      },
      options,
    );
    this.#subscription = subscription;
    try {
      const { recovered } = await subscription;
      if (this.#subscription === subscription) {
        this.#say(recovered === false ? "Subscribed. Older messages are not kept any more." : "Subscribed.");
      }
    } catch (error) {
      if (this.#subscription === subscription) {
        this.#subscription = null;
        this.#set({ ...idle, status: error instanceof Error ? error.message : String(error), problem: true });
      }
    }
  }

  unsubscribe(): void {
    this.#subscription?.cancel();
    this.#subscription = null;
    this.#set(idle);
  }

  /** Publishes over the client's connection. Fails with the server's text. */
  async publish(channel: string, value: unknown): Promise<void> {
    await this.#client.publishTo(channel, () => this.#clientToken({ channel, pub: true }), value, { deadline: 10 });
  }

  /** Publishes as a back end does. Fails with the server's text. */
  async publishREST(channel: string, value: unknown): Promise<void> {
    const token = await this.#token({ channel, pub: true });
    const response = await fetch(new URL(`../channel${channel}`, document.baseURI), {
      method: "POST",
      headers: { Authorization: `Token ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(value),
      credentials: "omit",
    });
    if (!response.ok) {
      throw new Error(`${response.statusText} [${response.status}] ${await response.text()}`);
    }
  }

  /** Ends everything. */
  close(): void {
    this.#subscription = null;
    void this.#client.disconnect();
  }

  async #token(body: TokenWanted): Promise<string> {
    const params = { path: { applicationId: this.#app } };
    const { token } = await data(api.POST("/application/{applicationId}/token", { params, body }));
    return token;
  }

  /** The same for the client, which puts the kind of an error before its text: it fails with the text alone. */
  #clientToken(body: TokenWanted): Promise<string> {
    return this.#token(body).catch((error: Error) => Promise.reject(error.message));
  }

  #remember(message: Incoming, next: (message: Incoming) => void): void {
    if (message.id !== undefined && message.data !== undefined) {
      this.#frames.set(message.id, structuredClone(message));
      const oldest = this.#frames.keys().next();
      if (this.#frames.size > maxFrames && !oldest.done) {
        this.#frames.delete(oldest.value);
      }
    }
    next(message);
  }

  #frame(id: string | undefined): Incoming | undefined {
    const frame = id === undefined ? undefined : this.#frames.get(id);
    if (id !== undefined) {
      this.#frames.delete(id);
    }
    return frame;
  }

  /** Says something of the subscription, if there is one. */
  #say(status: string, problem = false): void {
    if (this.#state.channel !== null) {
      this.#set({ ...this.#state, status, problem });
    }
  }

  #set(state: SubscriptionState): void {
    this.#state = state;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
