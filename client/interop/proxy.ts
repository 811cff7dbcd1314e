import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A proxy between a page and the server that can do what the worst of them do. */
export class BadProxy {
  readonly #target: string;
  readonly #server = http.createServer((request, response) => this.#pass(request, response));
  readonly #sockets = new Set<Socket>();
  #isOpen = true;
  /** How often a WebSocket was asked for. */
  upgrades = 0;
  /** How many event streams were begun. */
  streams = 0;
  /** Answers upgrades with 403, or not at all. */
  sockets: "pass" | "refuse" | "swallow" = "pass";
  /** Whether event streams are let through. */
  letsStreams = true;

  private constructor(target: string) {
    this.#target = target;
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on("connection", (socket) => {
      if (!this.#isOpen) {
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
    });
  }

  /** Listens in front of the server at `target`. */
  static async before(target: string): Promise<BadProxy> {
    const proxy = new BadProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection, and lets none through until `mend`. */
  cut(): void {
    this.#isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const isStream = request.headers.accept === "text/event-stream";
    if (isStream && !this.letsStreams) {
      response.writeHead(403, { "Access-Control-Allow-Origin": "*" }).end();
      return;
    }
    this.streams += isStream ? 1 : 0;
    const { method, headers, url } = request;
    const passed = http.request(this.#target + url, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    passed.on("error", () => response.destroy());
    response.on("close", () => passed.destroy());
    request.pipe(passed);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.upgrades++;
    socket.on("error", () => {});
    if (this.sockets === "refuse") socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    if (this.sockets !== "pass") return;
    const { hostname, port } = new URL(this.#target);
    const passed = net.connect(Number(port), hostname, () => {
      const lines = [`GET ${request.url} HTTP/1.1`];
      for (let i = 0; i < request.rawHeaders.length; i += 2)
        lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      passed.write(`${lines.join("\r\n")}\r\n\r\n`);
      passed.write(head);
      passed.pipe(socket).pipe(passed);
    });
    passed.on("error", () => socket.destroy());
    passed.on("close", () => socket.destroy());
    socket.on("close", () => passed.destroy());
  }
}
