import type { Incoming, Outgoing } from "./bayeux.js";
import { BayeuxError } from "./error.js";
import type { Extensions } from "./extensions.js";
import type { Scheduler, SchedulerClass } from "./scheduler.js";
import { Timer } from "./timer.js";
import type { Route } from "./transport/route.js";
import type { Transport } from "./transport/transport.js";

/** How long the server may take for a reply, in seconds, before the transport is given up. */
const replyWithin = 10;

/** How long it may take to say anything when it is asked whether it is there, in milliseconds. */
const answerWithin = 5000;

/** Bounds on how often a message is sent. */
export interface Limits {
  /** How many times it may be sent. Default: until there is a reply. */
  attempts?: number;
  /** When it is given up, as Unix time in milliseconds. Default: never. */
  deadline?: number;
}

/** A message that waits for its reply. */
export interface Request {
  /** Its id, if it has one, is kept. */
  message: Outgoing;
  limits?: Limits;
  /** Milliseconds for which the server may hold the reply in addition; asked each time that it is sent. */
  held?(): number;
  /** Called once with the reply, or with the reason why there will be none; not called if the request is forgotten. */
  done(outcome: Incoming | BayeuxError): void;
}

export interface DispatcherConfig {
  /** What decides how often a message is sent. */
  scheduler: SchedulerClass;
  extensions: Pick<Extensions<unknown>, "pass">;
}

export interface DispatcherHooks {
  /** The reply to a request that waits for it, before that hears of it. */
  answered(message: Incoming): void;
  /** A message that somebody published. */
  delivered(message: Incoming): void;
  /** What the server says unasked. */
  noticed(message: Incoming): void;
  /** The server was reached, or can't be reached. Called when that changes. */
  reachable(yes: boolean): void;
  /** Milliseconds to wait after a failure. */
  retryDelay(): number;
  /** What the first connect over a transport takes along in its `ext`, if anything. */
  resumption(): Record<string, unknown> | undefined;
  /** A transport has ended while no request waited. */
  broken(): void;
}

interface Envelope extends Request {
  scheduler: Scheduler;
  /** Whether it has passed the extensions. */
  ready: boolean;
  sent: boolean;
  timer?: ReturnType<typeof setTimeout>;
}

/**
 * Dispatcher sees to it that every request gets its reply: it gives ids, sends, matches replies, and when a transport
 * fails sends everything unanswered again, with the same id, over the next one.
 */
export class Dispatcher {
  readonly #route: Route;
  readonly #config: DispatcherConfig;
  readonly #hooks: DispatcherHooks;
  /** In the order in which they were sent. */
  readonly #pending = new Map<string, Envelope>();
  #transport: Transport | null = null;
  /** Whether a connect has gone over the transport. */
  #attached = false;
  readonly #pause = new Timer();
  readonly #silence = new Timer();
  #flushing = false;
  #reachable: boolean | null = null;
  // Not from 1: another page may go on with the same session, and the server knows requests by their ids.
  #lastId = Math.floor(Math.random() * 36 ** 6);

  constructor(route: Route, config: DispatcherConfig, hooks: DispatcherHooks) {
    this.#route = route;
    this.#config = config;
    this.#hooks = hooks;
  }

  /** Whether the server can't be reached at present. */
  get down(): boolean {
    return this.#reachable === false;
  }

  /** Sends at the end of the current task, together with what else is sent in it. */
  send(request: Request): void {
    const id = request.message.id ?? (++this.#lastId).toString(36);
    const message = { ...request.message, id };
    const options = { timeout: replyWithin, interval: 0, ...request.limits };
    const scheduler = new this.#config.scheduler(message, options);
    const envelope: Envelope = { ...request, message, scheduler, ready: false, sent: false };
    this.#pending.set(id, envelope);
    this.#config.extensions.pass(
      "outgoing",
      message,
      (passed) => {
        envelope.message = passed;
        envelope.ready = true;
        this.#flushSoon();
      },
      () => this.#giveUp(id, new BayeuxError("Dropped by an extension")),
    );
  }

  /** Drops the requests that match, whatever happens to them on the server. */
  forget(matches: (message: Outgoing) => boolean): void {
    for (const [id, envelope] of this.#pending) {
      if (matches(envelope.message)) {
        this.#take(id);
      }
    }
  }

  /** Goes back to the best transport if that has been found to work, and nobody waits for a reply on the present one. */
  upgrade(): void {
    if (this.#pending.size === 0 && this.#route.better()) {
      this.#drop();
    }
  }

  /**
   * To be called when there is reason to believe that the network works again, or has changed. A pause ends. A connection
   * is asked whether it lives; one that is suspect for certain is given up at once.
   */
  wake(suspect: boolean): void {
    if (this.#pause.running) {
      this.#pause.stop();
      this.#flush();
    } else if (this.#transport && suspect) {
      this.#resend();
      this.#flush();
    } else if (this.#transport) {
      const asked = this.#transport;
      asked.send([]); // a server answers it with the same
      this.#silence.start(answerWithin, () => this.#failed(asked));
    }
  }

