import { createHmac } from "node:crypto";

export interface Key {
  id: string;
  secret: string;
}

/** A token as an application's back end makes it: a JWT signed with HS256. */
export function token(key: Key, claims: Record<string, unknown>): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const content = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ keyId: key.id, ...claims })}`;
  return `${content}.${createHmac("sha256", key.secret).update(content).digest("base64url")}`;
}
