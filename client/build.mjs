// Builds dist/: client.js for script tags, index.mjs and index.cjs for packages. tsc adds the types.
import { readdir, rm } from "node:fs/promises";
import { build } from "esbuild";

const dist = new URL("dist/", import.meta.url);
for (const entry of await readdir(dist)) {
  if (entry !== "placeholder.js") {
    await rm(new URL(entry, dist), { recursive: true });
  }
}

const common = { entryPoints: ["src/index.ts"], bundle: true, sourcemap: true, target: "es2022", logLevel: "warning" };
await Promise.all([
  build({ ...common, outfile: "dist/client.js", format: "iife", globalName: "Pandapush", minify: true }),
  build({ ...common, outfile: "dist/index.mjs", format: "esm" }),
  build({ ...common, outfile: "dist/index.cjs", format: "cjs" }),
]);
