/** What goes on in an application, as our client hears it. */
import { afterAll, beforeAll, expect, onTestFailed, test } from "vitest";
import { WebSocket } from "ws";
import { Client } from "../src/index.js";
import { Inbox } from "./inbox.js";
import { devKey, Server } from "./server.js";
import { token } from "./token.js";

let server: Server;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
});
afterAll(() => server.stop());

test("which channels are in use, from the first word on, and the numbers", async () => {
  onTestFailed(() => void process.stderr.write(`${server.log}\n`));
  const client = new Client(`${server.url}/push`, { WebSocket });
  await client.subscribe("/devapp/public/first", () => {});

  const listen = async (channel: string) => {
    const inbox = new Inbox<unknown>();
    await client.subscribeTo(channel, token(devKey, { channel, sub: true }), (data, _, { presence }) => {
      inbox.put([data, presence]);
    });
    return inbox;
  };
  const channels = await listen("/devapp/meta/channels");
  expect(await channels.next()).toEqual([{ occupied: ["/devapp/public/first"] }, undefined]);
  await client.subscribe("/devapp/public/second", () => {});
  expect(await channels.next()).toEqual([{ occupied: ["/devapp/public/second"] }, undefined]);

  const numbers = await listen("/devapp/meta/statistics");
  expect(await numbers.next()).toEqual([
    { source: "cluster", stats: expect.objectContaining({ sessions: expect.any(Number) }) },
    undefined,
  ]);
  await client.disconnect();
});
