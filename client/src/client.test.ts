import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BayeuxError, Client } from "./index.js";

/** Answers every request as a server does that agrees to everything, but holds connects. */
function agree(body: string): Promise<Response> {
  const [message] = JSON.parse(body);
  if (message.channel === "/meta/connect") {
    return new Promise(() => {});
  }
  const replies = JSON.parse(body).map(({ channel, id }: { channel: string; id: string }) => ({
    channel,
    id,
    successful: true,
    clientId: "c1",
  }));
  return Promise.resolve(new Response(JSON.stringify(replies)));
}

let sent: { channel: string; ext?: unknown; data?: unknown }[];
let client: Client;

beforeEach(() => {
  sent = [];
  vi.stubGlobal("WebSocket", undefined);
  vi.stubGlobal("fetch", (_: URL, init: { body: string }) => {
    sent.push(...JSON.parse(init.body));
    return agree(init.body);
  });
  client = new Client("http://server/push");
});
afterEach(() => void vi.unstubAllGlobals());

const to = (channel: string) => sent.filter((message) => message.channel === channel);

test("nothing is sent before something is wanted", () => {
  expect(sent).toEqual([]);
});

test("publish takes the token of the channel's subscription", async () => {
  await client.subscribeTo(
    "/a",
    () => "t1",
    () => {},
  );
  await client.publish("/a", { n: 1 });
  await client.publishTo("/a", "t2", { n: 2 });
  await client.publish("/b", { n: 3 });
  expect(to("/a").map((message) => message.ext)).toEqual([{ auth: { token: "t1" } }, { auth: { token: "t2" } }]);
  expect(to("/b")[0]).not.toHaveProperty("ext");
  await client.disconnect();
});

test("a token that cannot be had refuses a publication", async () => {
  const published = client.publishTo("/a", () => Promise.reject(new Error("logged out")), {});
  await expect(published).rejects.toThrow("No token: Error: logged out");
});

test("after disconnect everything is refused", async () => {
  const events = vi.fn();
  client.on("error", events);
  await client.subscribe("/a", () => {});
  await client.disconnect();
  await client.disconnect();
  await expect(client.publish("/a", {})).rejects.toThrow(BayeuxError);
  await expect(client.subscribe("/a", () => {})).rejects.toThrow("Client disconnected");
  expect(to("/meta/disconnect")).toHaveLength(1);
  expect(events).not.toHaveBeenCalled();
});

test("disconnect before anything was sent sends nothing", async () => {
  await client.disconnect();
  expect(sent).toEqual([]);
});

test("a wrong URL is told at once", () => {
  expect(() => new Client("/push")).toThrow();
});
