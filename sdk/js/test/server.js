import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { Client } from "pandapush-server";

const binary = process.env.PANDAPUSH_BIN ?? path.join(import.meta.dirname, "../../../bin/pandapush");

// The real program, with a data folder of its own.
export class Server {
  #process;
  #address = "127.0.0.1:0"; // of the first start; later ones take the same

  // start starts one for a test, and has it stopped when that ends.
  static async start(t) {
    const server = new Server();
    server.dataDir = await mkdtemp(path.join(tmpdir(), "pp-"));
    t.after(async () => {
      await server.#stop("SIGTERM");
      await rm(server.dataDir, { recursive: true, force: true });
    });
    await server.#start();
    return server;
  }

  get url() {
    return `http://${this.#address}`;
  }

  get port() {
    return Number(this.#address.split(":")[1]);
  }

  // client returns one with the development application's key.
  client(more = {}) {
    return new Client({ url: this.url, key: "devkey", secret: "devsecret", attempts: 20, ...more });
  }

  // restart kills the server as a crash would, and starts it anew in the same place.
  async restart() {
    await this.#stop("SIGKILL");
    await this.#start();
  }

  async #start() {
    const { PATH, TMPDIR = tmpdir() } = process.env;
    const dev = { DEV_APPLICATION_ID: "devapp", DEV_KEY_ID: "devkey", DEV_KEY_SECRET: "devsecret" };
    const env = {
      PATH,
      TMPDIR,
      DATA_DIR: this.dataDir,
      LISTEN: this.#address,
      LOG_FORMAT: "json",
      DRAIN_SECONDS: "1",
      ...dev,
    };
    this.#process = spawn(binary, ["serve"], { env, stdio: ["ignore", "ignore", "pipe"] });
    const log = [];
    this.#address = await new Promise((resolve, reject) => {
      createInterface({ input: this.#process.stderr }).on("line", (line) => {
        log.push(line);
        const { msg, addr } = JSON.parse(line);
        if (msg === "listening") resolve(addr);
      });
      this.#process.on("error", reject);
      this.#process.on("exit", () => reject(new Error(`the server ended:\n${log.join("\n")}`)));
    });
  }

  async #stop(signal) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.kill(signal);
    await exit;
  }
}

// startCutter starts a TCP proxy that takes every other connection away from its client: when all of the request has been passed on
// and the answer begins, so that what was asked for is done and nobody is told. The other connections end with their first answer, so
// that each request has one of its own.
export async function startCutter(t, port) {
  const cutter = { cuts: 0 };
  let number = 0;
  const proxy = net.createServer((client) => {
    const cut = number++ % 2 === 0;
    const server = net.connect(port, "127.0.0.1");
    client.pipe(server);
    server.once("data", (answer) => {
      if (cut) cutter.cuts++;
      else client.write(answer);
      client[cut ? "resetAndDestroy" : "end"]();
      server.destroy();
    });
    for (const socket of [client, server]) socket.on("error", () => socket.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  cutter.url = `http://127.0.0.1:${proxy.address().port}`;
  return cutter;
}

// serve starts an HTTP server of the test's own that answers with handle, and returns its URL.
export async function serve(t, handle) {
  const { createServer } = await import("node:http");
  const server = createServer(handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}
