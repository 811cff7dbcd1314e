/** The parts of untyped packages that the tests use. */

interface FayeMessage {
  channel: string;
  subscription?: string;
  ext?: Record<string, unknown>;
  error?: string;
}

interface FayeExtension {
  outgoing?(message: FayeMessage, callback: (message: FayeMessage) => void): void;
  incoming?(message: FayeMessage, callback: (message: FayeMessage) => void): void;
}

interface FayeClient {
  subscribe(channel: string, callback: (data: unknown) => void): PromiseLike<void> & { cancel(): void };
  publish(channel: string, data: unknown): PromiseLike<void>;
  disconnect(): PromiseLike<void> | undefined;
  disable(feature: string): void;
  addExtension(extension: FayeExtension): void;
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
