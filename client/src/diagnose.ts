import type { Incoming, Outgoing } from "./bayeux.js";
import type { Candidate, Route } from "./transport/route.js";
import type { TransportType } from "./transport/transport.js";

/** How long a transport may take, in milliseconds. */
const patience = 10_000;

/** What became of trying one transport. */
export interface Trial {
  readonly type: TransportType;
  /** Whether a session was made and could be kept by it. */
  readonly works: boolean;
  /** How long that took, in milliseconds, or how long it was before it failed. */
  readonly milliseconds: number;
  /** Why it does not work, as far as the platform tells. */
  readonly reason: string | undefined;
}

/** Tries each transport of a route with a session of its own. */
export function diagnose(route: Route): Promise<Trial[]> {
  return Promise.all(route.candidates.map(tryOut));
}

async function tryOut(candidate: Candidate): Promise<Trial> {
  const begun = Date.now();
  const reason = await conversation(candidate).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { type: candidate.type, works: reason === undefined, milliseconds: Date.now() - begun, reason };
}

/** Begins a session, connects, and ends it. Rejects with what goes wrong. */
function conversation({ type, open }: Candidate): Promise<void> {
  return new Promise((resolve, reject) => {
    let answered: (reply: Incoming) => void = () => {};
    const transport = open({
      receive: (messages) => messages.forEach((message) => void answered(message)),
      down: (reason) => end(reason),
    });
    const timer = setTimeout(() => end("no answer"), patience);
    const end = (reason?: string) => {
      clearTimeout(timer);
      transport.close();
      reason === undefined ? resolve() : reject(new Error(reason));
    };
    const ask = (message: Outgoing) =>
      new Promise<Incoming>((fulfil) => {
        answered = (reply) => (reply.successful ? fulfil(reply) : end(reply.error ?? "refused"));
        transport.send([{ id: message.channel, ...message }]);
      });
    const converse = async () => {
      const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: [type] };
      const clientId = (await ask(handshake)).clientId ?? "";
      await ask({ channel: "/meta/connect", clientId, connectionType: type, advice: { timeout: 0 } });
      await ask({ channel: "/meta/disconnect", clientId });
      end();
    };
    void converse();
  });
}
