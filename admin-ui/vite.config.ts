import path from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // Relative, so that the UI works below any path: see doc.go.
  base: "./",
  resolve: { alias: { "pandapush-client": path.join(import.meta.dirname, "../client/src/index.ts") } },
  build: {
    // build.mjs keeps the placeholder, which Vite would remove.
    emptyOutDir: false,
    target: "es2022",
    // The policy of the page lets in no data: URLs but for images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // It comes from the same server, compressed by what is before it, and is cached for good.
    chunkSizeWarningLimit: 1000,
  },
});
