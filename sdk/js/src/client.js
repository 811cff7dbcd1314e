import { randomUUID } from "node:crypto";
import { Connection } from "./connection.js";
import { Follower } from "./follow.js";
import { mint } from "./token.js";

// A client of one server. index.d.ts describes what can be called; it holds no state but its configuration.
export class Client {
  #connection;
  #key;

  constructor({ url, key, secret, token, timeout = 10_000, attempts = 5 }) {
    if ((token && (key || secret)) || !key !== !secret) {
      throw new TypeError("give a key with its secret, or a token");
    }
    this.#key = key && { id: key, secret };
    const basic = () => `Basic ${Buffer.from(`${key}:${secret}`).toString("base64")}`;
    const authorization = token ? `Bearer ${token}` : key && basic();
    this.#connection = new Connection({ url, authorization, timeout, attempts });
  }

  async publish(channel, data, { idempotencyKey, ifMatch, ttl, exclude, signal } = {}) {
    checkChannel(channel);
    const headers = once(idempotencyKey);
    if (ifMatch != null) headers["If-Match"] = ifMatch;
    const request = {
      method: "POST",
      target: `/channel${channel}${query({ ttl, exclude })}`,
      body: encode(data),
      headers,
    };
    const { id } = await this.#connection.call(`publish on ${channel}`, request, signal);
    return id;
  }

  async batch(messages, { idempotencyKey, signal } = {}) {
    if (!Array.isArray(messages) || messages.length === 0)
      throw new TypeError("a batch is an array of messages, and not empty");
    const first = messages[0]?.channel ?? messages[0]?.channels?.[0];
    checkChannel(first);
    const app = first.split("/")[1];
    const headers = once(idempotencyKey);
    const request = { method: "POST", target: `/batch/${app}`, body: encode(messages), headers };
    const { results } = await this.#connection.call(`batch for ${app}`, request, signal);
    return results;
  }

  async history(channel, { since, until, limit, order, signal } = {}) {
    checkChannel(channel);
    const target = `/channel${channel}${query({ since, until, limit, order })}`;
    const page = await this.#connection.call(`history of ${channel}`, { method: "GET", target }, signal);
    for (const message of page.messages) message.notice ??= false;
    return page;
  }

  async *follow(channels, { since, signal } = {}) {
    const [first, ...others] = [channels].flat();
    [first, ...others].forEach(checkChannel);
    const target = `/channel${first}${query({ since, channel: others })}`;
    yield* new Follower(this.#connection, target, `follow ${[first, ...others].join(", ")}`, signal).events();
  }

  token(channel, options = {}) {
    checkChannel(channel);
    if (!this.#key) throw new TypeError("minting a token takes a client with a key");
    return mint(this.#key, channel, options);
  }
}

// checkChannel lets through what may stand in a URL's path as it is. The server knows the rest of the grammar; this is to keep a
// name that a stranger had a part in, such as one with dots, from leading to another URL.
function checkChannel(name) {
  if (typeof name !== "string" || !/^\/[A-Za-z0-9]+(\/[A-Za-z0-9_~*-]+){2,}$/.test(name)) {
    throw new TypeError(`invalid channel ${JSON.stringify(name)}: it takes the form /application/kind/path`);
  }
}

// once returns the header that names a request. Every one that stores something has it: without, it could not be sent again.
function once(key) {
  return { "Idempotency-Key": key ?? randomUUID() };
}

function encode(data) {
  const body = JSON.stringify(data);
  if (body === undefined) throw new TypeError("the data is nothing that JSON knows");
  return body;
}

// query makes a query of what is given, with its question mark.
function query(params) {
  const pairs = Object.entries(params).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => [name, String(one)]),
  );
  return pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : "";
}
