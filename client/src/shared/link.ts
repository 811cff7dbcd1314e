import type { Incoming, Outgoing } from "../bayeux.js";
import { isMeta } from "../channel.js";
import type { Progress } from "../cursor.js";
import type { Limits } from "../dispatcher.js";
import { BayeuxError } from "../error.js";
import type { ConnectionState, Link, LinkHooks } from "../link.js";
import type { Session } from "../session.js";
import { Timer } from "../timer.js";
import type { Done, Note, Platform, Standing, Wish } from "./notes.js";
import { Pages } from "./pages.js";

/** How long the leader may take to answer a page that looks for it, in milliseconds. */
const answerWithin = 2000;

/** How long after its own session has begun a new leader ends the former one's, in milliseconds. */
const endFormerAfter = 10_000;

/**
 * SharedLink is a link that all pages of an origin have in common. One of them, the leader, has the session: it sends what
 * the others want sent, and tells all what it hears. Who leads is settled by a lock. When the leader's page goes away the
 * lock is the next one's, which begins a session of its own, and every page subscribes again from where it was. Until that
 * is done the former session is left alone: nobody is to see the user leave and come back.
 */
export class SharedLink implements Link {
  readonly #name: string;
  readonly #platform: Platform;
  readonly #progress: Progress;
  readonly #hooks: LinkHooks;
  readonly #makeSession: (hooks: LinkHooks) => Session;
  readonly #page = Math.random().toString(36).slice(2, 12);
  #wishes = 0;
  /** What this page has wished for and not got yet. */
  readonly #pending = new Map<string, Wish & { done: Done }>();
  #channel: InstanceType<Platform["BroadcastChannel"]> | null = null;
  #standing: Standing = { state: "idle", clientId: "" };
  /** Whether there has been a session. */
  #opened = false;
  /** Whether this page knows who leads. */
  #introduced = false;
  /** The leader's. */
  #session: Session | null = null;
  #pages = new Pages();
  readonly #later = new Timer();
  /** Ends what this page has in common with the others: it holds its locks as long, and waits for others. */
  #member = new AbortController();

  constructor(
    name: string,
    platform: Platform,
    progress: Progress,
    hooks: LinkHooks,
    makeSession: (hooks: LinkHooks) => Session,
  ) {
    this.#name = name;
    this.#platform = platform;
    this.#progress = progress;
    this.#hooks = hooks;
    this.#makeSession = makeSession;
  }

  get state(): ConnectionState {
    const { state } = this.#standing;
    return state === "connecting" && this.#opened ? "reconnecting" : state;
  }

  get open(): boolean {
    return this.clientId !== "";
  }

  get clientId(): string {
    return this.#standing.clientId;
  }

  get last(): boolean {
    return this.#session !== null && this.#pages.size === 1;
  }

