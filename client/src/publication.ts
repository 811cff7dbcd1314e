import { Deferrable } from "./deferrable.js";

/** Bounds on how long a publication is tried. */
export interface PublishOptions {
  /** How many times it may be sent. */
  attempts?: number;
  /** How many seconds from now it may take. */
  deadline?: number;
}

/** One call of `publish`. It is fulfilled when the server has the message, and rejected with a BayeuxError. */
export class Publication extends Deferrable<void> {}

/** The publication's limits as the dispatcher wants them. Throws on an option that there is not. */
export function limits(options: PublishOptions): { attempts?: number; deadline?: number } {
  for (const name of Object.keys(options)) {
    if (name !== "attempts" && name !== "deadline") {
      throw new Error(`Unrecognized option: ${name}`);
    }
  }
  const { attempts, deadline } = options;
  return {
    ...(attempts === undefined ? {} : { attempts }),
    ...(deadline === undefined ? {} : { deadline: Date.now() + deadline * 1000 }),
  };
}
