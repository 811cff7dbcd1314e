/** For tests: a server without a network. */
import type { Incoming, Outgoing } from "./bayeux.js";
import { Progress } from "./cursor.js";
import { Extensions } from "./extensions.js";
import type { LinkHooks } from "./link.js";
import { Scheduler } from "./scheduler.js";
import { Session, type SessionConfig } from "./session.js";
import { Route } from "./transport/route.js";
import type { Transport, TransportEvents, TransportType } from "./transport/transport.js";

/** One connection, as the server sees it. */
export class FakeTransport implements Transport {
  readonly works = true;
  readonly type: TransportType;
  readonly events: TransportEvents;
  readonly frames: Outgoing[][] = [];
  closed = false;

  constructor(type: TransportType, events: TransportEvents) {
    this.type = type;
    this.events = events;
  }

  /** All messages that were sent on it. */
  get sent(): Outgoing[] {
    return this.frames.flat();
  }

  send(messages: readonly Outgoing[]): void {
    this.frames.push([...messages]);
  }

  close(): void {
    this.closed = true;
  }

  /** Breaks, as a connection does. */
  fail(): void {
    this.events.down("broken");
  }

  /** The last message to `channel`. Throws if there is none. */
  last(channel: string): Outgoing {
    const message = this.sent.filter((candidate) => candidate.channel === channel).at(-1);
    if (!message) {
      throw new Error(`nothing was sent to ${channel}`);
    }
    return message;
  }

  /** Answers the last message to `channel`; successfully, unless `fields` say otherwise. */
  reply(channel: string, fields: Partial<Incoming> = {}): void {
    const { id } = this.last(channel);
    this.events.receive([{ channel, successful: true, ...(id === undefined ? {} : { id }), ...fields }]);
  }
}

/** Every connection that was opened, the newest last. */
export class FakeNetwork {
  readonly transports: FakeTransport[] = [];
  readonly route: Route;

  constructor(types: TransportType[] = ["websocket", "long-polling"]) {
    this.route = new Route(types.map((type) => ({ type, open: (events) => this.#open(type, events) })));
  }

  /** The newest connection. Throws if there is none. */
  get now(): FakeTransport {
    const transport = this.transports.at(-1);
    if (!transport) {
      throw new Error("nothing was opened");
    }
    return transport;
  }

  #open(type: TransportType, events: TransportEvents): FakeTransport {
    const transport = new FakeTransport(type, events);
    this.transports.push(transport);
    return transport;
  }
}

/** Lets everything happen that does not wait for time. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) {
    await Promise.resolve();
  }
}

/** The settings of a session as the tests want it. */
export function sessionConfig(changes: Partial<SessionConfig> = {}): SessionConfig {
  const extensions = new Extensions<unknown>(null);
  return { timeout: 30_000, interval: 0, retry: 1000, expiry: false, scheduler: Scheduler, extensions, ...changes };
}

/**
 * A session on a fake network, opened with client id "c1". `before` runs before the handshake is answered. `heard` is what
 * the hooks heard, in order.
 */
export async function openSession(
  network: FakeNetwork,
  before: () => Promise<void> = settle,
  config: SessionConfig = sessionConfig(),
): Promise<{ session: Session; heard: unknown[]; progress: Progress }> {
  const heard: unknown[] = [];
  const hooks: LinkHooks = {
    opened: () => heard.push("opened"),
    resumed: () => heard.push("resumed"),
    noticed: (message) => heard.push(["noticed", message.channel]),
    changed: () => {},
    closed: (reason) => heard.push(["closed", reason.message]),
    delivered: (message) => heard.push(["delivered", message.channel]),
    reachable: (yes) => heard.push(yes ? "up" : "down"),
    failed: (error) => heard.push(["failed", String(error)]),
  };
  const progress = new Progress();
  const session = new Session(network.route, progress, config, hooks);
  session.start();
  await settle();
  await before();
  network.now.reply("/meta/handshake", {
    clientId: "c1",
    advice: { reconnect: "retry", interval: 0, timeout: 30_000 },
  });
  await settle();
  return { session, heard, progress };
}
