/** Rooms: the rules of presence, as Faye's clients and ours see them. */
import faye143 from "faye";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { WebSocket } from "ws";
import { Client } from "../src/index.js";
import { Inbox } from "./inbox.js";
import { settled } from "./peers.js";
import { devKey, Server } from "./server.js";
import { token } from "./token.js";

/** What a guest hears, in order: who is there, and then each message of the room. */
type Heard = { roster: unknown } | { message: unknown };

/** Somebody with a client of its own. */
interface Guest {
  readonly heard: Inbox<Heard>;
  /** Subscribes to a room as what `presence` says; resolves when that is confirmed. */
  enter(room: string, presence: object): PromiseLike<void>;
  leave(room: string): void;
  publish(room: string, data: unknown): PromiseLike<void>;
  disconnect(): PromiseLike<void>;
}

const kinds: { name: string; connect(url: string): Guest }[] = [
  { name: "pandapush-client, websocket", connect: (url) => pandapush(url, WebSocket) },
  { name: "pandapush-client, long-polling", connect: (url) => pandapush(url, null) },
  { name: "faye 1.4.3, websocket", connect: (url) => faye(url, []) },
  { name: "faye 1.4.3, long-polling", connect: (url) => faye(url, ["websocket"]) },
];

function ticket(room: string, presence: object): string {
  return token(devKey, { channel: room, sub: true, pub: true, presence });
}

function pandapush(url: string, socket: typeof WebSocket | null): Guest {
  const client = new Client(url, socket ? { WebSocket: socket } : {});
  client.disable(socket ? "long-polling" : "websocket");
  const heard = new Inbox<Heard>();
  const inside = new Map<string, { cancel(): void }>();
  const tickets = new Map<string, string>();
  return {
    heard,
    enter(room, presence) {
      let first = true; // the callback is handed the roster before anything else
      tickets.set(room, ticket(room, presence));
      const subscription = client.subscribeTo(room, ticket(room, presence), (data) => {
        heard.put(first ? { roster: data } : { message: data });
        first = false;
      });
      inside.set(room, subscription);
      return subscription.then(() => {});
    },
    leave: (room) => inside.get(room)?.cancel(),
    publish: (room, data) => client.publishTo(room, tickets.get(room) ?? null, data),
    disconnect: () => client.disconnect(),
  };
}

function faye(url: string, disabled: string[]): Guest {
  const client = new faye143.Client(url);
  for (const feature of disabled) {
    client.disable(feature);
  }
  const heard = new Inbox<Heard>();
  const tickets = new Map<string, string>();
  const inside = new Map<string, { cancel(): void }>();
  client.addExtension({
    outgoing(message, callback) {
      const text = tickets.get(message.subscription ?? message.channel);
      callback(text === undefined ? message : { ...message, ext: { auth: { token: text } } });
    },
    incoming(message, callback) {
      const presence = (message.ext as { presence?: unknown } | undefined)?.presence;
      if (presence !== undefined) {
        heard.put({ roster: presence });
      }
      callback(message);
    },
  });
  return {
    heard,
    enter(room, presence) {
      tickets.set(room, ticket(room, presence));
      const subscription = client.subscribe(room, (data) => heard.put({ message: data }));
      inside.set(room, subscription as unknown as { cancel(): void });
      return settled(subscription);
    },
    leave: (room) => inside.get(room)?.cancel(),
    publish: (room, data) => settled(client.publish(room, data)),
    disconnect: () => Promise.resolve(client.disconnect()),
  };
}

let server: Server;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
});
afterAll(() => server.stop());

