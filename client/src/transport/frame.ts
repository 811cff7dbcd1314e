import type { Outgoing } from "../bayeux.js";

/** How long a frame may be that has several messages: far less than servers and proxies take. */
const longest = 64_000;

/** Takes from the front of `queue` what fits into one frame, at least one message unless it is empty. Returns its text. */
export function takeFrame(queue: Outgoing[]): string {
  const texts: string[] = [];
  let length = 0;
  for (let next = queue[0]; next; next = queue[0]) {
    const text = JSON.stringify(next);
    length += text.length + 1;
    if (texts.length > 0 && length > longest) {
      break;
    }
    texts.push(text);
    queue.shift();
  }
  return `[${texts}]`;
}
