/** What only Faye's own clients do, told with each version over each transport. */
import { afterAll, beforeAll, describe, expect, onTestFailed, test, vi } from "vitest";
import { Inbox } from "./inbox.js";
import { fayes, settled } from "./peers.js";
import { devKey, Server } from "./server.js";

let server: Server;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
});
afterAll(() => server.stop());

/** Sends the key with every message. */
const signed: FayeExtension = {
  outgoing: (message, callback) => callback({ ...message, ext: { auth: { key: devKey.id, secret: devKey.secret } } }),
};

/** What the client says of an attempt that fails. */
function failure(result: FayeResult): Promise<unknown> {
  return settled(result).then(
    () => "no failure",
    (error: unknown) => error,
  );
}

const kinds = fayes.flatMap(({ version, package_ }) =>
  ["websocket", "long-polling"].map((transport) => ({ version, package_, transport })),
);

describe.each(kinds)("faye $version, $transport", ({ package_, transport }) => {
  function connect(): FayeClient {
    onTestFailed(() => {
      process.stderr.write(`${server.log}\n`);
    });
    const client = new package_.Client(`${server.url}/push`);
    if (transport === "long-polling") client.disable("websocket");
    client.addExtension(signed);
    return client;
  }

  // A client whose WebSocket fails would go on by polling, and pass all the rest.
  test("it uses that transport", async () => {
    const uses = (sockets: number, polls: number) =>
      vi.waitFor(async () => expect(await server.connections()).toEqual({ sockets, polls }), { timeout: 20_000 });
    await uses(0, 0);
    const client = connect();
    await settled(client.subscribe("/devapp/public/transport", () => {}));
    await (transport === "websocket" ? uses(1, 0) : uses(0, 1));
    client.disconnect();
  });

  test("a subscription that is cancelled", async () => {
    const client = connect();
    const [cancelled, stays] = [new Inbox(), new Inbox()];
    const subscription = client.subscribe("/devapp/public/cancel", cancelled.put);
    await settled(subscription);
    await settled(client.subscribe("/devapp/public/*", stays.put));
    await settled(client.publish("/devapp/public/cancel", 1));
    expect([await cancelled.next(), await stays.next()]).toEqual([1, 1]);
    subscription.cancel();
    await settled(client.publish("/devapp/public/cancel", 2));
    expect(await stays.next()).toBe(2);
    expect(cancelled.size).toBe(0);
    client.disconnect();
  });

  test("errors of the protocol are taken apart, and others are as they are", async () => {
    const client = connect();
    const ignore = () => {};
    expect(await failure(client.subscribe("/meta/x", ignore))).toMatchObject({
      code: 403,
      params: ["/meta/x"],
      message: "Forbidden channel",
    });
    expect(await failure(client.publish("/devapp/public/*", {}))).toMatchObject({
      code: 405,
      params: ["/devapp/public/*"],
      message: "Invalid channel",
    });
    expect(await failure(client.subscribe("/nosuch/private/x", ignore))).toMatchObject({
      code: null,
      params: [],
      message: "Could not find key",
    });
    client.disconnect();
  });

  test("a publish with advice harms nobody", async () => {
    const [victim, attacker] = [connect(), connect()];
    attacker.addExtension({
      outgoing: (message, callback) =>
        callback(message.channel.startsWith("/meta/") ? message : { ...message, advice: { reconnect: "none" } }),
    });
    const inbox = new Inbox();
    await settled(victim.subscribe("/devapp/public/victim", inbox.put));
    await settled(attacker.publish("/devapp/public/victim", 1));
    expect(await inbox.next()).toBe(1);
    await settled(victim.publish("/devapp/public/victim", 2));
    expect(await inbox.next()).toBe(2);
    victim.disconnect();
    attacker.disconnect();
  });
});

test("over a restart that loses all sessions, subscriptions work again and publishes are acknowledged", async () => {
  onTestFailed(() => {
    process.stderr.write(`${server.log}\n`);
  });
  const all = kinds.map(({ package_, transport }) => {
    const client = new package_.Client(`${server.url}/push`);
    if (transport === "long-polling") client.disable("websocket");
    client.addExtension(signed);
    return { client, inbox: new Inbox() };
  });
  await Promise.all(all.map(({ client, inbox }) => settled(client.subscribe("/devapp/private/lost", inbox.put))));
  await server.kill();
  const published = all.map(({ client }) => settled(client.publish("/devapp/public/meanwhile", {})));
  await server.replace();
  await Promise.all(published);
  // No signal tells when a client has subscribed again.
  await vi.waitFor(
    async () => {
      await server.publish(devKey, "/devapp/private/lost", { text: "again" });
      expect(all.map(({ inbox }) => inbox.size > 0)).toEqual(all.map(() => true));
    },
    { timeout: 40_000, interval: 200 },
  );
  for (const { client } of all) {
    client.disconnect();
  }
});
