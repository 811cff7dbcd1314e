/** Our client with a plain Faye server, which knows neither cursors nor a presence extension. */
import { once } from "node:events";
import { createServer, type Server as HTTPServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import faye from "faye";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { BayeuxError, Client, type Options } from "../src/index.js";
import { Inbox } from "./inbox.js";

/** A Faye server in this process. */
class Faye {
  readonly bayeux = new faye.NodeAdapter({ mount: "/push", timeout: 2 });
  readonly subscribed = new Inbox<string>();
  readonly #http: HTTPServer = createServer();
  readonly #sockets = new Set<Socket>();

  async listen(port = 0): Promise<number> {
    this.bayeux.on("subscribe", (_, channel) => this.subscribed.put(channel));
    this.bayeux.attach(this.#http);
    this.#http.on("connection", (socket) => this.#sockets.add(socket));
    this.#http.listen(port, "127.0.0.1");
    await once(this.#http, "listening");
    return (this.#http.address() as AddressInfo).port;
  }

  /** Ends as a crash would: no farewell. */
  async kill(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#http.close();
    await once(this.#http, "close");
  }
}

let server: Faye;
let port: number;
let client: Client;

beforeEach(async () => {
  server = new Faye();
  port = await server.listen();
});
afterEach(async () => {
  await client.disconnect();
  await server.kill();
});

function connect(options: Options): Client {
  client = new Client(`http://127.0.0.1:${port}/push`, options);
  return client;
}

describe.each([
  { name: "websocket", options: { WebSocket, retry: 0.1 } },
  { name: "long-polling", options: { retry: 0.1 } },
])("$name", ({ name, options }) => {
  test("subscribe, publish, cancel", async () => {
    connect(options);
    if (name === "websocket") client.disable("long-polling");
    const inbox = new Inbox();
    const subscription = client.subscribe("/a/*", (data, channel) => inbox.put([data, channel]));
    await subscription;
    await client.publish("/a/b", { n: 1 });
    expect(await inbox.next()).toEqual([{ n: 1 }, "/a/b"]);
    subscription.cancel();
    await client.publish("/a/b", { n: 2 });
    expect(inbox.size).toBe(0);
  });

  test("an error of the protocol is taken apart", async () => {
    const refused = connect(options).subscribe("/meta/x", () => {});
    const error = await Promise.resolve(refused).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BayeuxError);
    expect(error).toMatchObject({ code: 403, params: ["/meta/x"], message: "Forbidden channel" });
    await expect(client.publish("/a b", {})).rejects.toThrow("Invalid channel");
  });

  test("connects that the server holds follow each other, and messages between them are not lost", async () => {
    connect(options);
    const inbox = new Inbox();
    await client.subscribe("/a", inbox.put);
    for (let n = 0; n < 50; n++) {
      await client.publish("/a", n);
    }
    for (let n = 0; n < 50; n++) {
      expect(await inbox.next()).toBe(n);
    }
  });

  test("after a restart it subscribes again, and asks for a new token", async () => {
    connect(options);
    const events = new Inbox<string>();
    client.on("transport:up", () => events.put("up"));
    client.on("transport:down", () => events.put("down"));
    let asked = 0;
    const inbox = new Inbox();
    await client.subscribeTo("/a", async () => `token ${++asked}`, inbox.put);
    expect(await events.next()).toBe("up");

    await server.kill();
    expect(await events.next()).toBe("down");
    const unsent = client.publish("/b", { n: 1 });
    server = new Faye();
    await server.listen(port);

    expect(await server.subscribed.next()).toBe("/a");
    expect(await events.next()).toBe("up");
    expect(asked).toBe(2);
    await unsent;
    await client.publishTo("/a", null, { n: 2 });
    expect(await inbox.next()).toEqual({ n: 2 });
  });
});

test("long-polling is used when the socket is refused", async () => {
  class Refused extends WebSocket {
    constructor() {
      super("ws://127.0.0.1:1/"); // nobody listens there
    }
  }
  connect({ WebSocket: Refused, retry: 0.1 });
  const inbox = new Inbox();
  await client.subscribe("/a", inbox.put);
  await client.publish("/a", { n: 1 });
  expect(await inbox.next()).toEqual({ n: 1 });
});

test("tokens reach the server, and the roster of a presence channel reaches the callback", async () => {
  const tokens = new Inbox();
  const roster = { subscribe: { ann: { id: "ann" } } };
  server.bayeux.addExtension({
    incoming(message, callback) {
      if (!message.channel.startsWith("/meta/") || message.channel === "/meta/subscribe") tokens.put(message.ext);
      callback(message);
    },
    outgoing(message, callback) {
      callback(message.channel === "/meta/subscribe" ? { ...message, ext: { presence: roster } } : message);
    },
  });
  const inbox = new Inbox();
  connect({ WebSocket });
  await client.subscribeTo("/app/presence/x", "t1", (data, channel) => inbox.put([data, channel]));
  expect(await inbox.next()).toEqual([roster, "/app/presence/x"]);
  expect(await tokens.next()).toEqual({ auth: { token: "t1" } });
  await client.publish("/app/presence/x", {});
  expect(await tokens.next()).toEqual({ auth: { token: "t1" } });
  await client.publishTo("/app/presence/x", () => "t2", {});
  expect(await tokens.next()).toEqual({ auth: { token: "t2" } });
});
