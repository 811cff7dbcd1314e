/** Tokens that expire, where the server ends what they allowed. */
import faye from "faye";
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { WebSocket } from "ws";
import { Client } from "../src/index.js";
import { Inbox } from "./inbox.js";
import { devKey, Server } from "./server.js";
import { token } from "./token.js";

let server: Server;

beforeAll(async () => {
  server = await Server.prepare({ TOKEN_EXPIRY: "enforce" });
  await server.start();
});
afterAll(() => server.stop());

const channel = "/devapp/private/short";

/** A token that is good for two seconds or three. */
function short(): string {
  return token(devKey, { channel, sub: true, exp: Math.floor(Date.now() / 1000) + 3 });
}

test.each(["websocket", "long-polling"])(
  "a Faye client on %s begins anew, and asks the page for another token",
  async (transport) => {
    onTestFailed(() => {
      process.stderr.write(`${server.log}\n`);
    });
    const client = new faye.Client(`${server.url}/push`);
    if (transport === "long-polling") client.disable("websocket");
    const asked = new Inbox<string>();
    client.addExtension({
      outgoing(message, callback) {
        if (message.channel === "/meta/subscribe") {
          asked.put(message.channel);
          message.ext = { auth: { token: short() } };
        }
        callback(message);
      },
    });
    const inbox = new Inbox();
    await client.subscribe(channel, inbox.put);
    await asked.next();
    await asked.next(); // the first token has expired
    await expect
      .poll(
        async () => {
          await server.publish(devKey, channel, { text: "again" });
          return inbox.size;
        },
        { timeout: 20_000, interval: 100 },
      )
      .toBeGreaterThan(0);
    await client.disconnect();
  },
);

test("pandapush-client renews in time, and nobody sees a gap", async () => {
  onTestFailed(() => {
    process.stderr.write(`${server.log}\n`);
  });
  const client = new Client(`${server.url}/push`, { WebSocket });
  const asked = new Inbox<string>();
  const inbox = new Inbox<{ n: number }>();
  await client.subscribeTo(
    channel,
    () => {
      asked.put("token");
      return token(devKey, { channel, sub: true, exp: Math.floor(Date.now() / 1000) + 3 });
    },
    (data) => inbox.put(data as { n: number }),
  );
  await asked.next();
  let n = 0;
  let renewals = 0;
  asked.next().then(() => renewals++);
  while (renewals === 0) {
    await server.publish(devKey, channel, { n: n++ });
  }
  await server.publish(devKey, channel, { n: n++ });
  for (let want = 0; want < n; want++) {
    expect(await inbox.next()).toEqual({ n: want });
  }
  await client.disconnect();
});
