import { type EventSourceConstructor, EventSourceTransport } from "./eventsource.js";
import { LongPollingTransport } from "./longpolling.js";
import type { PostConfig } from "./post.js";
import { type Candidate, Route } from "./route.js";
import type { TransportType } from "./transport.js";
import { type WebSocketConstructor, WebSocketTransport } from "./websocket.js";

export interface PlatformConfig extends PostConfig {
  /** URLs that differ from `endpoint`, by transport. */
  endpoints: Partial<Record<TransportType, URL>>;
  /** Nothing where there is none, as in Node 20. */
  WebSocket?: WebSocketConstructor | null;
  /** Nothing where there is none, as in Node. */
  EventSource?: EventSourceConstructor | null;
}

/** The transports that there are, the best first. */
export function platformRoute(config: PlatformConfig): Route {
  const { endpoints, headers, WebSocket, EventSource } = config;
  const at = (type: TransportType) => endpoints[type] ?? config.endpoint;
  const post = (type: TransportType) => ({ endpoint: at(type), headers, fetch: config.fetch });
  const candidates: Candidate[] = [];
  if (WebSocket) {
    candidates.push({
      type: "websocket",
      open: (events) => new WebSocketTransport(at("websocket"), headers, WebSocket, events),
    });
  }
  if (EventSource) {
    candidates.push({
      type: "eventsource",
      open: (events) => new EventSourceTransport(post("eventsource"), EventSource, events),
    });
  }
  candidates.push({
    type: "long-polling",
    open: (events) => new LongPollingTransport(post("long-polling"), events),
  });
  return new Route(candidates);
}
