import type { Incoming, Outgoing } from "./bayeux.js";
import { protect } from "./emitter.js";

/** Hands on a message, perhaps another one, or with nothing drops it. */
export type Next<Message> = (message?: Message | null) => void;

/**
 * A step that messages pass through: it calls `next` once, now or later. A function that declares a third parameter is given
 * `null` as the second and `next` as the third, as in Faye. One that throws is passed over.
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

  /** Passes a message through all extensions, and to `done`; or calls `dropped` if one drops it. */
  pass<Message extends Incoming | Outgoing>(
    direction: "incoming" | "outgoing",
    message: Message,
    done: (message: Message) => void,
    dropped: () => void = () => {},
  ): void {
    const [...left] = this.#all;
    const next: Next<Message> = (passed) => {
      const extension = left.shift();
      const step = extension?.[direction] as ((...args: unknown[]) => void) | undefined;
      if (!passed) {
        dropped();
      } else if (!extension) {
        done(passed);
      } else if (!step) {
        next(passed);
      } else {
        let waiting = true;
        const once: Next<Message> = (result) => {
          if (waiting) {
            waiting = false;
            next(result);
          }
        };
        // Called as a method: extensions are objects, with state of their own.
        if (!protect(() => step.apply(extension, step.length > 2 ? [passed, null, once] : [passed, once]))) {
          once(passed);
        }
      }
    };
    next(message);
  }
}
