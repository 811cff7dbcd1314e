// Builds dist/: client.js for script tags, index.mjs and index.cjs for packages. tsc adds the types, once for each kind.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { rolldown } from "rolldown";

const dist = new URL("dist/", import.meta.url);
for (const entry of await readdir(dist)) {
  if (entry !== "placeholder.js") {
    await rm(new URL(entry, dist), { recursive: true });
  }
}

const { version } = JSON.parse(await readFile(new URL("package.json", import.meta.url), "utf8"));

/** Bundles one file, with all that it imports, into one. */
async function bundle(input, output) {
  const build = await rolldown({
    input,
    transform: { target: "es2022", define: { VERSION: JSON.stringify(version) } },
  });
  await build.write({ sourcemap: true, ...output });
}

// Properties that are named for the reader only, and shortened in the script. None is of its API, of the platform, or of what
// is said to the server or to other pages, whose script may be of another version.
const inner = `
  answered arrived asked begin beginAt behind better broken candidates catchingUp context cursors deliver down ended endpoint
  epoch extensions failuresLeft forget hand held high isOpen last leave live lose lost note pass place ready receive received
  refresh replied reset resume resumption retryDelay rewinding running seen sent settle settled sleep start stop take timer types
  upgrade waitFor wake want worked`;
const mangleProps = { include: new RegExp(`^(${inner.trim().split(/\s+/).join("|")})$`) };
const minify = { compress: true, mangle: true, codegen: true, mangleProps };
await bundle("src/script.ts", { file: "dist/client.js", format: "iife", minify, comments: false });
await bundle("src/index.ts", { file: "dist/index.mjs", format: "esm" });
await bundle("src/index.ts", { file: "dist/index.cjs", format: "cjs" });

// The types beside this file are those of a CommonJS module.
await mkdir(new URL("cjs/", dist));
await writeFile(new URL("cjs/package.json", dist), '{ "type": "commonjs" }\n');
