/** What the build makes: a script for pages, and a package for both kinds of modules. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type * as Library from "../src/index.js";

const script = new URL("../dist/client.js", import.meta.url);

test("the script sets Pandapush", async () => {
  const page: { Pandapush?: { Client?: unknown } } = {};
  runInNewContext(await readFile(script, "utf8"), page);
  expect(page.Pandapush?.Client).toBeTypeOf("function");
});

test("the script has every method and accessor that API.md tells of", async () => {
  const page: { Pandapush?: typeof Library } = {};
  const globals = { URL, AbortController, setTimeout, clearTimeout, queueMicrotask };
  runInNewContext(await readFile(script, "utf8"), Object.assign(page, globals));
  const { Client, Scheduler, BayeuxError } = page.Pandapush as typeof Library;
  const client = new Client("http://server/push", { fetch: () => new Promise(() => {}) });
  const made: Record<string, object> = {
    Client: client,
    Roster: client.presence("/a/presence/x", null),
    Subscription: client.subscribe("/a/public/x"),
    Publication: client.publish("/a/public/x", {}),
    Scheduler: new Scheduler({ channel: "/a" }, { timeout: 1, interval: 1 }),
    BayeuxError: new BayeuxError("x"),
  };
  const api = await readFile(new URL("../API.md", import.meta.url), "utf8");
  for (const [name, object] of Object.entries(made)) {
    const [, section = ""] = new RegExp(`\n### ${name}\n(.*?)\n###? `, "s").exec(api) ?? [];
    const names = [...section.matchAll(/^##### ([a-z]\w*)/gm)].map(([, member = ""]) => member);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((member) => !(member in object || member in object.constructor))).toEqual([]);
  }
  await client.disconnect();
});

test("the script has at most 10 KiB when compressed", async () => {
  expect(gzipSync(await readFile(script), { level: 9 }).length).toBeLessThanOrEqual(10 * 1024);
});

test("the types fit their use, from modules of both kinds", { timeout: 300_000 }, async () => {
  const folder = path.join(import.meta.dirname, "../types");
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  await expect(promisify(execFile)(process.execPath, [tsc, "-p", folder])).resolves.toEqual({ stdout: "", stderr: "" });
});

test("the package can be imported and required", async () => {
  const require = createRequire(import.meta.url);
  const name = "pandapush-client"; // by its own name, so through the exports of package.json
  expect((await import(name)).Client).toBeTypeOf("function");
  expect(require(name).Client).toBeTypeOf("function");
});

test("the module needs nothing but the platform, so that Deno and browsers can import it as it is", async () => {
  const module = await readFile(new URL("../dist/index.mjs", import.meta.url), "utf8");
  expect(module).toMatch(/^export \{/m);
  expect(module).not.toMatch(/^import\b|\bimport\(|\brequire\(|\bprocess\b/m);
});
