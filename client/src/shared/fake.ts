/** For tests: several pages of one origin without a browser. */
import type { Platform } from "./notes.js";

interface Waiting {
  owner: string;
  steal: boolean;
  grant(): void;
}

/** The locks and channels of an origin. A page that closes lets go of its locks and hears nothing more. */
export class FakeOrigin {
  readonly #held = new Map<string, { owner: string; lose(): void }>();
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #channels = new Map<object, { owner: string; name: string; deliver(data: unknown): void }>();

  /** The platform as a page sees it. */
  page(owner: string): Platform {
    const origin = this;
    class Channel {
      onmessage: ((event: MessageEvent) => void) | null = null;
      constructor(name: string) {
        const deliver = (data: unknown) => this.onmessage?.({ data } as MessageEvent);
        origin.#channels.set(this, { owner, name, deliver });
      }
      postMessage(data: unknown): void {
        const name = origin.#channels.get(this)?.name;
        for (const [channel, other] of origin.#channels) {
          if (channel !== this && other.name === name) {
            queueMicrotask(() => origin.#channels.has(channel) && other.deliver(data));
          }
        }
      }
      close(): void {
        origin.#channels.delete(this);
      }
    }
    return { locks: { request: origin.#request.bind(origin, owner) as never }, BroadcastChannel: Channel as never };
  }

  /** The page is asleep: it hears nothing, and keeps its locks. Returns what wakes it up. */
  deafen(owner: string): () => void {
    const entries = [...this.#channels.values()].filter((entry) => entry.owner === owner);
    const delivers = entries.map(({ deliver }) => deliver);
    for (const entry of entries) entry.deliver = () => {};
    return () => {
      for (const [n, entry] of entries.entries()) entry.deliver = delivers[n] as () => void;
    };
  }

  /** The page is gone, from one moment to the next. */
  kill(owner: string): void {
    for (const [channel, entry] of this.#channels) {
      if (entry.owner === owner) this.#channels.delete(channel);
    }
    for (const [name, queue] of this.#waiting) {
      this.#waiting.set(
        name,
        queue.filter((waiting) => waiting.owner !== owner),
      );
    }
    for (const [name, holder] of this.#held) {
      if (holder.owner === owner) this.#free(name);
    }
  }

  #request(owner: string, name: string, options: LockOptions, use: () => Promise<void> | void): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        owner,
        steal: options.steal ?? false,
        grant: () => {
          const holder = { owner, lose: () => reject(new DOMException("stolen", "AbortError")) };
          this.#held.set(name, holder);
          Promise.resolve(use()).then(() => {
            if (this.#held.get(name) === holder) this.#free(name);
            resolve();
          });
        },
      };
      options.signal?.addEventListener("abort", () => {
        const queue = this.#waiting.get(name) ?? [];
        if (queue.includes(waiting)) {
          queue.splice(queue.indexOf(waiting), 1);
          reject(new DOMException("aborted", "AbortError"));
        }
      });
      queueMicrotask(() => {
        const holder = this.#held.get(name);
        if (holder && !waiting.steal) {
          this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), waiting]);
          return;
        }
        holder?.lose();
        waiting.grant();
      });
    });
  }

  #free(name: string): void {
    this.#held.delete(name);
    const next = this.#waiting.get(name)?.shift();
    if (next) queueMicrotask(() => next.grant());
  }
}
