import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, ConnectionError, PandapushError } from "pandapush-server";
import { pause, rest } from "../src/connection.js";
import { Server, serve, startCutter } from "./server.js";

test("publishes, and reads back", async (t) => {
  const client = (await Server.start(t)).client();
  const id = await client.publish("/devapp/private/a", { n: 1 }, { ttl: 60, exclude: "0123abc" });
  const results = await client.batch([
    { channel: "/devapp/private/a", data: { n: 2 }, ttl: 1.5 },
    { channels: ["/devapp/private/b", "/devapp/private/a"], data: { n: 3 } },
  ]);
  assert.deepEqual(
    results.map(({ channel }) => channel.at(-1)),
    ["a", "b", "a"],
  );

  const page = await client.history("/devapp/private/*", { limit: 2, order: "oldest", since: "1h" });
  assert.deepEqual(page.messages[0], { id, channel: "/devapp/private/a", data: { n: 1 }, notice: false });
  assert.equal(page.messages[1].id, results[0].id);
  const rest = await client.history("/devapp/private/*", { order: "oldest", since: page.next });
  assert.deepEqual(
    rest.messages.map((message) => message.id),
    [results[1].id, results[2].id],
  );
  assert.equal(rest.cursor, results[2].id);
});

test("stores once what has one key, and only if nothing is newer", async (t) => {
  const client = (await Server.start(t)).client();
  const once = { idempotencyKey: "order-1" };
  const first = await client.publish("/devapp/public/once", { order: 1 }, once);
  assert.equal(await client.publish("/devapp/public/once", { order: 1 }, once), first);
  const reused = await client.publish("/devapp/public/once", { order: 2 }, once).catch((error) => error);
  assert.ok(reused instanceof PandapushError);
  assert.deepEqual([reused.status, reused.kind], [409, "idempotency-key-reused"]);
  assert.ok(reused.requestId);

  const second = await client.publish("/devapp/public/once", { order: 3 }, { ifMatch: first });
  await assert.rejects(client.publish("/devapp/public/once", { order: 4 }, { ifMatch: first }), {
    kind: "changed",
    newest: second,
    cursor: second,
  });
});

test("stores once what it publishes over connections that are cut before the answer", async (t) => {
  const server = await Server.start(t);
  const cutter = await startCutter(t, server.port);
  const client = server.client({ url: cutter.url });
  const channel = "/devapp/public/cut";
  for (let n = 0; n < 40; n += 2) {
    await client.publish(channel, { n });
    await client.batch([{ channel, data: { n: n + 1 } }]);
  }
  assert.ok(cutter.cuts >= 20, `${cutter.cuts} connections were cut`);
  const { messages } = await server.client().history(channel, { since: "1h", order: "oldest" });
  assert.deepEqual(
    messages.map(({ data }) => data.n),
    Array.from({ length: 40 }, (_, n) => n),
  );
});

test("mints tokens", async (t) => {
  const server = await Server.start(t);
  const client = server.client();
  const options = { publish: true, subscribe: true, presence: { id: "änn" } };
  const token = client.token("/devapp/presence/**", options);
  const bearer = new Client({ url: server.url, token });
  await bearer.publish("/devapp/presence/room", {});
  const refused = await bearer.publish("/devapp/private/x", {}).catch((error) => error);
  assert.equal(refused.kind, "forbidden");
  assert.ok(!refused.message.includes(token));
  for await (const event of bearer.follow("/devapp/presence/room")) {
    assert.deepEqual(event, { type: "room", channel: "/devapp/presence/room", members: { änn: { id: "änn" } } });
    break;
  }
  assert.throws(() => client.token("/devapp/private/x", {}), /neither/);
  assert.throws(() => client.token("/devapp/private/x", { subscribe: true, life: -1 }), /life/);
  assert.throws(() => bearer.token("/devapp/private/x", { subscribe: true }), /key/);
});

test("sends nothing that can't be right", async () => {
  const client = new Client({ url: "http://127.0.0.1:1" });
  for (const channel of [
    "",
    "devapp/public/a",
    "/devapp/public",
    "/devapp/public/../../livez",
    "/devapp/public/a?b",
    "/devapp/public/a\n",
    undefined,
  ]) {
    await assert.rejects(client.publish(channel, {}), /invalid channel/);
  }
  await assert.rejects(client.publish("/devapp/public/a", undefined), /JSON/);
  await assert.rejects(client.batch([]), /not empty/);
  await assert.rejects(client.batch(undefined), /not empty/);
  await assert.rejects(client.publish("/devapp/public/a", {}, { idempotencyKey: "\u6f22" }), TypeError);
  for (const config of [
    { url: "ftp://host" },
    { url: "http://u:p@host" },
    { url: "http://host", key: "k" },
    { url: "http://host", token: "t", key: "k", secret: "s" },
  ]) {
    assert.throws(() => new Client(config), TypeError);
  }
});

test("tries again what may work later, under the same key", async (t) => {
  let answer;
  let keys;
  const url = await serve(t, (request, response) => {
    keys.push(request.headers["idempotency-key"]);
    response.writeHead(...answer).end("<p>busy</p>");
  });
  const client = new Client({ url, attempts: 3 });
  for (const [status, headers, sent] of [
    [503, { "Retry-After": "0" }, 3],
    [429, {}, 3],
    [502, {}, 3],
    [503, { "Retry-After": "3600" }, 1],
    [503, { "Retry-After": new Date(Date.now() + 3_600_000).toUTCString() }, 1],
    [401, {}, 1],
    [500, {}, 1],
    [301, { Location: "/elsewhere" }, 1],
  ]) {
    keys = [];
    answer = [status, headers];
    // A caller whose own key is missing has one all the same.
    await assert.rejects(client.publish("/devapp/public/a", {}, { idempotencyKey: null, ifMatch: null }), {
      name: "PandapushError",
      status,
      kind: "",
    });
    assert.equal(keys.length, sent, `status ${status}`);
    assert.equal(new Set(keys).size, 1);
    assert.match(keys[0], /^[0-9a-f-]{36}$/);
  }
});

test("waits longer and longer, and at least for Retry-After", () => {
  for (let attempt = 1; attempt < 2000; attempt++) {
    const wait = pause(attempt, { retryAfter: 2000 });
    assert.ok(wait >= 2000 && wait <= 12_000, `attempt ${attempt}: ${wait}`);
    assert.ok(pause(1, {}) <= 200);
  }
});

test("gives up a server that says nothing, and when it is told to", async (t) => {
  const url = await serve(t, () => {});
  const client = new Client({ url, timeout: 50, attempts: 2 });
  await assert.rejects(client.history("/devapp/public/a"), ConnectionError);
  await assert.rejects(client.follow("/devapp/public/a").next(), ConnectionError);
  const patient = new Client({ url, timeout: 60_000 });
  const stop = new AbortController();
  const call = patient.publish("/devapp/public/a", {}, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(call, /enough/);
});

test("tells why it was told to give up, also between two attempts", async () => {
  const stop = new AbortController();
  const waiting = rest(3_600_000, stop.signal);
  const enough = new Error("enough");
  stop.abort(enough);
  await assert.rejects(waiting, enough);
});
