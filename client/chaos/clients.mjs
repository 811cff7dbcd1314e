/**
 * The JavaScript clients of the chaos test (cmd/pandapush/chaos_test.go), which gives their description as JSON in the
 * first argument. Each subscribes, and then this program prints a line of JSON for all that happens to it until standard
 * input ends: {client, t, channel, n, attempt, id} for a message, {client, t, event, detail} for the rest.
 */
import http from "node:http";
import { CometD } from "cometd";
import { AckExtension } from "cometd/AckExtension.js";
import { adapt } from "cometd-nodejs-client";
import faye from "faye";

const { clients, subscriptions } = JSON.parse(process.argv[2]);

/** After how many ms a refused subscription is tried again. */
const subscribeAgain = 500;

// No connection is kept for a second request: so the balancer takes each poll to another node.
http.Agent.prototype.keepSocketAlive = () => false;
adapt();

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
  if (transport === "long-polling") {
    client.disable("websocket");
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
  (client.library === "faye" ? startFaye : startCometD)(client);
}
process.stdin.on("end", () => process.exit(0)).resume();
