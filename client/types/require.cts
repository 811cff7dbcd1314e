/** The same from a CommonJS module. */
import pandapush = require("pandapush-client");

export const client: pandapush.Client = new pandapush.Client("/push");
