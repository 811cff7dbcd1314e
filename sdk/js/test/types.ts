// Compiled, not run: what a caller in TypeScript writes, and the mistakes that it is told of.
import { Client, PandapushError } from "pandapush-server";

const client = new Client({ url: "http://localhost", key: "k", secret: "s" });
// @ts-expect-error: a key wants its secret
new Client({ url: "http://localhost", key: "k" });

const id: string = await client.publish("/a/public/b", { n: 1 }, { ttl: 30, ifMatch: "c" });
// @ts-expect-error: data is an object
await client.publish("/a/public/b", "text");
await client.batch(
  [
    { channel: "/a/public/b", data: {} },
    { channels: ["/a/public/b"], data: {} },
  ],
  { idempotencyKey: id },
);
// @ts-expect-error: one or the other
await client.batch([{ channel: "/a/public/b", channels: [], data: {} }]);
const { messages, next, gap } = await client.history("/a/public/*", { since: 10, order: "oldest" });
const facts: [unknown, string | undefined, string | undefined] = [messages[0]?.data, next, gap?.reason];
for await (const event of client.follow(["/a/public/b"], { signal: AbortSignal.timeout(1) })) {
  if (event.type === "room") facts[0] = Object.keys(event.members);
  else if (event.type === "gap") facts[1] = event.to;
  else facts[2] = event.id;
}
export const status = (error: unknown) => (error instanceof PandapushError ? error.status : undefined);
export const token: string = client.token("/a/presence/b", { subscribe: true, presence: { id: "ann" } });
