import { createHmac } from "node:crypto";

// mint makes a token: a JWT signed with HS256. life is in seconds.
export function mint(key, channel, { publish = false, subscribe = false, presence, life = 3600 }) {
  if (!publish && !subscribe) throw new TypeError("the token would allow neither publishing nor subscribing");
  if (!(life > 0)) throw new TypeError("life takes a number of seconds");
  const claims = { keyId: key.id, channel, presence, exp: Math.floor(Date.now() / 1000 + life) };
  if (publish) claims.pub = true;
  if (subscribe) claims.sub = true;
  const content = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${content}.${createHmac("sha256", key.secret).update(content).digest("base64url")}`;
}

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
