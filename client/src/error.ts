/**
 * Why the server refused something, or why the client gave it up.
 *
 * The server's Bayeux errors, `403:/meta/x:Forbidden channel`, are taken apart into `code`, `params` and `message`. Its
 * free texts, `Token does not match channel`, and the client's own errors have only a message.
 */
export class BayeuxError extends Error {
  override readonly name = "BayeuxError";
  readonly code: number | null;
  readonly params: readonly string[];

  constructor(message: string, code: number | null = null, params: readonly string[] = []) {
    super(message);
    this.code = code;
    this.params = params;
  }

  /** Reads the `error` field of a reply. */
  static parse(text = ""): BayeuxError {
    const [, code, params = "", message = ""] = /^([0-9]{3}):([^:]*):(.*)$/s.exec(text) ?? [];
    return code ? new BayeuxError(message, Number(code), params.split(",").filter(Boolean)) : new BayeuxError(text);
  }

  /** The text as the server sent it. */
  override toString(): string {
    return this.code === null ? this.message : `${this.code}:${this.params.join(",")}:${this.message}`;
  }
}
