import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { Server } from "./server.js";

test("README.md: its snippets are a program, which prints what it says", async (t) => {
  const server = await Server.start(t);
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const blocks = (kind) =>
    [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, k]) => k === kind).map(([, , text]) => text);
  const program = blocks("js").join("").replaceAll("http://localhost:3000", server.url);
  const options = { cwd: new URL("..", import.meta.url) }; // where the package finds itself by its name
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], options);
  assert.equal(stdout, blocks("text").join(""));
});
