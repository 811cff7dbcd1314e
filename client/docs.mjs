// Writes what is made from elsewhere into the documentation: API.md from the types, and the table of sizes in README.md from
// the scripts themselves (so after "npm run build"). With --check it writes nothing, and fails if something would change.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const here = import.meta.dirname;

/** What stands beside our script: what a page would load of the others. */
const scripts = [
  ["`client.js`", path.join(here, "dist/client.js")],
  ["Faye 1.4.3, `faye-browser-min.js`", path.join(here, "node_modules/faye/client/faye-browser-min.js")],
  ["pusher-js 8.6.0, `pusher.min.js`", path.join(here, "node_modules/pusher-js/dist/web/pusher.min.js")],
];

/** API.md, as typedoc makes it. */
async function api() {
  const folder = await mkdtemp(path.join(tmpdir(), "pandapush-api-"));
  try {
    const typedoc = path.join(here, "node_modules/typedoc/bin/typedoc");
    await promisify(execFile)(process.execPath, [typedoc, "--logLevel", "Warn", "--out", folder], { cwd: here });
    return await readFile(path.join(folder, "API.md"), "utf8");
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** README.md with the table. */
async function readme(text) {
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
  const rows = await Promise.all(
    scripts.map(async ([name, file]) => {
      const content = await readFile(file);
      return `| ${name} | ${kilobytes(content.length)} | ${kilobytes(gzipSync(content, { level: 9 }).length)} |`;
    }),
  );
  const table = ["| script | minified | and gzipped |", "|---|---|---|", ...rows].join("\n");
  return text.replace(/(<!-- sizes:[^>]*-->).*?(<!-- end of sizes -->)/s, `$1\n\n${table}\n\n$2`);
}

const files = { "API.md": api, "README.md": readme };
for (const [name, make] of Object.entries(files)) {
  const file = path.join(here, name);
  const before = await readFile(file, "utf8").catch(() => "");
  const after = await make(before);
  if (after === before) {
    continue;
  }
  if (process.argv.includes("--check")) {
    process.stderr.write(`${name} is not as it would be made now: run "npm run docs"\n`);
    process.exitCode = 1;
  } else {
    await writeFile(file, after);
  }
}
