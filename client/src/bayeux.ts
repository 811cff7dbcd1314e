/** The words of the Bayeux protocol, and the one place where what a server sends is checked. */

/** What a server asks of its clients about reconnecting. */
export interface Advice {
  reconnect?: "retry" | "handshake" | "none";
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

const isText = (value: unknown) => typeof value === "string";

const checks: Record<string, (value: unknown) => boolean> = {
  channel: isText,
  id: isText,
  clientId: isText,
  error: isText,
  subscription: isText,
  successful: (value) => typeof value === "boolean",
  advice: isObject,
  ext: isObject,
};

const adviceChecks: typeof checks = {
  reconnect: (value) => value === "retry" || value === "handshake" || value === "none",
  interval: isDuration,
  timeout: isDuration,
};

function checked(raw: unknown): Incoming {
  if (!isObject(raw)) {
    throw new TypeError("a Bayeux message is an object");
  }
  dropWrong(raw, checks);
  if (isObject(raw.advice)) {
    dropWrong(raw.advice, adviceChecks);
  }
  return { ...raw, channel: isText(raw.channel) ? (raw.channel as string) : "" };
}

function dropWrong(fields: Record<string, unknown>, table: typeof checks): void {
  for (const [name, isRight] of Object.entries(table)) {
    if (name in fields && !isRight(fields[name])) {
      delete fields[name];
    }
  }
}

/** Timers wrap around beyond 31 bits, and would fire at once. */
function isDuration(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value < 2 ** 31;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
