/** The clients that the same stories are told with. */
import faye143 from "faye";
import faye141 from "faye-1.4.1";
import { WebSocket } from "ws";
import { Client } from "../src/index.js";

/** What the stories need of a client. */
export interface Peer {
  subscribe(channel: string, token: string | null, callback: (data: unknown) => void): PromiseLike<void>;
  publish(channel: string, token: string | null, data: unknown): PromiseLike<void>;
  disconnect(): PromiseLike<void>;
}

export interface PeerKind {
  name: string;
  connect(url: string): Peer;
}

/** Every client over every transport. */
export const kinds: PeerKind[] = [
  { name: "pandapush-client, websocket", connect: (url) => pandapush(url, WebSocket) },
  { name: "pandapush-client, long-polling", connect: (url) => pandapush(url, null) },
  { name: "faye 1.4.3, websocket", connect: (url) => faye(faye143, url, []) },
  { name: "faye 1.4.3, long-polling", connect: (url) => faye(faye143, url, ["websocket"]) },
  { name: "faye 1.4.1, websocket", connect: (url) => faye(faye141, url, []) },
  { name: "faye 1.4.1, long-polling", connect: (url) => faye(faye141, url, ["websocket"]) },
];

function pandapush(url: string, socket: typeof WebSocket | null): Peer {
  const client = new Client(url, socket ? { WebSocket: socket } : {});
  // Without the one transport the other is really used: nothing can fall back unseen.
  client.disable(socket ? "long-polling" : "websocket");
  return {
    subscribe: (channel, token, callback) => client.subscribeTo(channel, token, callback).then(() => {}),
    publish: (channel, token, data) => client.publishTo(channel, token, data),
    disconnect: () => client.disconnect(),
  };
}

function faye(package_: FayePackage, url: string, disabled: string[]): Peer {
  const client = new package_.Client(url);
  for (const feature of disabled) {
    client.disable(feature);
  }
  const tokens = new Map<string, string | null>();
  client.addExtension({
    outgoing(message, callback) {
      const token = tokens.get(message.subscription ?? message.channel) ?? null;
      callback(token === null ? message : { ...message, ext: { auth: { token } } });
    },
  });
  return {
    subscribe(channel, token, callback) {
      tokens.set(channel, token);
      return client.subscribe(channel, callback);
    },
    publish(channel, token, data) {
      tokens.set(channel, token);
      return client.publish(channel, data);
    },
    disconnect: () => Promise.resolve(client.disconnect()),
  };
}
