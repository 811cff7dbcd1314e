import { application } from "./channel.js";

/** How long the server may take between two older messages, in milliseconds; newer ones may come in between. */
const settling = 5000;

/** A cursor, taken apart: the place of a message in its application's stream. */
export interface Position {
  readonly cursor: string;
  /** Names the stream: another one takes its place when it is lost. */
  readonly epoch: string;
  /** Places in a stream compare as texts. */
  readonly place: string;
}

/** Reads a cursor. Undefined for anything else, such as the ids that plain Faye servers pass on. */
export function parseCursor(cursor: unknown): Position | undefined {
  const [text, epoch, millis = "", sequence = ""] = /^(\w+)-(\d+)-(\d+)$/.exec(String(cursor)) ?? [];
  // Padded to the digits of 64 bits, which numbers here do not have.
  return text && epoch
    ? { cursor: text, epoch, place: millis.padStart(20, "0") + sequence.padStart(20, "0") }
    : undefined;
}

/** Whether `position` is news to who has everything up to `known`. A stream of another epoch is all news. */
export function isAfter(position: Position, known: Position | undefined): boolean {
  return position.epoch !== known?.epoch || position.place > known.place;
}

/** How long what came last may be told to the server as news, in milliseconds: see `cursors`. */
const fresh = 60_000;

interface Stream {
  high?: Position;
  /** When it came. */
  at: number;
  /** How many subscriptions to the past wait for their replies. */
  asked: number;
  /** Whether older messages may follow. */
  behind: boolean;
  /** From when on anything that the server says means that none do. */
  until: number;
}

/**
 * Progress knows how far the client has got in each application's stream. Messages come in the order of the stream, so the
 * newest one stands for all before it; but not after a subscription to the past, when older ones follow, until something
 * else has come after them. It takes that to tell the end of them from a connection that is dead.
 */
export class Progress {
  readonly #streams = new Map<string, Stream>();

  /** Notes that everything up to this message or cursor has come. */
  note(channel: string, position: Position): void {
    const stream = this.#stream(channel);
    if (isAfter(position, stream.high)) {
      settle(stream);
      stream.high = position;
      stream.at = Date.now();
    } else {
      stream.behind = true;
      stream.until = Date.now() + settling;
    }
  }

  /** How far the application of `channel` is, if anything has come of it. */
  high(channel: string): Position | undefined {
    return this.#stream(channel).high;
  }

  /** Whether older messages of the application of `channel` may follow. */
  behind(channel: string): boolean {
    return this.#stream(channel).behind;
  }

  /** To be called when the server has replied to something. */
  replied(): void {
    this.#streams.forEach(settle);
  }

  /** To be called with a subscription to the past. Returns what is to be called with its reply. */
  rewinding(channel: string): () => void {
    const stream = this.#stream(channel);
    stream.asked++;
    stream.behind = true;
    return () => {
      stream.asked--;
      stream.until = Date.now() + settling;
    };
  }

  /** The session is new: replies that were waited for do not come any more. */
  begin(): void {
    for (const stream of this.#streams.values()) {
      stream.asked = 0;
    }
  }

  /** Forgets how far an application's stream was, if that is gone and another has taken its place. */
  forget(app: string, epoch: string | undefined): void {
    const stream = this.#stream(`/${app}`);
    if (stream.high && stream.high.epoch !== epoch) {
      delete stream.high;
    }
  }

  /**
   * The cursors to go on from in the same session, by application: of those where nothing older may follow, and something
   * has come lately. The server keeps count too, and knows better where nothing has come for long.
   */
  cursors(): Record<string, string> {
    const cursors: Record<string, string> = {};
    for (const [app, { high, at }] of this.#streams) {
      if (high && Date.now() - at < fresh && !this.behind(`/${app}`)) {
        cursors[app] = high.cursor;
      }
    }
    return cursors;
  }

  #stream(channel: string): Stream {
    const app = application(channel);
    const stream = this.#streams.get(app) ?? { at: 0, asked: 0, behind: false, until: 0 };
    this.#streams.set(app, stream);
    return stream;
  }
}

/** Something has come that is not older than what has. */
function settle(stream: Stream): void {
  stream.behind &&= stream.asked > 0 || Date.now() < stream.until;
}
