import { expect, test, vi } from "vitest";
import { BayeuxError } from "./error.js";
import { readHistory } from "./history.js";

/** Reads with a server that answers like this. Returns what was asked. */
async function read(
  body: unknown,
  status: number,
  ...[channel, token, options]: Parameters<typeof readHistory> extends [unknown, ...infer Rest] ? Rest : never
) {
  const fetch = vi.fn(async (_url: URL, _init: RequestInit) => new Response(JSON.stringify(body), { status }));
  const config = { endpoint: new URL("http://server/below/push"), headers: { "X-A": "1" }, fetch: fetch as never };
  const history = await readHistory(config, channel, token, options);
  const [url, init] = fetch.mock.calls[0] ?? [];
  return { history, url: String(url), headers: init?.headers };
}

const page = { messages: [{ id: "e-1-0", channel: "/a/public/x", data: 1 }], cursor: "e-2-0", next: "e-1-0" };

test("it asks the HTTP API beside the endpoint", async () => {
  const { history, url, headers } = await read(page, 200, "/a/public/x", "t", {
    since: "2m",
    limit: 5,
    order: "oldest",
  });
  expect(history).toEqual(page);
  expect(url).toBe("http://server/below/channel/a/public/x?since=2m&limit=5&order=oldest");
  expect(headers).toEqual({ "X-A": "1", Accept: "application/json", Authorization: "Token t" });
});

test("no token, no header", async () => {
  const { headers } = await read(page, 200, "/a/public/**", null, {});
  expect(headers).not.toHaveProperty("Authorization");
});

test("the endpoint may end in a slash, and a server that is not there is a BayeuxError", async () => {
  const fetched = vi.fn(() => Promise.reject(new TypeError("fetch failed")));
  const http = { endpoint: new URL("https://server/base/push/"), headers: {}, fetch: fetched as never };
  const error = await readHistory(http, "/app/public/x", null, {}).catch((reason) => reason);
  expect(error).toEqual(new BayeuxError("TypeError: fetch failed"));
  expect(String(fetched.mock.calls[0])).toContain("https://server/base/channel/app/public/x");
});

test("a refusal has the server's words", async () => {
  await expect(read({ detail: "Takes 1 to 1000" }, 400, "/a/public/x", null, {})).rejects.toThrow("Takes 1 to 1000");
  await expect(read({ message: "No auth supplied" }, 403, "/a/private/x", null, {})).rejects.toMatchObject({
    code: 403,
  });
  await expect(read([], 502, "/a/public/x", null, {})).rejects.toThrow("HTTP status 502");
});
