// An answer that says no.
export class PandapushError extends Error {
  name = "PandapushError";

  constructor(what, response, body) {
    const document = parse(body);
    const detail = document.detail ?? (response.statusText || "no explanation");
    const kind = document.detail ? (document.type?.split("#")[1] ?? "") : "";
    const at = document.param ?? document.field;
    super(`${what}: ${[response.status, kind].join(" ").trim()}: ${detail}${at ? ` (${at})` : ""}`);
    this.status = response.status;
    this.kind = kind;
    this.detail = detail;
    for (const name of ["param", "field", "newest", "cursor"]) this[name] = document[name];
    this.requestId = response.headers.get("X-Request-Id") ?? undefined;
    this.retryAfter = retryAfter(response.headers.get("Retry-After"));
  }
}

// No answer, or not a whole one: cause says why. Whether a message is stored is not known.
export class ConnectionError extends Error {
  name = "ConnectionError";

  constructor(what, cause) {
    // Why fetch failed is in the cause of what it throws.
    super(`${what}: no answer: ${cause?.cause?.message || cause?.cause?.code || cause?.message || cause}`, { cause });
  }
}

// The server has ended an event stream for good.
export class EndedError extends Error {
  name = "EndedError";

  constructor(what, reason) {
    super(`${what}: the server ended the stream: ${reason}`);
    this.reason = reason;
  }
}

// passes tells whether what failed may work later: nothing was answered, or by someone who is busy.
export function passes(error) {
  return (
    error instanceof ConnectionError || (error instanceof PandapushError && [429, 502, 503, 504].includes(error.status))
  );
}

// parse reads a problem (RFC 9457). Of what is none, such as a balancer's page, the status is all that is known.
function parse(body) {
  try {
    return Object(JSON.parse(body));
  } catch {
    return {};
  }
}

// retryAfter reads the header, which has seconds or a date, as milliseconds.
function retryAfter(text) {
  const time = /^\d+$/.test(text ?? "") ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return time > 0 ? time : 0;
}
