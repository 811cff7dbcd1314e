/** The documentation that is made from the code is as it would be made now. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

// typedoc is slow on a busy machine.
test("API.md, and the sizes in README.md", { timeout: 300_000 }, async () => {
  const script = path.join(import.meta.dirname, "../docs.mjs");
  await expect(promisify(execFile)(process.execPath, [script, "--check"])).resolves.toEqual({ stdout: "", stderr: "" });
});
