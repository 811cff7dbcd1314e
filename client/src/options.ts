import { Scheduler, type SchedulerClass } from "./scheduler.js";
import type { EventSourceConstructor } from "./transport/eventsource.js";
import type { TransportType } from "./transport/transport.js";
import type { WebSocketConstructor } from "./transport/websocket.js";

/** What a client can be told. Times are in seconds, as they are in Faye. */
export interface Options {
  /** How long the server holds a connect, until it says so itself. Default 60. */
  timeout?: number;
  /** The pause between two connects, until the server says so itself. Default 0. */
  interval?: number;
  /** The upper bound of the first pause after a failure; it doubles with each failure in a row, up to 30. Default 1. */
  retry?: number;
  /** Other URLs for some transports. */
  endpoints?: Partial<Record<TransportType, string | URL>>;
  /**
   * Has all pages of this origin that ask for it use one connection, where the browser can do that: it can in pages that
   * came by https or from localhost. Their extensions and headers should be alike. Default false.
   */
  share?: boolean;
  /**
   * Asks the server to end each subscription when its token expires, so that it goes on only with a new one. Default false:
   * then the server's own setting decides.
   */
  expiry?: boolean;
  /** A class that extends `Scheduler`, and decides how often a message is sent. */
  scheduler?: SchedulerClass;
  /** The WebSocket to use where the platform has none: in Node 20, the one of the `ws` package. Null for none. */
  WebSocket?: WebSocketConstructor | null;
  /** The EventSource to use where the platform has none. Null for none. */
  EventSource?: EventSourceConstructor | null;
  /** What makes HTTP requests, in place of the platform's `fetch`. */
  fetch?: typeof fetch;
}

type Defaults = Required<Omit<Options, "WebSocket" | "EventSource">> & Pick<Options, "WebSocket" | "EventSource">;

/** Checks `options` and fills in the defaults. Throws on an option that there is not, or that is no time. */
export function withDefaults(options: Options): Defaults {
  const defaults: Defaults = {
    timeout: 60,
    interval: 0,
    retry: 1,
    endpoints: {},
    share: false,
    expiry: false,
    scheduler: Scheduler,
    WebSocket: globalThis.WebSocket,
    EventSource: globalThis.EventSource,
    fetch: (...request) => globalThis.fetch(...request),
  };
  for (const [name, value] of Object.entries(options)) {
    if (!(name in defaults)) {
      throw new Error(`Unrecognized option: ${name}`);
    }
    if (typeof defaults[name as keyof Options] === "number" && !(value >= 0)) {
      throw new TypeError(`Option ${name} is a number of seconds`);
    }
  }
  return { ...defaults, ...options };
}
