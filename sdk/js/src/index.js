export { Client } from "./client.js";
export { ConnectionError, EndedError, PandapushError } from "./errors.js";
