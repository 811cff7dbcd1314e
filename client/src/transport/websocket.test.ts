import { expect, test, vi } from "vitest";
import { settle } from "../fake.js";
import { WebSocketTransport } from "./websocket.js";

/** A socket that does what the test says. */
class FakeSocket {
  static newest: FakeSocket;
  readonly url: string;
  readonly #events = new EventTarget();
  readonly sent: string[] = [];
  readonly closes: (number | undefined)[] = [];

  constructor(url: string) {
    this.url = url;
    FakeSocket.newest = this;
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(code?: number): void {
    this.closes.push(code);
    this.dispatchEvent(new Event("close"));
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#events.addEventListener(type, listener as (event: Event) => void);
  }

  dispatchEvent(event: Event): void {
    this.#events.dispatchEvent(event);
  }
}

function make() {
  const events = { receive: vi.fn(), down: vi.fn() };
  const transport = new WebSocketTransport(new URL("https://server/push"), {}, FakeSocket, events);
  return { transport, events, socket: FakeSocket.newest };
}

test("messages wait until the socket is open", () => {
  const { transport, socket } = make();
  expect(socket.url).toBe("wss://server/push");
  transport.send([{ channel: "/a" }]);
  expect(socket.sent).toEqual([]);
  socket.dispatchEvent(new Event("open"));
  transport.send([{ channel: "/b" }]);
  expect(socket.sent).toEqual(['[{"channel":"/a"}]', '[{"channel":"/b"}]']);
});

test("frames are read, and one that cannot be read is a failure", () => {
  const { events, socket } = make();
  socket.dispatchEvent(new MessageEvent("message", { data: '[{"channel":"/a","data":1}]' }));
  expect(events.receive).toHaveBeenCalledWith([{ channel: "/a", data: 1 }]);
  socket.dispatchEvent(new MessageEvent("message", { data: "nope" }));
  socket.dispatchEvent(new MessageEvent("message", { data: '[{"channel":"/a","data":2}]' }));
  expect(events.receive).toHaveBeenCalledOnce();
  expect(events.down).toHaveBeenCalledOnce();
});

test("an error and the close after it are one failure", () => {
  const { events, socket } = make();
  socket.dispatchEvent(new Event("error"));
  socket.dispatchEvent(new Event("close"));
  expect(events.down).toHaveBeenCalledOnce();
});

test("closing is no failure", () => {
  const { transport, events, socket } = make();
  transport.close();
  expect(socket.closes).toEqual([1000]);
  expect(events.down).not.toHaveBeenCalled();
});

test("a socket that may not be made is a failure, but not before the caller has the transport", async () => {
  class Forbidden extends FakeSocket {
    constructor(url: string) {
      super(url);
      throw new Error("mixed content");
    }
  }
  const events = { receive: vi.fn(), down: vi.fn() };
  const transport = new WebSocketTransport(new URL("http://server/push"), {}, Forbidden, events);
  transport.send([{ channel: "/a" }]);
  expect(events.down).not.toHaveBeenCalled();
  await settle();
  expect(events.down).toHaveBeenCalledOnce();
});
