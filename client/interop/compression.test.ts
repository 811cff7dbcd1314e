/** Compressed messages over WebSocket, where the server is set to them. */
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { WebSocket } from "ws";
import { Client } from "../src/index.js";
import { Inbox } from "./inbox.js";
import { devKey, Server } from "./server.js";
import { token } from "./token.js";

let server: Server;

beforeAll(async () => {
  server = await Server.prepare({ WEBSOCKET_COMPRESSION: "true" });
  await server.start();
});
afterAll(() => server.stop());

/** A socket that tells what it has agreed to with the server. */
class Observed extends WebSocket {
  static readonly agreed = new Inbox<string>();

  constructor(url: string) {
    super(url, { perMessageDeflate: { threshold: 0 } });
    this.on("open", () => Observed.agreed.put(this.extensions));
  }
}

test("messages of all lengths arrive, both ways", async () => {
  onTestFailed(() => {
    process.stderr.write(`${server.log}\n`);
  });
  const client = new Client(`${server.url}/push`, { WebSocket: Observed });
  client.disable("long-polling");
  client.disable("eventsource");
  const channel = "/devapp/private/long";
  const both = token(devKey, { channel, sub: true, pub: true });
  const inbox = new Inbox();
  await client.subscribeTo(channel, both, inbox.put);
  expect(await Observed.agreed.next()).toBe("permessage-deflate");
  for (const length of [0, 1, 500, 5_000, 100_000]) {
    const data = { text: "é".repeat(length / 2) };
    await client.publishTo(channel, both, data);
    expect(await inbox.next()).toEqual(data);
  }
  await client.disconnect();
});
