import type { Problem } from "./schema.js";

/** A request that the server refused, or that did not get there (status 0). Its message is for people. */
export class RequestError extends Error {
  readonly status: number;
  /** What is wrong with which field of the request. */
  readonly fields: Readonly<Record<string, string>>;

  constructor(status: number, message: string, fields: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

/** Makes an error of what a request was answered with. */
export function toError(status: number, body: unknown): RequestError {
  if (typeof body !== "object" || body === null) {
    return new RequestError(status, `The server answered with status ${status}.`);
  }
  const { title, detail, errors } = body as Partial<Problem>;
  const fields = Object.fromEntries((errors ?? []).map((wrong) => [wrong.field, sentence(wrong.field, wrong.detail)]));
  const first = Object.values(fields)[0];
  return new RequestError(status, first ?? detail ?? title ?? `The server answered with status ${status}.`, fields);
}

/** The server says "is empty" of a field; people read "Name is empty." */
function sentence(field: string, detail: string): string {
  const name = field.replaceAll("_", " ");
  return `${name.charAt(0).toUpperCase()}${name.slice(1)} ${detail}.`;
}
