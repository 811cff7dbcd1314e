import type { Outgoing } from "./bayeux.js";

/** What decides when a message is sent again. Times are in seconds, except for `deadline`. */
export interface SchedulerOptions {
  /** How long the server may take for the reply. */
  timeout: number;
  /** The pause that the client would make after the failure that has just happened. */
  interval: number;
  /** How many times the message may be sent. */
  attempts?: number;
  /** When it is given up, as Unix time in milliseconds. */
  deadline?: number;
}

/**
 * One message's attempts to reach the server. Applications may give the client a class of their own that extends this one,
 * in the option `scheduler`.
 */
export class Scheduler {
  readonly message: Readonly<Outgoing>;
  readonly options: SchedulerOptions;
  /** How many times the message was sent. */
  attempts = 0;

  constructor(message: Readonly<Outgoing>, options: SchedulerOptions) {
    this.message = message;
    this.options = options;
  }

  /** Seconds to wait for the reply. */
  getTimeout(): number {
    return this.options.timeout;
  }

  /** Seconds to wait before the message is sent again. All that was not answered waits for the longest of them. */
  getInterval(): number {
    return this.options.interval;
  }

  /** Whether it may be sent (again). One that may not is given up. */
  isDeliverable(): boolean {
    const { attempts, deadline } = this.options;
    return this.attempts < (attempts ?? Infinity) && Date.now() <= (deadline ?? Infinity);
  }

  /** Called when the message is sent. */
  send(): void {
    this.attempts++;
  }

  /** Called when the reply has come. */
  succeed(): void {}

  /** Called when the connection failed before the reply came. */
  fail(): void {}

  /** Called when the message is given up. */
  abort(): void {}
}

export type SchedulerClass = new (message: Readonly<Outgoing>, options: SchedulerOptions) => Scheduler;
