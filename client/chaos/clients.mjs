/**
 * The JavaScript clients of the chaos test (cmd/pandapush/chaos_test.go), which gives their description as JSON in the
 * first argument. Each subscribes, and then this program prints a line of JSON for all that happens to it until standard
 * input ends: {client, t, channel, n, attempt, id} for a message, {client, t, event, detail} for the rest.
 */
import http from "node:http";
import { createRequire } from "node:module";
import { CometD } from "cometd";
import { AckExtension } from "cometd/AckExtension.js";
import { adapt } from "cometd-nodejs-client";
import faye from "faye";
import { WebSocket } from "ws";
import { Client } from "../dist/index.mjs";
import { EventSource } from "./eventsource.mjs";

const require = createRequire(import.meta.url);
const { clients, subscriptions } = JSON.parse(process.argv[2]);

/** After how many ms a refused subscription is tried again. */
const subscribeAgain = 500;

// No connection is kept for a second request: so the balancer takes each poll to another node.
http.Agent.prototype.keepSocketAlive = () => false;
adapt();
giveFayeEventSource();

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Prints what a client gets, seen before the library gives it to any listener. */
function record(client, message) {
  const t = Date.now();
  const event = (name, detail) => print({ client, t, event: name, detail: detail ?? "" });
  if (message.channel === "/meta/gap") {
    event("gap", JSON.stringify(message.ext));
  } else if (message.channel === "/meta/handshake" && message.successful) {
    event("session");
  } else if (message.channel.startsWith("/meta/") && message.successful === false) {
    event("refused", `${message.channel} ${message.error ?? "without an answer"}`);
  } else if (message.data !== undefined && message.successful === undefined) {
    const { n, attempt } = message.data;
    print({ client, t, channel: message.channel, n, attempt, id: message.id });
  }
}

function subscribed(client) {
  print({ client, t: Date.now(), event: "subscribed", detail: "" });
}

/** Faye by one transport. */
function startFaye({ name, transport, retry, url }) {
  const client = new faye.Client(url, { retry });
  for (const other of ["websocket", "eventsource"]) {
    if (transport !== other) {
      client.disable(other);
    }
  }
  client.addExtension({
    incoming(message, callback) {
      record(name, message);
      callback(message);
    },
    outgoing(message, callback) {
      if (message.channel === "/meta/connect") {
        print({ client: name, t: Date.now(), event: "connect", detail: message.connectionType });
      }
      callback(message);
    },
  });
  Promise.all(subscriptions.map((channel) => client.subscribe(channel, () => {}))).then(
    () => subscribed(name),
    (error) => print({ client: name, t: Date.now(), event: "refused", detail: String(error) }),
  );
}

/** Lets Faye's client use its transport for browsers, which posts what it has to say as its transport for Node does. */
function giveFayeEventSource() {
  globalThis.EventSource = EventSource;
  const Transport = require("faye/src/transport/transport");
  const Post = require("faye/src/transport/node_http");
  const Stream = require("faye/src/transport/event_source");
  Object.assign(require("faye/src/transport/xhr"), { isUsable: Post.isUsable });
  const begin = Stream.prototype.initialize;
  Stream.prototype.initialize = function (...args) {
    begin.apply(this, args);
    this._xhr = new Post(...args);
  };
  Transport.register("eventsource", Stream);
  // The first that can be used is taken.
  const polling = Transport._transports.findIndex(([type]) => type === "long-polling");
  Transport._transports.splice(polling, 0, Transport._transports.pop());
}

/**
 * client.js by one transport. What its callbacks get counts, since it drops itself what comes twice: a message has come when
 * the callbacks of all subscriptions that match have got it.
 */
function startPandapush({ name, transport, url }) {
  const event = (what, detail) => print({ client: name, t: Date.now(), event: what, detail: detail ?? "" });
  const client = new Client(url, {
    WebSocket: transport === "websocket" ? WebSocket : null,
    EventSource: transport === "eventsource" ? EventSource : null,
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, connection: "close" } }),
  });
  client.on("gap", (gap) => event("gap", JSON.stringify(gap)));
  client.on("error", (error, channel) => event("refused", `${channel} ${error.message}`));
  client.addExtension({
    incoming(message, next) {
      if (message.channel === "/meta/handshake" && message.successful) {
        event("session");
      }
      next(message);
    },
  });
  const calls = new Map(); // of callbacks, by the id of the message
  const take = ({ n, attempt }, channel, { id }) => {
    calls.set(id, (calls.get(id) ?? 0) + 1);
    if (calls.get(id) % subscriptions.filter((pattern) => matches(pattern, channel)).length === 0) {
      print({ client: name, t: Date.now(), channel, n, attempt, id });
    }
  };
  Promise.all(subscriptions.map((channel) => client.subscribe(channel, take))).then(
    () => subscribed(name),
    (error) => event("refused", String(error)),
  );
}

/** Whether a pattern takes a channel. */
function matches(pattern, channel) {
  const segments = pattern.split("/");
  const wild = segments.pop();
  const rest = channel.split("/");
  if (wild === "*" ? rest.length !== segments.length + 1 : wild !== "**") {
    return pattern === channel;
  }
  return rest.length > segments.length && segments.every((segment, i) => segment === rest[i]);
}

/** CometD by one transport, with the acknowledgement extension. It leaves it to its user to subscribe in a new session. */
function startCometD({ name, transport, url }) {
  const client = new CometD();
  for (const other of ["websocket", "long-polling", "callback-polling"]) {
    if (other !== transport) {
      client.unregisterTransport(other);
    }
  }
  client.configure({ url });
  client.registerExtension("ack", new AckExtension());
  client.registerExtension("record", {
    incoming(message) {
      record(name, message);
      return message;
    },
    outgoing(message) {
      if (message.channel === "/meta/connect") {
        print({ client: name, t: Date.now(), event: "connect", detail: message.connectionType });
      }
      return message;
    },
  });
  client.addListener("/meta/handshake", (reply) => {
    if (!reply.successful) {
      return;
    }
    if (reply.ext?.ack !== true && reply.ext?.ack?.enabled !== true) {
      print({ client: name, t: Date.now(), event: "error", detail: "the server does not take acknowledgements" });
    }
    Promise.all(subscriptions.map((channel) => subscribeCometD(client, channel))).then(() => subscribed(name));
  });
  client.handshake();
}

function subscribeCometD(client, channel) {
  return new Promise((resolve) => {
    const attempt = () =>
      client.subscribe(
        channel,
        () => {},
        (reply) => (reply.successful ? resolve() : setTimeout(attempt, subscribeAgain)),
      );
    attempt();
  });
}

for (const client of clients) {
  ({ faye: startFaye, cometd: startCometD, pandapush: startPandapush })[client.library](client);
}
process.stdin.on("end", () => process.exit(0)).resume();
