/**
 * pandapush-client: subscribe and publish to Pandapush from browsers and Node.
 *
 * How a message passes through the files: `client` is what applications call; `subscriptions` knows who listens to what;
 * `session` keeps one Bayeux session; `dispatcher` sees to it that every request gets its reply; `transport/` carries both
 * over a WebSocket or over HTTP.
 */
export type { ClientEvents } from "./client.js";
export { Client } from "./client.js";
export { BayeuxError } from "./error.js";
export type { Options } from "./options.js";
export type { MessageCallback, Subscription } from "./subscription.js";
export type { TokenSource } from "./token.js";
