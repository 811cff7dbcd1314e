import type { Change } from "../api/schema.js";
import { bytes, count, duration, moment } from "../format.js";

/** What became of one field of what was changed, for people. Without `before` it is new, without `after` it is gone. */
export interface FieldChange {
  name: string;
  before?: string;
  after?: string;
}

type Fields = Record<string, unknown>;

const names: Record<string, string> = {
  previous_until: "old secret ends",
  revoked_at: "revoked",
  history_length: "messages kept",
  history_age: "kept for",
  origins: "allowed origins",
  max_message_bytes: "largest message",
};

/** Zero is what the server has as default for these. */
const limits: Record<string, (value: number) => string> = {
  history_length: count,
  history_age: duration,
  publish_rate: (n) => `${count(n)} / s`,
  publish_burst: count,
  connections: count,
  max_message_bytes: bytes,
};

/** Whatever differs between before and after, field by field: settings each by itself, and what a token grants as one. */
export function fieldChanges({ before, after }: Pick<Change, "before" | "after">): FieldChange[] {
  const was = flat(before);
  const is = flat(after);
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((field) => JSON.stringify(was[field]) !== JSON.stringify(is[field]))
    .map((field) => ({
      name: names[field] ?? field.replaceAll("_", " "),
      ...(isNothing(was[field]) && field in is ? {} : { before: text(field, was[field]) }),
      ...(field in is ? { after: text(field, is[field]) } : {}),
    }));
}

const isNothing = (value: unknown): boolean => value === undefined || value === null;

function flat(fields: Change["before"]): Fields {
  const { settings, pub, sub, ...rest } = (fields ?? {}) as Fields & { settings?: Fields };
  const may = [pub && "publish", sub && "subscribe"].filter(Boolean);
  return { ...rest, ...settings, ...(may.length > 0 && { may: may.join(" and ") }) };
}

const isTime = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

function text(field: string, value: unknown): string {
  if (isNothing(value)) {
    return field === "expires" ? "never" : "none";
  }
  if (Array.isArray(value)) {
    return value.length > 0 ? value.join(", ") : "none";
  }
  if (typeof value === "boolean") {
    return value ? "yes" : "no";
  }
  if (typeof value === "number") {
    const show = limits[field];
    return show ? (value > 0 ? show(value) : "default") : count(value);
  }
  if (typeof value === "string") {
    return isTime.test(value) ? moment(value) : value;
  }
  return JSON.stringify(value);
}
