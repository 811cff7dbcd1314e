/** Faye's client for Ruby (Debian's package ruby-faye) with the real server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, onTestFailed, test, vi } from "vitest";
import { Inbox } from "./inbox.js";
import { devKey, Server } from "./server.js";

let server: Server;

beforeAll(async () => {
  server = await Server.prepare();
  await server.start();
});
afterAll(() => server.stop());

test.each(["websocket", "long-polling"])("%s", async (transport) => {
  const channel = `/devapp/private/ruby-${transport}`;
  const script = path.join(import.meta.dirname, "faye.rb");
  const ruby = spawn("ruby", [script, `${server.url}/push`, transport, channel, devKey.id, devKey.secret], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(ruby, "exit");
  const log: string[] = [];
  createInterface({ input: ruby.stderr }).on("line", (line) => log.push(line));
  onTestFailed(() => {
    process.stderr.write(`${log.join("\n")}\n${server.log}\n`);
    ruby.kill("SIGKILL");
  });
  const inbox = new Inbox<string>();
  createInterface({ input: ruby.stdout }).on("line", inbox.put);

  expect(JSON.parse(await inbox.next())).toEqual({ from: "ruby" });
  const used = transport === "websocket" ? { sockets: 1, polls: 0 } : { sockets: 0, polls: 1 };
  await vi.waitFor(async () => expect(await server.connections()).toEqual(used), { timeout: 20_000 });
  for (let n = 0; n < 20; n++) {
    await server.publish(devKey, channel, { n, text: "héllo" });
  }
  await server.publish(devKey, channel, { last: true });
  for (let n = 0; n < 20; n++) {
    expect(JSON.parse(await inbox.next())).toEqual({ n, text: "héllo" });
  }
  expect(JSON.parse(await inbox.next())).toEqual({ last: true });
  expect(await ended).toEqual([0, null]);
});
