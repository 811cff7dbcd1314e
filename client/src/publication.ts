import { Deferrable } from "./deferrable.js";
import type { Limits } from "./dispatcher.js";
import type { BayeuxError } from "./error.js";

/** Bounds on how long a publication is tried. */
export interface PublishOptions {
  /** How many times it may be sent. */
  attempts?: number;
  /** How many seconds from now it may take. */
  deadline?: number;
}

/** One call of `publish`. It is fulfilled when the server has the message, and rejected with a BayeuxError. */
export class Publication extends Deferrable<void> {
  /** @internal */
  settle(refusal?: BayeuxError): void {
    this.setDeferredStatus(refusal ? "failed" : "succeeded", refusal);
  }
}

/** The publication's limits as the dispatcher wants them. Throws on an option that there is not. */
export function limits({ attempts, deadline, ...rest }: PublishOptions): Limits {
  for (const name of Object.keys(rest)) {
    throw new Error(`Unrecognized option: ${name}`);
  }
  return { ...(attempts && { attempts }), ...(deadline && { deadline: Date.now() + deadline * 1000 }) };
}
