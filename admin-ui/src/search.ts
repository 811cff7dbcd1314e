/** The part of a URL after "?", as names and texts: a value that looks like JSON stays what was typed. */
export type Search = Record<string, string>;

/** Whether a value is short enough to be kept in the URL. */
export const fits = (value: string): boolean => value.length <= 1024;

export const parseSearch = (text: string): Search => Object.fromEntries(new URLSearchParams(text));

/** Leaves out what is empty or too long to be kept. */
export function stringifySearch(search: Record<string, unknown>): string {
  const kept = Object.entries(search).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "" && fits(entry[1]),
  );
  return kept.length === 0 ? "" : `?${new URLSearchParams(kept)}`;
}
