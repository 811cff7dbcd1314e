/** The stories of the README, told by every client over every transport to the real server. */
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test, vi } from "vitest";
import { Inbox } from "./inbox.js";
import { kinds, type Peer } from "./peers.js";
import { devKey, Server } from "./server.js";
import { type Key, token } from "./token.js";

let server: Server;
let other: { id: string; key: Key };

beforeAll(async () => {
  server = await Server.prepare();
  other = await server.addApp("other");
  await server.start();
});
afterAll(() => server.stop());

function showLog(): void {
  process.stderr.write(`${server.log}\n`);
}

describe.each(kinds)("$name", (kind) => {
  const peers: Peer[] = [];

  function connect(): Peer {
    onTestFailed(showLog);
    const peer = kind.connect(`${server.url}/push`);
    peers.push(peer);
    return peer;
  }

  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.disconnect()));
  });

  /** The message that says why the server refused. */
  async function refusal(attempt: PromiseLike<void>): Promise<unknown> {
    return attempt.then(
      () => "accepted",
      (error: { message: unknown }) => error.message,
    );
  }

  test("a public channel", async () => {
    const inbox = new Inbox();
    await connect().subscribe("/devapp/public/x", null, inbox.put);
    await server.publish(devKey, "/devapp/public/x", { text: "héllo", n: [1, null, { deep: true }] });
    expect(await inbox.next()).toEqual({ text: "héllo", n: [1, null, { deep: true }] });
  });

  test("many messages arrive once each, and in order", async () => {
    const inbox = new Inbox();
    await connect().subscribe("/devapp/public/many", null, inbox.put);
    for (let n = 0; n < 100; n++) {
      await server.publish(devKey, "/devapp/public/many", { n });
    }
    for (let n = 0; n < 100; n++) {
      expect(await inbox.next()).toEqual({ n });
    }
    expect(inbox.size).toBe(0);
  });

  test("a private channel with a token", async () => {
    const inbox = new Inbox();
    const channel = "/devapp/private/x";
    await connect().subscribe(channel, token(devKey, { channel, sub: true }), inbox.put);
    await server.publish(devKey, channel, { text: "secret" });
    expect(await inbox.next()).toEqual({ text: "secret" });
  });

  test("* is one more level, ** is one or more", async () => {
    const inbox = new Inbox();
    const peer = connect();
    await peer.subscribe("/devapp/public/w/*", null, (data) => inbox.put(["one", data]));
    await peer.subscribe("/devapp/public/w/**", null, (data) => inbox.put(["more", data]));
    for (const path of ["w", "w/a/b", "w/a"]) {
      await server.publish(devKey, `/devapp/public/${path}`, { path });
    }
    expect(await inbox.next()).toEqual(["more", { path: "w/a/b" }]);
    const both = [await inbox.next(), await inbox.next()].sort();
    expect(both).toEqual([
      ["more", { path: "w/a" }],
      ["one", { path: "w/a" }],
    ]);
  });

  test("two applications with the same channel name do not hear each other", async () => {
    const [here, there] = [new Inbox(), new Inbox()];
    await connect().subscribe("/devapp/public/same", null, here.put);
    await connect().subscribe(`/${other.id}/public/same`, null, there.put);
    await server.publish(devKey, "/devapp/public/same", { from: "here" });
    await server.publish(other.key, `/${other.id}/public/same`, { from: "there" });
    await server.publish(devKey, "/devapp/public/same", { from: "here, again" });
    expect([await here.next(), await here.next()]).toEqual([{ from: "here" }, { from: "here, again" }]);
    expect(await there.next()).toEqual({ from: "there" });
    expect(here.size + there.size).toBe(0);
  });

  test("a client publishes to another, and to itself", async () => {
    const [mine, theirs] = [new Inbox(), new Inbox()];
    const channel = "/devapp/private/chat";
    const both = token(devKey, { channel, sub: true, pub: true });
    const peer = connect();
    await peer.subscribe(channel, both, mine.put);
    await connect().subscribe(channel, both, theirs.put);
    await peer.publish(channel, both, { text: "hello" });
    expect([await mine.next(), await theirs.next()]).toEqual([{ text: "hello" }, { text: "hello" }]);
  });

  test("refusals of a subscription", async () => {
    const peer = connect();
    const channel = "/devapp/private/refused";
    const attempt = (name: string, text: string | null) => refusal(peer.subscribe(name, text, () => {}));
    const claims = { channel, sub: true };
    expect(await attempt("/foo", null)).toBe("Invalid channel name");
    expect(await attempt(channel, null)).toBe("No auth supplied");
    expect(await attempt(channel, "nonsense")).toBe("Invalid token");
    expect(await attempt(channel, token({ ...devKey, id: "nobody" }, claims))).toBe("Could not find key");
    expect(await attempt(channel, token({ ...devKey, secret: "wrong" }, claims))).toBe("Invalid token provided");
    expect(await attempt(channel, token(devKey, { ...claims, exp: 1 }))).toBe("Invalid token provided");
    expect(await attempt(channel, token(devKey, { ...claims, channel: "/devapp/private/ref" }))).toBe(
      "Token does not match channel",
    );
    expect(await attempt(channel, token(devKey, { channel, pub: true }))).toBe("Token does not allow subscribing");
    expect(await attempt(channel, token(other.key, claims))).toBe("Could not find key");
    const room = "/devapp/presence/room";
    expect(await attempt(room, token(devKey, { channel: room, sub: true }))).toBe(
      "No presence id specified in presence subscription",
    );
    expect(await attempt(channel, token(devKey, claims))).toBe("accepted");
  });

  test("refusals of a publication", async () => {
    const peer = connect();
    const channel = "/devapp/public/refused";
    const attempt = (text: string | null) => refusal(peer.publish(channel, text, {}));
    expect(await attempt(null)).toBe("No auth supplied");
    expect(await attempt(token(devKey, { channel, sub: true }))).toBe("Token does not allow publishing");
    expect(await attempt(token(devKey, { channel, pub: true }))).toBe("accepted");
  });

  test("disconnect", async () => {
    const [gone, stays] = [new Inbox(), new Inbox()];
    const peer = kind.connect(`${server.url}/push`);
    await peer.subscribe("/devapp/public/bye", null, gone.put);
    await connect().subscribe("/devapp/public/bye", null, stays.put);
    await peer.disconnect();
    await server.publish(devKey, "/devapp/public/bye", { text: "anyone?" });
    await stays.next();
    expect(gone.size).toBe(0);
  });
});

test("subscriptions work again after the server was killed, for every client", async () => {
  onTestFailed(showLog);
  const channel = "/devapp/private/again";
  const all = kinds.map((kind) => ({ peer: kind.connect(`${server.url}/push`), inbox: new Inbox() }));
  const text = token(devKey, { channel, sub: true });
  await Promise.all(all.map(({ peer, inbox }) => peer.subscribe(channel, text, inbox.put)));

  await server.kill();
  await server.start();

  // No signal tells when a client is back: it need not even subscribe again if the server still knows it.
  await vi.waitFor(
    async () => {
      await server.publish(devKey, channel, { text: "again" });
      expect(all.map(({ inbox }) => inbox.size > 0)).toEqual(all.map(() => true));
    },
    { timeout: 40_000, interval: 200 },
  );
  await Promise.all(all.map(({ peer }) => peer.disconnect()));
});
