/** Numbers and times for people. */

const number = new Intl.NumberFormat("en");
const decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const dateTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** A count: 1,234. */
export const count = (n: number): string => number.format(n);

/** A rate: small ones with a decimal, large ones shortened: < 0.1, 12.5, 1.2K. */
export function rate(n: number): string {
  if (n > 0 && n < 0.1) {
    return "< 0.1";
  }
  return n < 1000 ? decimal.format(n) : compact.format(n);
}

/** Bytes: 812 B, 1.5 KiB, 3 MiB. */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = n;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${decimal.format(unit === 0 ? Math.round(value) : value)} ${units[unit]}`;
}

const spans: [name: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["year", 365 * 86400],
  ["month", 30 * 86400],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** How long ago, or how soon: "3 minutes ago", "in 7 days". */
export function fromNow(time: string, now: number = Date.now()): string {
  const seconds = Math.round((Date.parse(time) - now) / 1000);
  const [unit, size] = spans.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.round(seconds / size), unit);
}

/** A moment in the reader's time zone: 23 Nov 2026, 14:03:12. */
export const moment = (time: string): string => dateTime.format(new Date(time));

const timeOfDay = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});
const dayAndTime = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** A moment among others, in the reader's time zone: 14:03:12.250 today, 23 Nov, 14:03:12 on another day. */
export function clock(time: string, now: Date = new Date()): string {
  const at = new Date(time);
  return at.toDateString() === now.toDateString() ? timeOfDay.format(at) : dayAndTime.format(at);
}

/** How long: "250 ms", "12.5 s", "3 min", "2 h", "7 days". */
export function duration(seconds: number): string {
  if (seconds < 1) {
    return `${decimal.format(seconds * 1000)} ms`;
  }
  if (seconds < 60) {
    return `${decimal.format(seconds)} s`;
  }
  if (seconds < 3600) {
    return `${decimal.format(seconds / 60)} min`;
  }
  return seconds < 2 * 86400 ? `${decimal.format(seconds / 3600)} h` : `${decimal.format(seconds / 86400)} days`;
}

const browsers = [
  ["Edge", /\bEdg(?:e|A|iOS)?\/(\d+)/],
  ["Opera", /\bOPR\/(\d+)/],
  ["Firefox", /\b(?:Firefox|FxiOS)\/(\d+)/],
  ["Chrome", /\b(?:HeadlessChrome|Chrome|CriOS)\/(\d+)/],
  ["Safari", /\bVersion\/(\d+).*\bSafari\//],
] as const;

const systems = [
  ["Android", /\bAndroid\b/],
  ["iOS", /\b(?:iPhone|iPad)\b/],
  ["Windows", /\bWindows\b/],
  ["macOS", /\bMacintosh\b/],
  ["Linux", /\bLinux\b/],
] as const;

/** What a user agent is called, "Firefox 145 on Windows"; one that is not known stays as it is. */
export function browserName(agent: string): string {
  for (const [name, pattern] of browsers) {
    const version = pattern.exec(agent)?.[1];
    if (version) {
      const system = systems.find(([, known]) => known.test(agent))?.[0];
      return `${name} ${version}${system ? ` on ${system}` : ""}`;
    }
  }
  return agent;
}

/** JSON: on one line if it is short, else over several. */
export function pretty(value: unknown): string {
  const line = JSON.stringify(value) ?? "";
  return line.length <= 80 ? line : JSON.stringify(value, null, 2);
}
