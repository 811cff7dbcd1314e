import type { Outgoing } from "../bayeux.js";
import { Connection } from "./connection.js";
import { LongPollingTransport } from "./longpolling.js";
import type { PostConfig } from "./post.js";
import { openWithin, type Transport, type TransportEvents } from "./transport.js";

/** The part of the standard EventSource that is used. */
export interface EventSourceLike {
  /** 2 when it is closed for good. */
  readonly readyState: number;
  close(): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export type EventSourceConstructor = new (url: string) => EventSourceLike;

/**
 * How long a stream that broke may take to come back, in milliseconds. The browser sees to that, at the moment that the
 * server gave it, and says what came last.
 */
const returnWithin = 30_000;

/**
 * Messages come by one response that does not end, which belongs to a session; everything else is posted. The connect goes
 * out when the response has begun, and tells the server that it arrives.
 */
export class EventSourceTransport extends Connection implements Transport {
  readonly #config: PostConfig;
  readonly #construct: EventSourceConstructor;
  readonly #posts: LongPollingTransport;
  #source: EventSourceLike | null = null;
  #open = false;
  /** What is posted says nothing of the stream: it must have been open. */
  works = false;
  #connects: readonly Outgoing[] = [];

  constructor(config: PostConfig, construct: EventSourceConstructor, events: TransportEvents) {
    super(events);
    this.#config = config;
    this.#construct = construct;
    this.#posts = new LongPollingTransport(config, {
      receive: (messages) => events.receive(messages),
      down: (reason, code) => this.down(reason, code),
    });
  }

  send(messages: readonly Outgoing[]): void {
    const clientId = messages.find((message) => message.channel === "/meta/connect")?.clientId;
    if (clientId === undefined || this.#open) {
      this.#posts.send(messages);
      return;
    }
    this.#connects = messages;
    this.#source ??= this.#begin(clientId);
  }

  override close(): void {
    super.close();
    this.#source?.close();
    this.#posts.close();
  }

  #begin(clientId: string): EventSourceLike {
    const { origin, pathname } = this.#config.endpoint;
    const source = new this.#construct(`${origin}${pathname.replace(/\/$/, "")}/${clientId}`);
    this.waitFor(openWithin, "the stream did not begin");
    source.addEventListener("open", () => {
      this.arrived();
      this.#open = true;
      this.works = true;
      if (this.#connects.length > 0) {
        this.#posts.send(this.#connects);
      }
      this.#connects = [];
    });
    source.addEventListener("message", (event) => this.received(event.data));
    source.addEventListener("error", () => {
      if (source.readyState === 2) {
        this.down("the stream was refused");
      } else if (this.#open) {
        this.#open = false;
        this.waitFor(returnWithin, "the stream broke");
      }
    });
    return source;
  }
}
