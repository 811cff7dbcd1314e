import type { WebSocketConstructor } from "./transport/websocket.js";

/** What a client can be told. Times are in seconds, as they are in Faye. */
export interface Options {
  /** How long the server holds a connect, until it says so itself. Default 60. */
  timeout?: number;
  /** The pause between two connects, until the server says so itself. Default 0. */
  interval?: number;
  /** The upper bound of the first pause after a failure; it doubles with each failure in a row, up to 30. Default 1. */
  retry?: number;
  /** The WebSocket to use where the platform has none: in Node 20, the one of the `ws` package. */
  WebSocket?: WebSocketConstructor;
}

/** Checks `options` and fills in the defaults. Throws on an option that there is not, or that is no time. */
export function withDefaults(options: Options): Required<Omit<Options, "WebSocket">> & Pick<Options, "WebSocket"> {
  const defaults = { timeout: 60, interval: 0, retry: 1, WebSocket: globalThis.WebSocket };
  for (const [name, value] of Object.entries(options)) {
    if (!(name in defaults)) {
      throw new Error(`Unrecognized option: ${name}`);
    }
    if (name !== "WebSocket" && !(typeof value === "number" && value >= 0)) {
      throw new TypeError(`Option ${name} is a number of seconds`);
    }
  }
  return { ...defaults, ...options };
}
