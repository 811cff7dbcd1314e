/** Where the server is and who its client is: a key with its secret, or a token, or for public channels neither. */
export type Config = {
  /** Like `https://push.example.com`; a path in it is kept. */
  url: string;
  /** Bounds one attempt of a request, in milliseconds, and how long `follow` waits for its answer to begin. Default: 10,000. */
  timeout?: number;
  /** How often a request is sent at most. Default: 5. */
  attempts?: number;
} & ({ key: string; secret: string; token?: undefined } | { token?: string; key?: undefined; secret?: undefined });

export interface Abortable {
  /** Aborting it ends the call, which then throws the signal's reason. */
  signal?: AbortSignal;
}

export interface BatchOptions extends Abortable {
  /**
   * Names the request: another one under the same key, within the server's window, is answered as the first was, and stores
   * nothing. 1 to 255 printable ASCII characters. Default: a random one, which covers the attempts of one call.
   */
  idempotencyKey?: string;
}

export interface PublishOptions extends BatchOptions {
  /** A cursor: the message is stored only if nothing newer is on the channel, else the error has the kind "changed". */
  ifMatch?: string;
  /** Seconds for which those who read the past get the message, at least 1. Default: as long as the application keeps it. */
  ttl?: number;
  /** The client id of a session that does not get the message. */
  exclude?: string;
}

/** One message of a batch, for one channel or for several. */
export type BatchMessage = { data: object; ttl?: number; exclude?: string } & (
  | { channel: string; channels?: undefined }
  | { channels: readonly string[]; channel?: undefined }
);

export interface Result {
  channel: string;
  id: string;
}

export interface Message {
  /** A cursor: what came after the message is had by giving it as `since`. */
  id: string;
  channel: string;
  data: unknown;
  /** It is the server's own, of who joined or left. */
  notice: boolean;
}

/** Messages between two cursors may be missing. */
export interface Gap {
  /** "trimmed": no longer kept; "epoch" or "ahead": the server's Redis lost or restored its stream. */
  reason: "trimmed" | "epoch" | "ahead";
  from: string;
  to: string;
}

/** Who is on a presence channel that is followed; it comes when a stream begins, also anew. Notices say what changes. */
export interface Room {
  channel: string;
  /** The presence object of each, by its id. */
  members: Record<string, { id: string; [name: string]: unknown }>;
}

export type Event = ({ type: "message" } & Message) | ({ type: "gap" } & Gap) | ({ type: "room" } & Room);

export interface HistoryOptions extends Abortable {
  /** What came after: a cursor, a time ago ("2m"), or a number of messages ("10"). */
  since?: string | number;
  /** Nothing that came after: a cursor, or a time ago. */
  until?: string;
  /** Messages at most, up to 1,000. Default: 100. */
  limit?: number;
  /** Which come first. Default: "newest". */
  order?: "newest" | "oldest";
}

export interface Page {
  messages: Message[];
  /** Where the application's stream ended: give it as `since`, or as `ifMatch`. */
  cursor: string;
  /** If there may be more: give it as `until`, or, with oldest first and no number in `since`, as `since`. */
  next?: string;
  /** Not all after the cursor in `since` is kept any more. */
  gap?: Gap;
}

export interface FollowOptions extends Abortable {
  /** Begin after a cursor, a time ago ("2m") or with a number of messages ("10"). Default: now. */
  since?: string | number;
}

export interface TokenOptions {
  publish?: boolean;
  subscribe?: boolean;
  /** Who the bearer is; needed to subscribe to a presence channel. Others in the room see it. */
  presence?: { id: string; [name: string]: unknown };
  /** Seconds for which the token is valid. Default: 3,600. */
  life?: number;
}

/** A client of one server. Make one and keep it. */
export class Client {
  constructor(config: Config);

  /**
   * Stores a message on a channel, and returns its id, a cursor. Tries again when it gets no answer; the message is stored once
   * all the same. After a `ConnectionError` it is not known whether it is stored: publish it again under the same
   * `idempotencyKey` to find out.
   */
  publish(channel: string, data: object, options?: PublishOptions): Promise<string>;

  /**
   * Stores up to 1,000 messages for channels of one application: all or none, and once, as `publish` does. Returns a result for
   * each message and channel, in their order.
   */
  batch(messages: readonly BatchMessage[], options?: BatchOptions): Promise<Result[]>;

  /** Reads back what is kept of a channel, or of all that a pattern matches. A page may be empty and still have a `next`. */
  history(channel: string, options?: HistoryOptions): Promise<Page>;

  /**
   * Yields what is published on channels and patterns, all of one application. Comes back by itself when the connection is lost,
   * and goes on after the last event: every message that the server keeps is had once, in order. Where one may be missing there
   * is a gap. Throws when the server refuses (`PandapushError`), when it ends the stream for good (`EndedError`), when `attempts`
   * have not brought a first connection about, and when the signal is aborted.
   */
  follow(channels: string | readonly string[], options?: FollowOptions): AsyncGenerator<Event, never, void>;

  /** Mints a token for a channel or a pattern, without asking the server. */
  token(channel: string, options: TokenOptions): string;
}

/** An answer that says no. */
export class PandapushError extends Error {
  /** Of HTTP. */
  readonly status: number;
  /** Kind of problem, like "rate-limited"; docs/http-api.md lists them. "" if something before the server answered. */
  readonly kind: string;
  /** What is wrong, in words. */
  readonly detail: string;
  /** Query parameter or header at fault. */
  readonly param?: string;
  /** Part of the body at fault, as a JSON pointer. */
  readonly field?: string;
  /** With kind "changed": the cursor of what is newest on the channel. */
  readonly newest?: string;
  /** With kind "changed": where the stream ends, to try again with. */
  readonly cursor?: string;
  /** Names the request in the server's log. */
  readonly requestId?: string;
  /** Milliseconds for which the server wants to be left alone; 0 if it did not say. */
  readonly retryAfter: number;
}

/** No answer, or not a whole one; `cause` says why. */
export class ConnectionError extends Error {}

/** The token has expired, its key was revoked, or the application is gone or suspended. */
export class EndedError extends Error {
  readonly reason: string;
}
