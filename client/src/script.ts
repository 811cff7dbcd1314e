/** The script for pages: it sets `Pandapush`. */
import { BayeuxError, Client, Scheduler } from "./index.js";

/** The package's version, which the build puts in. */
declare const VERSION: string;

Object.assign(globalThis, { Pandapush: { VERSION, BayeuxError, Client, Scheduler } });