describe.each(kinds)("$name", (kind) => {
  const guests: Guest[] = [];
  let rooms = 0;

  /** A room of the test's own. */
  function newRoom(): string {
    onTestFailed(() => {
      process.stderr.write(`${server.log}\n`);
    });
    return `/devapp/presence/${kind.name.replaceAll(/[^a-z0-9]/g, "-")}-${rooms++}`;
  }

  function connect(): Guest {
    const guest = kind.connect(`${server.url}/push`);
    guests.push(guest);
    return guest;
  }

  /** A guest who is in a room, and has heard who is there. */
  async function inside(room: string, presence: object, ...others: object[]): Promise<Guest> {
    const guest = connect();
    await guest.enter(room, presence);
    expect(await guest.heard.next()).toEqual({ roster: { subscribe: byId(presence, ...others) } });
    return guest;
  }

  function byId(...all: object[]): Record<string, object> {
    return Object.fromEntries(all.map((presence) => [String((presence as { id: unknown }).id), presence]));
  }

  afterEach(async () => {
    await Promise.all(guests.splice(0).map((guest) => guest.disconnect()));
  });

  test("who comes hears who is there, itself included; who is there hears who comes", async () => {
    const room = newRoom();
    const ann = { id: "ann", name: "Ann", deep: { n: [1, null] } };
    const bob = { id: 7 };
    const first = await inside(room, ann);
    const second = await inside(room, bob, ann);
    expect(await first.heard.next()).toEqual({ message: { subscribe: { 7: bob } } });
    await second.publish(room, { text: "hello" });
    // Nobody hears of its own coming.
    expect(await first.heard.next()).toEqual({ message: { text: "hello" } });
    expect(await second.heard.next()).toEqual({ message: { text: "hello" } });
  });

  test("leaving and disconnecting are heard at once", async () => {
    const room = newRoom();
    const [ann, bob, eve] = [{ id: "ann" }, { id: "bob" }, { id: "eve" }];
    const first = await inside(room, ann);
    const second = await inside(room, bob, ann);
    const third = await inside(room, eve, ann, bob);
    second.leave(room);
    await first.heard.next();
    await first.heard.next();
    expect(await first.heard.next()).toEqual({ message: { unsubscribe: { bob: null } } });
    await third.disconnect();
    expect(await first.heard.next()).toEqual({ message: { unsubscribe: { eve: null } } });
  });

  test("a user of two tabs is there once, and gone with the last", async () => {
    const room = newRoom();
    const [ann, bob] = [{ id: "ann" }, { id: "bob" }];
    const watcher = await inside(room, ann);
    const one = await inside(room, bob, ann);
    const two = await inside(room, bob, ann);
    await one.disconnect();
    await watcher.publish(room, { n: 1 });
    await two.disconnect();
    expect(await watcher.heard.next()).toEqual({ message: { subscribe: { bob } } });
    expect(await watcher.heard.next()).toEqual({ message: { n: 1 } });
    expect(await watcher.heard.next()).toEqual({ message: { unsubscribe: { bob: null } } });
  });

  test("newer data of a user is heard", async () => {
    const room = newRoom();
    const ann = { id: "ann" };
    const watcher = await inside(room, ann);
    await inside(room, { id: "bob", mood: "fine" }, ann);
    await inside(room, { id: "bob", mood: "better" }, ann);
    expect(await watcher.heard.next()).toEqual({ message: { subscribe: { bob: { id: "bob", mood: "fine" } } } });
    expect(await watcher.heard.next()).toEqual({ message: { subscribe: { bob: { id: "bob", mood: "better" } } } });
  });

  test("what a publisher makes look like a notice is delivered, and changes nothing", async () => {
    const room = newRoom();
    const ann = { id: "ann" };
    const first = await inside(room, ann);
    await first.publish(room, { subscribe: { eve: { id: "eve" } } });
    expect(await first.heard.next()).toEqual({ message: { subscribe: { eve: { id: "eve" } } } });
    await inside(room, { id: "bob" }, ann);
  });

  test("all rooms by a wildcard, without being in any", async () => {
    const base = newRoom();
    const ann = { id: "ann" };
    const watcher = connect();
    await watcher.enter(`${base}/*`, { id: "watcher" });
    await inside(`${base}/a`, ann);
    await inside(`${base}/b`, ann);
    const heard = [await watcher.heard.next(), await watcher.heard.next()];
    expect(heard.map((h) => ("message" in h ? h.message : "roster" in h && h.roster))).toEqual([
      { subscribe: { ann } },
      { subscribe: { ann } },
    ]);
  });

  test("refusals", async () => {
    const room = newRoom();
    const refusal = (presence: object) =>
      connect()
        .enter(room, presence)
        .then(
          () => "accepted",
          (error: { message: unknown }) => error.message,
        );
    for (const presence of [{}, { id: "" }, { id: null }, { id: {} }, { ID: "ann" }]) {
      expect(await refusal(presence)).toBe("No presence id specified in presence subscription");
    }
    expect(await refusal({ id: "ann", more: "x".repeat(5000) })).toBe("Presence data too large");
    await inside(room, { id: "ann" }); // and nobody else is there
  });
});
