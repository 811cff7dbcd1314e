import createClient, { type Middleware } from "openapi-fetch";
import { RequestError, toError } from "./problem.js";
import type { paths } from "./schema.gen.js";

/** Where the admin API is: the page's base leads to where the UI is mounted, see doc.go. */
export const apiURL = new URL("api", document.baseURI).href;

/** Turns what failed into a RequestError, and asks for problems in JSON. */
const problems: Middleware = {
  onRequest({ request }) {
    request.headers.set("Accept", "application/json, application/problem+json");
  },
  async onResponse({ response }) {
    if (response.ok) {
      return;
    }
    const text = await response.text();
    throw toError(response.status, parse(text));
  },
  onError({ error }) {
    return error instanceof RequestError
      ? error
      : new RequestError(
          0,
          "The server can't be reached. Check that it runs, and that you are connected to its network.",
        );
  },
};

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The admin API. Its calls throw a RequestError. */
export const api = createClient<paths>({ baseUrl: apiURL });
api.use(problems);

/** What was got, and which version of it that is: to say with a change that it is meant for no later one. */
export type Versioned<T> = T & { version: string };

/** The same as `data`, with its version. */
export async function versioned<T extends object>(
  call: Promise<{ data?: T; response: Response }>,
): Promise<Versioned<T>> {
  const { data, response } = await call;
  return { ...(data as T), version: response.headers.get("ETag") ?? "" };
}

/** What a call was answered with. It has thrown if it failed, so there is data. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}
