import { pause, rest, text } from "./connection.js";
import { EndedError, PandapushError, passes } from "./errors.js";
import { readEvents } from "./events.js";

const maxSilence = 75_000; // a stream that is silent for so long is lost; the server writes something every 25 s by default
const maxReturn = 30_000; // bound of the pause before a follower tries again, while it fails

// Follower is one call of follow.
export class Follower {
  #connection;
  #target;
  #what;
  #signal;
  #last; // id of the last event
  #retry = 1000; // pause before coming back, as the server has it
  #failures = 0; // attempts since there was a stream
  #begun = false; // there was a stream

  constructor(connection, target, what, signal) {
    this.#connection = connection;
    this.#target = target;
    this.#what = what;
    this.#signal = signal;
  }

  // events connects again and again.
  async *events() {
    for (;;) {
      try {
        yield* this.#stream();
      } catch (error) {
        this.#signal?.throwIfAborted();
        const tried = !this.#begun && this.#failures >= this.#connection.attempts;
        if (!passes(error) || tried) throw error;
        await rest(this.#pause(error), this.#signal);
      }
    }
  }

  // pause: after a stream as long as the server has said, which spreads its followers; later ever longer.
  #pause(error) {
    return this.#failures === 0 ? this.#retry : Math.min(pause(this.#failures, error), maxReturn);
  }

  // stream yields the events of one stream until it is lost.
  async *#stream() {
    const lost = new AbortController();
    const giveUp = () => lost.abort(new Error("it was silent for too long"));
    let silence = setTimeout(giveUp, this.#connection.timeout);
    const stop = () => lost.abort(this.#signal.reason);
    this.#signal?.addEventListener("abort", stop);
    const beat = () => {
      clearTimeout(silence);
      silence = setTimeout(giveUp, maxSilence);
    };
    try {
      this.#signal?.throwIfAborted();
      const body = await this.#open(lost.signal);
      for await (const event of readEvents(this.#what, body, beat)) {
        clearTimeout(silence); // the caller may take its time
        yield* this.#take(event);
        beat();
      }
    } finally {
      clearTimeout(silence);
      this.#signal?.removeEventListener("abort", stop);
      lost.abort();
    }
  }

  // open asks for a stream, from the last event on, and returns its body.
  async #open(signal) {
    this.#failures++;
    const headers = { Accept: "text/event-stream" };
    if (this.#last) headers["Last-Event-ID"] = this.#last;
    const response = await this.#connection.send(this.#what, { method: "GET", target: this.#target, headers }, signal);
    if (response.status !== 200) {
      throw new PandapushError(this.#what, response, await text(this.#what, response));
    }
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      throw new Error(`${this.#what}: the answer is no event stream`);
    }
    this.#begun = true;
    return response.body;
  }

  // take yields what an event is about, if it is known: later servers may send others.
  *#take({ kind = "message", id, data, retry }) {
    this.#failures = 0;
    if (retry > 0) this.#retry = Math.min(retry, maxReturn);
    const event = data === "" ? undefined : decode(this.#what, kind, data);
    if (event) yield event;
    if (id) this.#last = id;
  }
}

function decode(what, kind, text) {
  const known = ["message", "gap", "presence", "end"].includes(kind);
  const data = known && JSON.parse(text);
  switch (kind) {
    case "message":
      return {
        type: "message",
        id: data.id,
        channel: data.channel,
        data: data.data,
        notice: data.ext?.notice !== undefined,
      };
    case "gap":
      return { type: "gap", reason: data.reason, from: data.from, to: data.to };
    case "presence":
      return { type: "room", channel: data.channel, members: data.presence.subscribe };
    case "end":
      throw new EndedError(what, data.reason);
  }
}
