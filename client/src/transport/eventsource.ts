import { type Outgoing, parse } from "../bayeux.js";
import { Timer } from "../timer.js";
import { LongPollingTransport } from "./longpolling.js";
import type { PostConfig } from "./post.js";
import { openWithin, type Transport, type TransportEvents } from "./transport.js";

/** The part of the standard EventSource that is used. */
export interface EventSourceLike {
  close(): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export type EventSourceConstructor = new (url: string) => EventSourceLike;

/**
 * Messages come by one response that does not end, which belongs to a session; everything else is posted. The connect goes
 * out when the response has begun, and tells the server that it arrives.
 */
export class EventSourceTransport implements Transport {
  readonly #config: PostConfig;
  readonly #construct: EventSourceConstructor;
  readonly #events: TransportEvents;
  readonly #posts: LongPollingTransport;
  #source: EventSourceLike | null = null;
  #open = false;
  #connects: readonly Outgoing[] = [];
  readonly #patience = new Timer();
  #ended = false;

  constructor(config: PostConfig, construct: EventSourceConstructor, events: TransportEvents) {
    this.#config = config;
    this.#construct = construct;
    this.#events = events;
    this.#posts = new LongPollingTransport(config, {
      receive: (messages) => events.receive(messages),
      down: (reason) => this.#down(reason),
    });
  }

  /** What is posted says nothing of the stream. */
  get works(): boolean {
    return this.#open;
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

  close(): void {
    this.#ended = true;
    this.#patience.stop();
    this.#source?.close();
    this.#posts.close();
  }

  #begin(clientId: string): EventSourceLike {
    const { origin, pathname } = this.#config.endpoint;
    const source = new this.#construct(`${origin}${pathname.replace(/\/$/, "")}/${clientId}`);
    this.#patience.start(openWithin, () => this.#down("the stream did not begin"));
    source.addEventListener("open", () => {
      this.#patience.stop();
      this.#open = true;
      this.#posts.send(this.#connects);
    });
    source.addEventListener("message", (event) => this.#received(String(event.data)));
    source.addEventListener("error", () => this.#down("the stream broke"));
    return source;
  }

  #received(text: string): void {
    if (this.#ended) {
      return;
    }
    try {
      this.#events.receive(parse(text));
    } catch (error) {
      this.#down(String(error));
    }
  }

  #down(reason: string): void {
    if (!this.#ended) {
      this.close();
      this.#events.down(reason);
    }
  }
}