  start(): void {
    if (this.#channel || this.state === "closed") {
      return;
    }
    this.#member = new AbortController();
    this.#channel = new this.#platform.BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#heard(JSON.parse(data));
    this.#await();
    // The page's own lock tells the leader how long it lives, so it comes before anybody hears of it.
    this.#lock(this.#page, {}, () => {
      this.#ask({ kind: "hello" });
      this.#campaign({});
      return this.#held();
    });
  }

  send(message: Outgoing, done: Done, limits: Limits = {}): void {
    this.start();
    const id = this.#page + (++this.#wishes).toString(36);
    // Said again in another session it has the client id of this one: so the server knows a publication that it has.
    const clientId = isMeta(message.channel) ? {} : { clientId: this.clientId };
    const wish = { message: { ...clientId, ...message, id }, limits, done };
    this.#pending.set(id, wish);
    this.#wish(wish);
  }

  async disconnect(): Promise<void> {
    const session = this.#session;
    if (session && this.last) {
      this.#session = null; // what it still hears is nobody else's business
      await session.disconnect();
    }
    this.#close(new BayeuxError("Client disconnected"));
  }

  wake(suspect: boolean): void {
    if (this.#session) {
      this.#session.wake(suspect);
    } else if (this.#channel) {
      this.#ask({ kind: "wake", suspect });
    } else if (this.state !== "idle") {
      this.start(); // it was asleep
    }
  }

  /** The page may be asleep from now on, for ever perhaps: the others are to do without it. */
  sleep(): void {
    if (this.#channel) {
      this.#part();
      this.#await();
    }
  }

  #part(): void {
    this.#member.abort();
    this.#later.stop();
    this.#resign();
    this.#channel?.close();
    this.#channel = null;
  }

  /** Says something that the leader answers at once. If it does not, its page is asleep, with the lock in its hands. */
  #ask(note: Note): void {
    this.#say(note);
    this.#later.start(answerWithin, () => this.#campaign({ steal: true }));
  }

  /** Waits for the lock of the leader, and leads. */
  #campaign(options: LockOptions): void {
    const lost = () => {
      this.#resign();
      this.#await();
      this.#ask({ kind: "hello" });
      this.#campaign({});
    };
    this.#lock("", options, () => this.#lead(), lost);
  }

  #lock(name: string, options: LockOptions, granted: () => Promise<void> | void, lost = () => {}): void {
    const { signal } = this.#member;
    const given = options.steal ? options : { signal };
    const use = () => (signal.aborted ? undefined : granted());
    this.#platform.locks.request(`${this.#name} ${name}`, given, use).catch(() => signal.aborted || lost());
  }

  /** What the locks are held for. */
  #held(): Promise<void> {
    const { signal } = this.#member;
    return new Promise((release) => signal.addEventListener("abort", () => release()));
  }

  /** This page does not know who leads. */
  #await(): void {
    this.#introduced = false;
    this.#stand({ state: "connecting", clientId: "" });
    this.#hooks.changed();
  }

  #lead(): Promise<void> {
    const former = this.clientId;
    const session = this.#makeSession(this.#leaderHooks(() => this.#session === session));
    this.#session = session;
    this.#introduced = true;
    this.#later.stop();
    this.#pages = new Pages();
    this.#pages.add(this.#page);
    session.start();
    this.#introduce(true);
    this.#repeat();
    if (former) {
      const message = { channel: "/meta/disconnect", clientId: former };
      this.#later.start(endFormerAfter, () => session.send(message, () => {}));
    }
    return this.#held();
  }

  /** Leaves the session as it is: another page leads. */
  #resign(): void {
    const session = this.#session;
    this.#session = null;
    session?.leave();
  }

  /** What the session tells its leader goes to all pages, as long as it is the leader's. */
  #leaderHooks(isMine: () => boolean): LinkHooks {
    const relay =
      (name: keyof LinkHooks) =>
      (...args: unknown[]) => {
        if (isMine()) {
          this.#stand();
          const told = args.map((arg) => (arg instanceof BayeuxError ? String(arg) : arg));
          this.#say({ kind: "event", name, args: told, ...this.#standing });
          this.#happened(name, args);
        }
      };
    return new Proxy({} as LinkHooks, { get: (_, name) => relay(name as keyof LinkHooks) });
  }

  #happened(name: keyof LinkHooks, args: unknown[]): void {
    if (name === "opened") {
      this.#opened = true;
      for (const [id, { message }] of this.#pending) {
        if (isMeta(message.channel)) {
          this.#pending.delete(id); // of the session before, which is not answered any more
        }
      }
    }
    if (name === "closed") {
      this.#close(args[0] as BayeuxError);
    } else {
      (this.#hooks[name] as (...args: unknown[]) => void)(...args);
    }
  }

  /** Tells the leader of a wish; one that is not known yet is told later. */
  #wish({ message, limits, done }: Wish & { done: Done }): void {
    if (this.#session) {
      this.#serve(this.#page, { message, limits }, done);
    } else if (this.#introduced) {
      this.#ask({ kind: "wish", message, limits });
    }
  }

  /** Publishes again what has no answer. What belongs to a session is done again in the new one. */
  #repeat(): void {
    for (const wish of this.#pending.values()) {
      if (!isMeta(wish.message.channel)) {
        this.#wish(wish);
      }
    }
  }

  /** Sends a page's message; but an unsubscribe only if no other page wants the channel. */
  #serve(page: string, { message, limits }: Wish, done: Done): void {
    const { id, channel, subscription, ext } = message;
    this.#pages.note(page, message);
    const arrived = ext?.since === undefined ? () => {} : this.#progress.rewinding(subscription ?? "");
    const answered = (outcome: Incoming | BayeuxError) => {
      arrived();
      this.#pending.delete(id);
      done(outcome);
    };
    if (channel === "/meta/unsubscribe" && this.#pages.want(subscription)) {
      answered({ channel, successful: true });
    } else {
      this.#session?.send(message, answered, limits);
    }
  }

  #heard(note: Note & { from: string }): void {
    if (note.kind === "lead") {
      this.#follow(note);
    } else if (note.kind === "answer") {
      const wish = this.#pending.get(note.id);
      this.#pending.delete(note.id);
      wish?.done(note.reply ?? BayeuxError.parse(note.error));
    } else if (note.kind === "event") {
      if (this.#introduced && !this.#session) {
        this.#stand(note);
        const isError = note.name === "failed" || note.name === "closed";
        this.#happened(note.name, isError ? [BayeuxError.parse(String(note.args[0]))] : note.args);
      }
    } else if (this.#session) {
      this.#welcome(note.from);
      this.#introduce(false);
      if (note.kind === "wish") {
        this.#serve(note.from, note, (outcome) => this.#answer(note.message.id, outcome));
      } else if (note.kind === "wake") {
        this.#session.wake(note.suspect);
      }
    }
  }

  /** Follows the leader. To one that is new everything is said again that has no answer. */
  #follow({ fresh, ...standing }: Note & { kind: "lead" }): void {
    if (this.#session) {
      return; // it was stolen from this page, which has not noticed yet
    }
    this.#later.stop();
    const isFirst = !this.#introduced;
    this.#introduced = true;
    this.#stand(standing);
    this.#hooks.changed();
    if (fresh) {
      this.#say({ kind: "hello" });
    }
    if (fresh || isFirst) {
      this.#repeat();
    }
    if (isFirst && this.open) {
      this.#happened("opened", []);
    }
  }

  /** The leader tells that it is there. */
  #introduce(fresh: boolean): void {
    this.#stand();
    this.#say({ kind: "lead", fresh, ...this.#standing });
  }

  /** Has the leader know when a page is gone: then its lock is free. */
  #welcome(page: string): void {
    if (this.#pages.add(page)) {
      const pages = this.#pages;
      this.#lock(page, {}, () => {
        for (const subscription of pages.remove(page)) {
          this.#session?.send({ channel: "/meta/unsubscribe", subscription }, () => {});
        }
      });
    }
  }

  #answer(id: string, outcome: Incoming | BayeuxError): void {
    const said = outcome instanceof BayeuxError ? { error: String(outcome) } : { reply: outcome };
    this.#say({ kind: "answer", id, ...said });
  }

  #stand({ state, clientId }: Standing = this.#session ?? this.#standing): void {
    this.#standing = { state, clientId };
  }

  #say(note: Note): void {
    this.#channel?.postMessage(JSON.stringify({ ...note, from: this.#page }));
  }

  #close(reason: BayeuxError): void {
    this.#part();
    this.#stand({ state: "closed", clientId: "" });
    for (const { done } of this.#pending.values()) {
      done(reason);
    }
    this.#hooks.changed();
    this.#hooks.closed(reason);
  }
}
