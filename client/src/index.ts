/**
 * pandapush-client: subscribe and publish to Pandapush from browsers and Node.
 *
 * How a message passes through the files: `client` is what applications call; `subscriptions` knows who listens to what;
 * `topic` is one of them; `session` keeps one Bayeux session; `dispatcher` sees to it that every request gets its reply;
 * `transport/` carries both over a WebSocket or over HTTP. `shared/` stands between the first two and `session` where pages
 * share one.
 */
export type { Advice, Incoming, Outgoing } from "./bayeux.js";
export type { ClientEvents } from "./client.js";
export { Client } from "./client.js";
export { Deferrable } from "./deferrable.js";
export type { Trial } from "./diagnose.js";
export type { EventMap } from "./emitter.js";
export { Emitter } from "./emitter.js";
export { BayeuxError } from "./error.js";
export type { Extension, Next, Step } from "./extensions.js";
export type { History, HistoryOptions, PastMessage } from "./history.js";
export type { ConnectionState } from "./link.js";
export type { Options } from "./options.js";
export type { Publication, PublishOptions } from "./publication.js";
export type { Member, RosterEvents } from "./roster.js";
export { Roster } from "./roster.js";
export type { SchedulerClass, SchedulerOptions } from "./scheduler.js";
export { Scheduler } from "./scheduler.js";
export type { Delivery, MessageCallback, Started, SubscribeOptions, Subscription } from "./subscription.js";
export type { TokenSource } from "./token.js";
export type { Gap } from "./topic.js";
export type { EventSourceConstructor, EventSourceLike } from "./transport/eventsource.js";
export type { TransportType } from "./transport/transport.js";
export type { WebSocketConstructor, WebSocketLike } from "./transport/websocket.js";
