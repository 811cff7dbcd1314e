import type { Incoming, Outgoing } from "./bayeux.js";

/** Hands on a message, perhaps another one, or with nothing drops it. */
export type Next<Message> = (message?: Message | null) => void;

/**
 * A step that messages pass through: it calls `next`, now or later. A function that declares a third parameter is given
 * `null` as the second and `next` as the third, as in Faye.
 */
export type Step<Message> = (message: Message, next: Next<Message>) => void;

/** Sees, and may change or drop, every message of a client; now or later. */
export interface Extension<Owner = unknown> {
  /** Of every reply and every delivered message, before anything else sees it. */
  incoming?: Step<Incoming>;
  /** Of every message to the server, once: sent again, it is as it was. */
  outgoing?: Step<Outgoing>;
  /** Called when the extension is added. */
  added?(client: Owner): void;
  /** Called when the extension is removed. */
  removed?(client: Owner): void;
}

/** The extensions of a client, in the order in which they were added. */
export class Extensions<Owner> {
  readonly #owner: Owner;
  #all: Extension<Owner>[] = [];

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  add(extension: Extension<Owner>): void {
    this.#all = [...this.#all, extension];
    extension.added?.(this.#owner);
  }

  remove(extension: Extension<Owner>): void {
    if (this.#all.includes(extension)) {
      this.#all = this.#all.filter((known) => known !== extension);
      extension.removed?.(this.#owner);
    }
  }

  /** Passes a message through all extensions, and to `done` unless one drops it; then `dropped` is called. */
  outgoing(message: Outgoing, done: (message: Outgoing) => void, dropped: () => void): void {
    pass(this.#all, "outgoing", message, done, dropped);
  }

  /** The same for a message from the server. */
  incoming(message: Incoming, done: (message: Incoming) => void): void {
    pass(this.#all, "incoming", message, done, () => {});
  }
}

function pass<Message extends Incoming | Outgoing>(
  extensions: readonly Extension<never>[],
  direction: "incoming" | "outgoing",
  message: Message,
  done: (message: Message) => void,
  dropped: () => void,
): void {
  const [extension, ...rest] = extensions;
  if (!extension) {
    done(message);
    return;
  }
  const next: Next<Message> = (passed) => (passed ? pass(rest, direction, passed, done, dropped) : dropped());
  // Called as a method: extensions are objects, with state of their own.
  const step = extension[direction] as ((message: Message, ...rest: unknown[]) => void) | undefined;
  if (!step) {
    next(message);
  } else if (step.length > 2) {
    step.call(extension, message, null, next);
  } else {
    step.call(extension, message, next);
  }
}
