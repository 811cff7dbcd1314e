import { createContext, use } from "react";
import type { Info } from "./api/schema.js";

export const InfoContext = createContext<Info | null>(null);

/** Who is logged in, and where; known on every page, since the shell waits for it. */
export function useInfo(): Info {
  const info = use(InfoContext);
  if (info === null) {
    throw new Error("used outside of the shell");
  }
  return info;
}

/** Whether the user may change anything. Without it the pages show, and offer nothing. */
export const useMayChange = (): boolean => useInfo().role !== "read-only";

/** Whether the user sees the whole service. */
export const useSeesAll = (): boolean => useInfo().role !== "admin";
