import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts"] } },
      {
        test: {
          name: "interop",
          include: ["interop/**/*.test.ts"],
          // Generous: a Faye client waits a fixed 5 s after a lost connection, and its session ends before it comes back.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
