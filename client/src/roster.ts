import { isObject } from "./bayeux.js";
import { Emitter } from "./emitter.js";
import type { Delivery, MessageCallback, Subscription } from "./subscription.js";

/** Somebody who is there: the object `presence` of the token that was subscribed with. */
export interface Member {
  id: string | number;
  [field: string]: unknown;
}

/** The events of a roster, each with its arguments. */
export interface RosterEvents {
  /** Somebody has come, or was there when the roster began. */
  join: [member: Member, id: string];
  /** Somebody has left. */
  leave: [member: Member, id: string];
  /** Somebody has come again with another object. */
  update: [member: Member, id: string, before: Member];
  /** The roster is as the server has it: at the beginning, in every new session, and when the token is renewed. */
  synced: [];
  /** Somebody has published something on the channel. */
  message: [data: unknown, delivery: Delivery];
}

/** Who is on a presence channel, kept true by what the server tells. */
export class Roster extends Emitter<RosterEvents> {
  /** The subscription that it lives by, to be awaited. */
  readonly subscription: Subscription;
  readonly #members = new Map<string, Member>();
  #complete = false;

  /** @internal */
  constructor(subscribe: (callback: MessageCallback) => Subscription) {
    super();
    this.subscription = subscribe((data, _, delivery) => {
      if (!delivery.presence) {
        this.emit("message", data, delivery);
      } else if (isObject(data)) {
        this.#take(data, delivery.presence === "roster");
      }
    });
  }

  /** Who is there, by id. */
  get members(): ReadonlyMap<string, Member> {
    return this.#members;
  }

  /** Whether these are all: the server tells who is in a very large room only in part. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Leaves the channel, unless something else is subscribed to it. */
  cancel(): void {
    this.subscription.cancel();
  }

  #take(data: Record<string, unknown>, whole: boolean): void {
    const there = isObject(data.subscribe) ? data.subscribe : {};
    this.#complete = whole ? data.next === undefined : this.#complete;
    const gone = whole
      ? [...this.#members.keys()].filter((id) => !Object.hasOwn(there, id))
      : Object.keys(data.unsubscribe ?? {});
    for (const id of gone) {
      const member = this.#members.get(id);
      if (member && this.#members.delete(id)) {
        this.emit("leave", member, id);
      }
    }
    for (const [id, member] of Object.entries(there) as [string, Member][]) {
      const before = this.#members.get(id);
      this.#members.set(id, member);
      if (!before) {
        this.emit("join", member, id);
      } else if (JSON.stringify(before) !== JSON.stringify(member)) {
        this.emit("update", member, id, before);
      }
    }
    if (whole) {
      this.emit("synced");
    }
  }
}