  /** Ends every request with `reason`, and the transport. */
  close(reason: BayeuxError): void {
    this.#drop();
    this.#pause.stop();
    this.#route.close();
    for (const id of [...this.#pending.keys()]) {
      this.#take(id)?.done(reason);
    }
  }

  #flushSoon(): void {
    if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => {
        this.#flushing = false;
        this.#flush();
      });
    }
  }

  #flush(): void {
    if (this.#pause.running) {
      return;
    }
    const unsent: Envelope[] = [];
    for (const [id, envelope] of this.#pending) {
      if (!envelope.ready || envelope.sent) {
        continue;
      }
      if (envelope.scheduler.isDeliverable()) {
        unsent.push(envelope);
      } else {
        this.#giveUp(id, new BayeuxError("Given up"));
      }
    }
    if (unsent.length === 0) {
      return;
    }
    this.#transport ??= this.#open();
    const transport = this.#transport;
    for (const envelope of unsent) {
      envelope.sent = true;
      envelope.scheduler.send();
      const patience = envelope.scheduler.getTimeout() * 1000 + (envelope.held?.() ?? 0);
      envelope.timer = setTimeout(() => this.#failed(transport), patience);
    }
    // A server may hold the answers to everything that shares a frame with a connect for as long as the connect.
    const messages = unsent.map((envelope) => envelope.message);
    const connects = messages.filter(isConnect);
    const others = messages.filter((message) => !isConnect(message));
    if (others.length > 0) {
      transport.send(others);
    }
    if (connects.length > 0) {
      transport.send(connects.map((connect) => this.#complete(connect)));
      this.#attached = true;
    }
  }

  /**
   * A connect as this transport wants it, which on the first says where to go on. While the server has not been reached
   * again, it is asked to answer at once: held, the connect would not tell for long that all is well.
   */
  #complete(connect: Outgoing): Outgoing {
    const ext = this.#attached ? undefined : this.#hooks.resumption();
    return {
      ...connect,
      connectionType: this.#route.type,
      ...(this.down && { advice: { timeout: 0 } }),
      ...(ext && { ext: { ...connect.ext, ...ext } }),
    };
  }

  #open(): Transport {
    const transport = this.#route.open({
      receive: (messages) => this.#received(transport, messages),
      down: (_, code) => {
        if (transport === this.#transport && (code === 1009 || code === 413)) {
          this.#tooLarge();
        }
        this.#failed(transport);
      },
    });
    return transport;
  }

  #received(transport: Transport, messages: Incoming[]): void {
    if (transport !== this.#transport) {
      return;
    }
    this.#silence.stop();
    if (transport.works) {
      this.#route.worked();
    }
    this.#setReachable(true);
    for (const message of messages) {
      this.#config.extensions.pass("incoming", message, (passed) => this.#heard(passed));
    }
  }

  #heard(message: Incoming): void {
    if ("data" in message) {
      this.#hooks.delivered(message);
      return;
    }
    const envelope = message.successful === undefined ? undefined : this.#take(message.id);
    if (envelope) {
      envelope.scheduler.succeed();
      this.#hooks.answered(message);
      envelope.done(message.successful ? message : BayeuxError.parse(message.error));
    } else if (message.id === undefined) {
      this.#hooks.noticed(message);
    }
  }

  #failed(transport: Transport): void {
    if (transport !== this.#transport) {
      return;
    }
    this.#resend();
    if (this.#pending.size === 0) {
      this.#hooks.broken(); // as a server does that drains; the next message opens another
      return;
    }
    const retryNow = this.#route.failed();
    if (!retryNow) {
      this.#setReachable(false);
    }
    const interval = retryNow ? 0 : this.#hooks.retryDelay();
    for (const [id, { scheduler }] of this.#pending) {
      scheduler.options.interval = interval / 1000;
      scheduler.fail();
      if (!scheduler.isDeliverable()) {
        this.#giveUp(id, new BayeuxError("Connection lost"));
      }
    }
    const pauses = [...this.#pending.values()].map(({ scheduler }) => scheduler.getInterval() * 1000);
    this.#pause.start(Math.max(0, ...pauses), () => this.#flush());
  }

  /** A frame was too large for the server. Long ones have one message only, so that is the longest; it would fail again. */
  #tooLarge(): void {
    const length = (envelope: Envelope) => (envelope.sent ? JSON.stringify(envelope.message).length : 0);
    const [longest] = [...this.#pending.values()].sort((a, b) => length(b) - length(a));
    this.#giveUp(longest?.message.id, new BayeuxError("Message too large"));
  }

  /** Ends the transport. What was not answered is to be sent again. */
  #resend(): void {
    this.#drop();
    for (const envelope of this.#pending.values()) {
      clearTimeout(envelope.timer);
      envelope.sent = false;
    }
  }

  #giveUp(id: string | undefined, reason: BayeuxError): void {
    const envelope = this.#take(id);
    envelope?.scheduler.abort();
    envelope?.done(reason);
  }

  #take(id = ""): Envelope | undefined {
    const envelope = this.#pending.get(id);
    if (envelope) {
      clearTimeout(envelope.timer);
      this.#pending.delete(id);
    }
    return envelope;
  }

  #drop(): void {
    this.#silence.stop();
    this.#transport?.close();
    this.#transport = null;
    this.#attached = false;
  }

  #setReachable(yes: boolean): void {
    if (this.#reachable !== yes) {
      this.#reachable = yes;
      this.#hooks.reachable(yes);
    }
  }
}

function isConnect(message: Outgoing): boolean {
  return message.channel === "/meta/connect";
}
