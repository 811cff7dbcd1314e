/** The clients that the same stories are told with. */
import faye143 from "faye";
import faye089 from "faye-0.8.9";
import faye103 from "faye-1.0.3";
import faye124 from "faye-1.2.4";
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

/** The versions of Faye's client that are still around: each talks a little differently. */
export const fayes = [
  { version: "1.4.3", package_: faye143 },
  { version: "1.4.1", package_: faye141 },
  { version: "1.2.4", package_: faye124 },
  { version: "1.0.3", package_: faye103 },
  { version: "0.8.9", package_: faye089 },
];

/** Every client over every transport. */
export const kinds: PeerKind[] = [
  { name: "pandapush-client, websocket", connect: (url) => pandapush(url, WebSocket) },
  { name: "pandapush-client, long-polling", connect: (url) => pandapush(url, null) },
  ...fayes.flatMap(({ version, package_ }) => [
    { name: `faye ${version}, websocket`, connect: (url: string) => faye(package_, url, []) },
    { name: `faye ${version}, long-polling`, connect: (url: string) => faye(package_, url, ["websocket"]) },
  ]),
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

/** Turns what Faye returns into a promise: before 1.0 it is none. */
export function settled(result: FayeResult): Promise<void> {
  return new Promise((resolve, reject) => {
    result.callback(() => resolve());
    result.errback(reject);
  });
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
      return settled(client.subscribe(channel, callback));
    },
    publish(channel, token, data) {
      tokens.set(channel, token);
      return settled(client.publish(channel, data));
    },
    disconnect: () => Promise.resolve(client.disconnect()),
  };
}
