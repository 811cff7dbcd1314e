/** The words of the Bayeux protocol, and the one place where what a server sends is checked. */

/** What a server asks of its clients about reconnecting. */
export interface Advice {
  /** "retry", "handshake" or "none". */
  reconnect?: string;
  /** Milliseconds to wait before the next connect or handshake. */
  interval?: number;
  /** Milliseconds for which the server holds a connect. */
  timeout?: number;
}

/** A message to the server. */
export interface Outgoing {
  channel: string;
  id?: string;
  clientId?: string;
  version?: string;
  supportedConnectionTypes?: readonly string[];
  connectionType?: string;
  subscription?: string;
  advice?: Advice;
  data?: unknown;
  ext?: Record<string, unknown>;
}

/** A message from the server: something published if it has `data`, a reply if it has `successful`. */
export interface Incoming {
  channel: string;
  id?: string;
  clientId?: string;
  successful?: boolean;
  error?: string;
  subscription?: string;
  advice?: Advice;
  data?: unknown;
  ext?: Record<string, unknown>;
}

/** Reads what came from the network. Throws on anything but JSON objects; drops known fields of a wrong type. */
export function parse(text: string): Incoming[] {
  const payload: unknown = JSON.parse(text);
  return (Array.isArray(payload) ? payload : [payload]).map(checked);
}

const kinds: Record<string, string> = {
  channel: "string",
  id: "string",
  clientId: "string",
  error: "string",
  subscription: "string",
  successful: "boolean",
  advice: "object",
  ext: "object",
};

function checked(raw: unknown): Incoming {
  if (!isObject(raw)) {
    throw new TypeError("a Bayeux message is an object");
  }
  drop(
    raw,
    (name, value) => name in kinds && (kinds[name] === "object" ? !isObject(value) : typeof value !== kinds[name]),
  );
  // Timers wrap around beyond 31 bits, and would fire at once.
  const isDuration = (value: unknown) => typeof value === "number" && value >= 0 && value < 2 ** 31;
  drop(raw.advice ?? {}, (name, value) => name !== "reconnect" && !isDuration(value));
  return { channel: "", ...raw };
}

/** Removes the fields that are wrong. */
function drop(fields: object, isWrong: (name: string, value: unknown) => boolean): void {
  for (const [name, value] of Object.entries(fields)) {
    if (isWrong(name, value)) {
      delete (fields as Record<string, unknown>)[name];
    }
  }
}

/** Why a value can't be sent; "" if it can. */
export function whyNotJSON(value: unknown): string {
  try {
    JSON.stringify(value);
    return "";
  } catch (error) {
    return String(error);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
