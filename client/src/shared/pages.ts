import type { Outgoing } from "../bayeux.js";

/** The pages that a leader knows, itself included, and what each of them subscribes to. */
export class Pages {
  readonly #channels = new Map<string, Set<string>>();

  get size(): number {
    return this.#channels.size;
  }

  /** Notes that a page is there. Returns whether that is news. */
  add(page: string): boolean {
    const isNew = !this.#channels.has(page);
    if (isNew) {
      this.#channels.set(page, new Set());
    }
    return isNew;
  }

  /** Notes what a message of a page's means for what it subscribes to. */
  note(page: string, { channel, subscription = "" }: Outgoing): void {
    const channels = this.#channels.get(page);
    if (channel === "/meta/subscribe") {
      channels?.add(subscription);
    } else if (channel === "/meta/unsubscribe") {
      channels?.delete(subscription);
    }
  }

  /** Whether some page subscribes to a channel. */
  want(channel: string | undefined): boolean {
    return [...this.#channels.values()].some((channels) => channels.has(channel ?? ""));
  }

  /** Removes a page. Returns what no page subscribes to any more. */
  remove(page: string): string[] {
    const channels = [...(this.#channels.get(page) ?? [])];
    this.#channels.delete(page);
    return channels.filter((channel) => !this.want(channel));
  }
}
