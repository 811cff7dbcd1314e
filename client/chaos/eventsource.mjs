/**
 * An EventSource for Node, as far as the chaos test's clients need one: it comes back by itself, at the moment that the server
 * gave, and says then what came last; it gives up for good when it is answered with anything but a stream.
 */
import http from "node:http";

/** Until the server says so itself, in milliseconds. */
const defaultRetry = 3000;

export class EventSource extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 2;

  readyState = EventSource.CONNECTING;
  /** Faye's client sets these; others add listeners. */
  onopen = null;
  onmessage = null;
  onerror = null;
  #url;
  #request;
  #timer;
  #lastEventID = "";
  #retry = defaultRetry;

  constructor(url) {
    super();
    this.#url = url;
    this.#open();
  }

  close() {
    this.readyState = EventSource.CLOSED;
    clearTimeout(this.#timer);
    this.#request?.destroy();
  }

  #open() {
    const headers = { accept: "text/event-stream" };
    if (this.#lastEventID) {
      headers["last-event-id"] = this.#lastEventID;
    }
    this.#request = http.get(this.#url, { headers }, (response) => {
      if (response.statusCode !== 200) {
        this.close();
        this.#say("error");
        return;
      }
      this.readyState = EventSource.OPEN;
      this.#say("open");
      let rest = "";
      response.setEncoding("utf8").on("data", (text) => {
        const blocks = (rest + text).split("\n\n");
        rest = blocks.pop(); // not yet whole
        for (const block of blocks) {
          this.#take(block);
        }
      });
      response.on("error", () => {}); // "close" follows
      response.on("close", () => this.#broken());
    });
    this.#request.on("error", () => this.#broken());
  }

  /** Takes one event. */
  #take(block) {
    const fields = { data: [] };
    for (const line of block.split("\n")) {
      const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
      if (name === "data") {
        fields.data.push(value);
      } else if (name) {
        fields[name] = value;
      }
    }
    this.#lastEventID = fields.id ?? this.#lastEventID;
    this.#retry = Number(fields.retry ?? this.#retry);
    if (fields.data.length > 0 && !fields.event) {
      this.#say("message", fields.data.join("\n"));
    }
  }

  #broken() {
    if (this.readyState === EventSource.CLOSED || this.#timer) {
      return;
    }
    this.readyState = EventSource.CONNECTING;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#open();
    }, this.#retry);
    this.#say("error");
  }

  #say(type, data) {
    if (this.readyState === EventSource.CLOSED && type !== "error") {
      return;
    }
    const event = Object.assign(new Event(type), { data });
    this[`on${type}`]?.(event);
    this.dispatchEvent(event);
  }
}
