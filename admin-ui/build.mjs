// Builds dist/, and leaves the placeholder in it, which stands for the build in a clone without Node.
import { readdir, rm } from "node:fs/promises";
import { build } from "vite";

const dist = new URL("dist/", import.meta.url);
for (const entry of await readdir(dist)) {
  if (entry !== "placeholder.html") {
    await rm(new URL(entry, dist), { recursive: true });
  }
}
await build({ root: import.meta.dirname, logLevel: "warn" });
