/** CometD's own client with the real server. */
import { CometD, type Message } from "cometd";
import { adapt } from "cometd-nodejs-client";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
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

describe.each(["websocket", "long-polling"])("%s", (transport) => {
  test("handshake, subscribe and publish in one batch, receive, disconnect", async () => {
    onTestFailed(() => {
      process.stderr.write(`${server.log}\n`);
    });
    const cometd = new CometD();
    for (const other of ["websocket", "long-polling", "callback-polling"]) {
      if (other !== transport) cometd.unregisterTransport(other);
    }
    cometd.configure({ url: `${server.url}/push` });
    expect(await reply((done) => cometd.handshake(done))).toMatchObject({ successful: true });

    const channel = "/devapp/private/cometd";
    const ext = { auth: { token: token(devKey, { channel, sub: true, pub: true }) } };
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

    expect(await reply((done) => cometd.disconnect(done))).toMatchObject({ successful: true });
    expect(cometd.getStatus()).toBe("disconnected");
  });
});
