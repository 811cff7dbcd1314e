/** The parts of untyped packages that the tests use. */

interface FayeMessage {
  channel: string;
  subscription?: string;
  ext?: Record<string, unknown>;
  error?: string;
  advice?: Record<string, unknown>;
}

interface FayeExtension {
  outgoing?(message: FayeMessage, callback: (message: FayeMessage) => void): void;
  incoming?(message: FayeMessage, callback: (message: FayeMessage) => void): void;
}

interface FayeResult {
  callback(callback: () => void): unknown;
  errback(callback: (error: unknown) => void): unknown;
}

interface FayeSubscription extends FayeResult {
  cancel(): void;
}

interface FayeClient {
  subscribe(channel: string, callback: (data: unknown) => void): FayeSubscription;
  publish(channel: string, data: unknown): FayeResult;
  disconnect(): PromiseLike<void> | undefined;
  disable(feature: string): void;
  addExtension(extension: FayeExtension): void;
  bind(event: "transport:up" | "transport:down", listener: () => void): void;
}

interface FayeServer {
  attach(server: import("node:http").Server): void;
  addExtension(extension: FayeExtension): void;
  on(event: "subscribe" | "unsubscribe", listener: (clientId: string, channel: string) => void): void;
  on(event: "disconnect", listener: (clientId: string) => void): void;
  close(): void;
}

interface FayePackage {
  Client: new (url: string) => FayeClient;
  NodeAdapter: new (options: { mount: string; timeout: number }) => FayeServer;
}

declare module "faye" {
  const faye: FayePackage;
  export default faye;
}

declare module "faye-1.4.1" {
  const faye: FayePackage;
  export default faye;
}

declare module "faye-1.2.4" {
  const faye: FayePackage;
  export default faye;
}

declare module "faye-1.0.3" {
  const faye: FayePackage;
  export default faye;
}

declare module "faye-0.8.9" {
  const faye: FayePackage;
  export default faye;
}

declare module "cometd-7" {
  const cometd: { CometD: typeof import("cometd").CometD };
  export default cometd;
}

declare module "cometd/AckExtension.js" {
  export const AckExtension: new () => import("cometd").Extension;
}

declare module "cometd/TimeSyncExtension.js" {
  export const TimeSyncExtension: new () => import("cometd").Extension & { getTimeOffset(): number };
}
