/** Messages in the order in which they came, to be waited for one by one. */
export class Inbox<Message = unknown> {
  readonly #messages: Message[] = [];
  readonly #waiting: ((message: Message) => void)[] = [];

  /** Takes a message. Bound, so that it can be handed over as a callback. */
  readonly put = (message: Message): void => {
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting(message);
    } else {
      this.#messages.push(message);
    }
  };

  /** The next message, when it comes. */
  next(): Promise<Message> {
    const message = this.#messages.shift();
    return message === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(message);
  }

  /** How many messages have come and were not asked for. */
  get size(): number {
    return this.#messages.length;
  }
}
