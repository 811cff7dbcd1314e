/** CometD's own clients with the real server. */
import { CometD as CometD9, type Message } from "cometd";
import { AckExtension } from "cometd/AckExtension.js";
import { TimeSyncExtension } from "cometd/TimeSyncExtension.js";
import cometd7 from "cometd-7";
import { CometD as CometD8 } from "cometd-8";
import { adapt } from "cometd-nodejs-client";
import { afterAll, beforeAll, describe, expect, onTestFailed, test, vi } from "vitest";
import { Inbox } from "./inbox.js";
import { devKey, Server } from "./server.js";
import { token } from "./token.js";

let server: Server;

beforeAll(async () => {
  adapt();
  server = await Server.prepare();
  await server.start();
});
afterAll(() => server.stop());

/** Turns a function that takes a callback for a reply into a promise of the reply. */
function reply(call: (done: (message: Message) => void) => void): Promise<Message> {
  return new Promise((resolve) => call(resolve));
}

const channel = "/devapp/private/cometd";
const ext = { auth: { token: token(devKey, { channel, sub: true, pub: true }) } };

const kinds = [
  { version: 7, Client: cometd7.CometD },
  { version: 8, Client: CometD8 },
  { version: 9, Client: CometD9 },
].flatMap((kind) => ["websocket", "long-polling"].map((transport) => ({ ...kind, transport })));

/** Makes a client that has just one transport. */
function create(Client: typeof CometD9, transport: string): CometD9 {
  onTestFailed(() => {
    process.stderr.write(`${server.log}\n`);
  });
  const cometd = new Client();
  for (const other of ["websocket", "long-polling", "callback-polling"]) {
    if (other !== transport) cometd.unregisterTransport(other);
  }
  cometd.configure({ url: `${server.url}/push` });
  return cometd;
}

describe.each(kinds)("cometd $version, $transport", ({ Client, transport }) => {
  test("handshake, subscribe and publish in one batch, receive, disconnect", async () => {
    const cometd = create(Client, transport);
    expect(await reply((done) => cometd.handshake(done))).toMatchObject({ successful: true });

    const inbox = new Inbox<Message>();
    const replies = new Inbox<Message>();
    cometd.batch(() => {
      cometd.subscribe(channel, inbox.put, { ext }, replies.put);
      cometd.publish(channel, { from: "cometd" }, { ext }, replies.put);
    });
    expect(await replies.next()).toMatchObject({ successful: true });
    expect(await replies.next()).toMatchObject({ successful: true });
    expect(await inbox.next()).toMatchObject({ channel, data: { from: "cometd" } });

    await server.publish(devKey, channel, { from: "curl" });
    expect(await inbox.next()).toMatchObject({ channel, data: { from: "curl" } });

    const refused = await reply((done) => cometd.subscribe("/devapp/private/other", () => {}, {}, done));
    expect(refused).toMatchObject({
      successful: false,
      error: "No auth supplied",
      subscription: "/devapp/private/other",
    });

    const goodbye = await reply((done) => cometd.disconnect(done));
    expect(goodbye.successful, JSON.stringify(goodbye)).toBe(true);
    expect(cometd.getStatus()).toBe("disconnected");
  });

  test("a restart that loses the session", async () => {
    const cometd = create(Client, transport);
    const inbox = new Inbox<Message>();
    cometd.addListener("/meta/handshake", (message: Message) => {
      if (message.successful) cometd.subscribe(channel, inbox.put, { ext });
    });
    await reply((done) => cometd.handshake(done));
    await server.replace();
    await vi.waitFor(
      async () => {
        await server.publish(devKey, channel, { text: "again" });
        expect(inbox.size).toBeGreaterThan(0);
      },
      { timeout: 40_000, interval: 200 },
    );
    await reply((done) => cometd.disconnect(done));
  });
});

describe.each(["websocket", "long-polling"])("cometd 9, %s", (transport) => {
  test("the server's clock is known", async () => {
    const cometd = create(CometD9, transport);
    const timesync = new TimeSyncExtension();
    cometd.registerExtension("timesync", timesync);
    const handshake = await reply((done) => cometd.handshake(done));
    expect(handshake.ext).toMatchObject({ timesync: { p: expect.any(Number), ts: expect.any(Number) } });
    const connect = await new Promise<Message>((resolve) => cometd.addListener("/meta/connect", resolve));
    expect(connect.ext).toMatchObject({ timesync: { tc: expect.any(Number) } });
    expect(Math.abs(timesync.getTimeOffset())).toBeLessThan(60_000);
    await reply((done) => cometd.disconnect(done));
  });

  test("several clients in one program", async () => {
    const clients = [create(CometD9, transport), create(CometD9, transport)];
    const inboxes = clients.map(() => new Inbox<Message>());
    for (const [i, cometd] of clients.entries()) {
      await reply((done) => cometd.handshake(done));
      await reply((done) => cometd.subscribe(channel, (inboxes[i] as Inbox<Message>).put, { ext }, done));
    }
    await server.publish(devKey, channel, { to: "both" });
    for (const inbox of inboxes) {
      expect((await inbox.next()).data).toEqual({ to: "both" });
    }
    await Promise.all(clients.map((cometd) => reply((done) => cometd.disconnect(done))));
  });

  test("the acknowledgement extension is used, and messages arrive once and in order", async () => {
    const cometd = create(CometD9, transport);
    const acknowledged = new Inbox<number>();
    cometd.registerExtension("ack", new AckExtension());
    cometd.addListener("/meta/connect", (message: Message) => {
      if (message.successful) acknowledged.put((message.ext as { ack: number }).ack);
    });
    const handshake = await reply((done) => cometd.handshake(done));
    expect(handshake.ext).toMatchObject({ ack: true });
    const inbox = new Inbox<Message>();
    await reply((done) => cometd.subscribe(channel, inbox.put, { ext }, done));
    for (let n = 0; n < 50; n++) {
      await server.publish(devKey, channel, { n });
    }
    for (let n = 0; n < 50; n++) {
      expect((await inbox.next()).data).toEqual({ n });
    }
    const first = await acknowledged.next();
    expect(await acknowledged.next()).toBe(first + 1);
    await reply((done) => cometd.disconnect(done));
    expect(inbox.size).toBe(0);
  });
});
