import { ConnectionError } from "./errors.js";

const maxLine = 16 << 20; // characters: a message, or a page of a room

// readEvents yields the events of a stream, and what stands between two empty lines without being one. It calls beat whenever
// something comes, comments too. What lacks the empty line at its end, because the connection broke, is no event.
export async function* readEvents(what, body, beat) {
  let event = { data: [] };
  for await (const line of readLines(what, body, beat)) {
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line);
    if (line === "") {
      yield { ...event, data: event.data.join("\n") };
      event = { data: [] };
    } else if (name === "data") event.data.push(value ?? "");
    else if (name === "event") event.kind = value;
    else if (name === "id") event.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) event.retry = Number(value);
  }
}

// readLines yields the whole lines of a stream, until that is lost.
async function* readLines(what, body, beat) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read().catch((error) => {
      throw new ConnectionError(what, error);
    });
    if (done) throw new ConnectionError(what, new Error("the stream broke off"));
    beat();
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    if (rest.length > maxLine) throw new Error(`${what}: a line of the event stream is too long`);
    for (const line of lines) yield line.replace(/\r$/, "");
  }
}
