/** The words of the Bayeux protocol, and the one place where what a server sends is checked. */

/** What a server asks of its clients about reconnecting. */
export interface Advice {
  reconnect?: "retry" | "handshake" | "none";
  /** Milliseconds to wait before the next connect or handshake. */
  interval?: number;
  /** Milliseconds for which the server holds a connect. */
  timeout?: number;
}

/** A message to the server. Its id is given by the dispatcher. */
export interface Outgoing {
  channel: string;
  id?: string;
  clientId?: string;
  version?: string;
  supportedConnectionTypes?: readonly string[];
  connectionType?: string;
  subscription?: string;
  data?: unknown;
  ext?: { auth: { token: string } };
}

/** A message from the server: something published if it has `data`, a reply if it has `successful`. */
export interface Incoming {
  channel: string;
  id?: string;
  clientId?: string;
  successful?: boolean;
  error?: string;
  advice?: Advice;
  data?: unknown;
  /** The roster in the reply to a presence subscription. */
  presence?: unknown;
}

/** Reads what came from the network. Throws on anything but JSON objects; drops fields of a wrong type. */
export function parse(text: string): Incoming[] {
  const payload: unknown = JSON.parse(text);
  return (Array.isArray(payload) ? payload : [payload]).map(parseMessage);
}

function parseMessage(raw: unknown): Incoming {
  if (!isObject(raw)) {
    throw new TypeError("a Bayeux message is an object");
  }
  const message: Incoming = { channel: typeof raw.channel === "string" ? raw.channel : "" };
  if (typeof raw.id === "string") message.id = raw.id;
  if (typeof raw.clientId === "string") message.clientId = raw.clientId;
  if (typeof raw.successful === "boolean") message.successful = raw.successful;
  if (typeof raw.error === "string") message.error = raw.error;
  if ("data" in raw) message.data = raw.data;
  if (isObject(raw.advice)) message.advice = parseAdvice(raw.advice);
  if (isObject(raw.ext) && "presence" in raw.ext) message.presence = raw.ext.presence;
  return message;
}

function parseAdvice(raw: Record<string, unknown>): Advice {
  const advice: Advice = {};
  const { reconnect, interval, timeout } = raw;
  if (reconnect === "retry" || reconnect === "handshake" || reconnect === "none") advice.reconnect = reconnect;
  if (isDuration(interval)) advice.interval = interval;
  if (isDuration(timeout)) advice.timeout = timeout;
  return advice;
}

/** Timers wrap around beyond 31 bits, and would fire at once. */
function isDuration(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < 2 ** 31;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
