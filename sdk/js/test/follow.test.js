import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, EndedError } from "pandapush-server";
import { Server, serve } from "./server.js";

test("follows over a server that is killed and started anew: each message once, in order", async (t) => {
  const server = await Server.start(t);
  const client = server.client();
  const channel = "/devapp/private/follow";
  const count = 30;
  const since = await client.publish(channel, { n: -1 });
  let restarted;
  const half = new Promise((resolve) => {
    restarted = resolve;
  });
  const publish = async () => {
    for (let n = 0; n < count; n++) {
      if (n === count / 2) await half;
      await client.publish(channel, { n });
    }
  };
  const published = publish();
  let n = 0;
  for await (const event of client.follow(["/devapp/private/*", "/devapp/public/a"], { since })) {
    assert.deepEqual([event.type, event.channel, event.data], ["message", channel, { n }]);
    if (++n === count) break;
    if (n === count / 2) restarted(server.restart());
  }
  await published;
  assert.equal(n, count);
});

test("ends when it is refused, and when it is told to", async (t) => {
  const server = await Server.start(t);
  const stranger = new Client({ url: server.url });
  await assert.rejects(stranger.follow("/devapp/private/a").next(), { status: 401 });
  await assert.rejects(stranger.follow([]).next(), /invalid channel/);
  const stop = new AbortController();
  const events = stranger.follow("/devapp/public/a", { signal: stop.signal });
  const next = events.next();
  stop.abort(new Error("enough"));
  await assert.rejects(next, /enough/);
});

test("understands all that a server can say, over several connections", async (t) => {
  const parts = [
    'retry: 1\n\n:\nid: a-1-0\n\nevent: presence\ndata: {"channel":"/x/presence/r","presence":{"subscribe":{"b":{"id":"b"}}}}\n\n',
    'id: a-2-0\ndata: {"channel":"/x/presence/r",\r\ndata: "data":{},"id":"a-2-0","ext":{"notice":"presence"}}\r\n\r\nid: a-3-0\ndata: {}\n',
    'event: new\ndata: what\n\nevent: gap\nid: a-5-0\ndata: {"app":"x","from":"a-2-0","to":"a-5-0","reason":"trimmed"}\n\n',
    'event: end\ndata: {"reason":"Revoked key"}\n\n',
  ];
  const asked = [];
  const url = await serve(t, (request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).end(parts[asked.length]);
    asked.push(request.headers["last-event-id"]);
  });
  const got = [];
  await assert.rejects(
    async () => {
      for await (const event of new Client({ url }).follow("/x/presence/r")) got.push(event);
    },
    (error) => error instanceof EndedError && error.reason === "Revoked key",
  );
  assert.deepEqual(got, [
    { type: "room", channel: "/x/presence/r", members: { b: { id: "b" } } },
    { type: "message", id: "a-2-0", channel: "/x/presence/r", data: {}, notice: true },
    { type: "gap", reason: "trimmed", from: "a-2-0", to: "a-5-0" },
  ]);
  assert.deepEqual(asked, [undefined, "a-1-0", "a-2-0", "a-5-0"]);
});
