import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BayeuxError, Client, type Extension } from "./index.js";

/** Answers every request as a server does that agrees to everything, but holds connects. */
function agree(body: string): Promise<Response> {
  const [message] = JSON.parse(body);
  if (message.channel === "/meta/connect") {
    return new Promise((resolve) => {
      deliver = (messages) => resolve(new Response(JSON.stringify(messages)));
    });
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
let headers: unknown[];
/** Answers the connect that is held with messages. */
let deliver: (messages: unknown[]) => void;
let client: Client;

beforeEach(() => {
  sent = [];
  headers = [];
  vi.stubGlobal("WebSocket", undefined);
  vi.stubGlobal("fetch", (_: URL, init: { body: string; headers: unknown }) => {
    headers.push(init.headers);
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
  expect(to("/b")[0]?.ext).toEqual({});
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

test("several channels at once, with a context, and withChannel", async () => {
  const heard: unknown[] = [];
  const context = { name: "context" };
  const subscriptions = client.subscribe(
    ["/a", "/b"],
    function (this: unknown, data) {
      heard.push([this, data]);
    },
    context,
  );
  expect(subscriptions.map(({ channel }) => channel)).toEqual(["/a", "/b"]);
  subscriptions[1]?.withChannel((channel, data) => heard.push([channel, data]));
  await Promise.all(subscriptions);
  deliver([
    { channel: "/a", data: 1 },
    { channel: "/b", data: 2 },
  ]);
  await vi.waitFor(() => expect(heard).toHaveLength(3));
  expect(heard).toEqual([
    [context, 1],
    [context, 2],
    ["/b", 2],
  ]);
  client.unsubscribe(["/a", "/b"]);
  await vi.waitFor(() => expect(to("/meta/unsubscribe")).toHaveLength(2));
});

test("the options of a publish are checked", () => {
  expect(() => client.publish("/a", {}, { tries: 3 } as object)).toThrow("Unrecognized option: tries");
});

test("what is no JSON is refused, and harms nothing else", async () => {
  await expect(client.publish("/a", { n: 1n })).rejects.toThrow("BigInt");
  await client.publish("/a", { n: 1 });
  expect(to("/a")).toHaveLength(1);
});

test("a token that comes after disconnect sends nothing, and the publication is refused", async () => {
  let give: (token: string) => void = () => {};
  const published = client.publishTo(
    "/a",
    () =>
      new Promise((resolve) => {
        give = resolve;
      }),
    {},
  );
  await client.disconnect();
  give("t");
  await expect(published).rejects.toThrow("Client disconnected");
  expect(sent).toEqual([]);
});

test("an extension that throws stops nothing", async () => {
  const reported: string[] = [];
  vi.stubGlobal("queueMicrotask", (run: () => void) =>
    Promise.resolve().then(() => {
      try {
        run();
      } catch (error) {
        reported.push(String(error));
      }
    }),
  );
  client.addExtension({
    incoming: () => {
      throw new Error("in");
    },
    outgoing: () => {
      throw new Error("out");
    },
  });
  await client.publish("/a", {});
  await client.publish("/a", {});
  expect(new Set(reported)).toEqual(new Set(["Error: in", "Error: out"]));
});

test("a publication that has no time left is given up", async () => {
  await expect(client.publish("/a", {}, { deadline: -1 })).rejects.toThrow("Given up");
});

test("connect and handshake call back when there is a session", async () => {
  const context = {};
  await new Promise<void>((resolve) => {
    client.handshake(function (this: unknown) {
      expect(this).toBe(context);
      resolve();
    }, context);
  });
  await new Promise<void>((resolve) => client.connect(resolve));
  expect(to("/meta/handshake")).toHaveLength(1);
  expect(client.clientId).toBe("c1");
});

test("headers go with every request", async () => {
  client.setHeader("X-Tenant", "7");
  await client.publish("/a", {});
  expect(headers.at(-1)).toMatchObject({ "X-Tenant": "7" });
});

test("extensions see what goes out and what comes in", async () => {
  const seen: string[] = [];
  const extension: Extension<Client> = {
    outgoing: (message, next) => {
      seen.push(`> ${message.channel} ${message.id === undefined ? "without" : "with"} id`);
      next(message);
    },
    incoming: (message, next) => {
      seen.push(`< ${message.channel}`);
      next(message.channel === "/a" ? { ...message, successful: false, error: "No!" } : message);
    },
  };
  client.addExtension(extension);
  await expect(client.publish("/a", {})).rejects.toThrow("No!");
  client.removeExtension(extension);
  await client.publish("/a", {});
  expect(seen.filter((line) => line.includes("/a"))).toEqual(["> /a with id", "< /a"]);
});

test("the states of a client", async () => {
  const states: string[] = [];
  client.on("state", (state) => states.push(state));
  expect(client.state).toBe("idle");
  await client.subscribe("/a");
  await client.disconnect();
  expect(states).toEqual(["connecting", "connected", "closed"]);
});

test("what the server says unasked: a gap, and the end of a subscription", async () => {
  const heard = vi.fn();
  client.on("gap", heard);
  client.on("error", (error, channel) => heard(String(error), channel));
  await client.subscribe("/a/x");
  deliver([
    {
      channel: "/meta/gap",
      successful: true,
      ext: { gap: { app: "a", from: "e-1-0", to: "e-2-0", reason: "trimmed" } },
    },
    { channel: "/meta/unsubscribe", successful: false, subscription: "/a/x", error: "Revoked key" },
  ]);
  await vi.waitFor(() => expect(heard).toHaveBeenCalledTimes(2));
  expect(heard.mock.calls).toEqual([
    [{ app: "a", channel: undefined, from: "e-1-0", to: "e-2-0", reason: "trimmed" }],
    ["Revoked key", "/a/x"],
  ]);
});

test("a wrong URL is told at once", () => {
  expect(() => new Client("/push")).toThrow();
});
