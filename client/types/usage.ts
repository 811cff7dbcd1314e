/**
 * The package's types, as an application sees them: this file has to compile, and each line after @ts-expect-error has not
 * to. It imports the package by its name, so from dist.
 */
import {
  BayeuxError,
  Client,
  type ConnectionState,
  type Extension,
  type Gap,
  type History,
  type Member,
  type Options,
  type Publication,
  Scheduler,
  type Subscription,
  type Trial,
} from "pandapush-client";

/** Compiles only if both are the same type. */
function same<A>(_value: A): <B extends A>(..._proof: [A] extends [B] ? [] : ["not the same type"]) => void {
  return () => {};
}

const options: Options = {
  retry: 2,
  share: true,
  endpoints: { websocket: "wss://sockets.example/push" },
  EventSource: null,
};
export const client = new Client("/push", options);
// @ts-expect-error there is no such option
new Client("/push", { proxy: "http://proxy" });
// @ts-expect-error no such transport
new Client("/push", { endpoints: { carrier: "pigeon" } });

const one = client.subscribe("/a/public/x", (data, channel, { id, presence }) => {
  same<unknown>(data)<unknown>();
  same<string>(channel)<string>();
  same<string | undefined>(id)<string | undefined>();
  same<"roster" | "notice" | undefined>(presence)<"roster" | "notice" | undefined>();
});
same<Subscription>(one)<Subscription>();
same<Subscription[]>(client.subscribe(["/a/public/x", "/a/public/y"], () => {}, null, { rewind: 10 }))<
  Subscription[]
>();
one.callback(({ cursor, recovered }) => same<[string | undefined, boolean | undefined]>([cursor, recovered]));
one.withChannel((channel, data) => [channel, data]).errback((reason) => reason instanceof BayeuxError && reason.code);
client.subscribeTo("/a/private/x", async (channel) => `token of ${channel}`, null, { since: "cursor" });
client.subscribeTo("/a/private/x", null);
// @ts-expect-error a token is a text
client.subscribeTo("/a/private/x", 7);
// @ts-expect-error nobody but the client makes them
one.begin({ cursor: undefined, recovered: undefined });

const published = client.publish("/a/public/x", { any: ["JSON"] }, { attempts: 3, deadline: 10 });
same<Publication>(published)<Publication>();
// @ts-expect-error there is no such option
client.publish("/a/public/x", {}, { tries: 3 });

client.on("state", (state, before) => same<[ConnectionState, ConnectionState]>([state, before]));
client.once("gap", (gap) => same<Gap>(gap)<Gap>());
client.bind("error", (error, channel) => same<[BayeuxError, string | null]>([error, channel]));
// @ts-expect-error there is no such event
client.on("open", () => {});
same<() => void>(client.on("recovered", (channel) => channel.length))<() => void>();

const extension: Extension<Client> = {
  outgoing: (message, next) => next({ ...message, ext: { ...message.ext, mine: true } }),
  incoming: (message, next) => next(message.successful === false ? null : message),
  added: (owner) => owner.setHeader("X-A", "1"),
};
client.addExtension(extension);

const room = client.presence("/a/presence/x", () => "token");
room.on("update", (member, id, before) => same<[Member, string, Member]>([member, id, before]));
same<ReadonlyMap<string, Member>>(room.members)<ReadonlyMap<string, Member>>();
// @ts-expect-error it is the server's to say who is there
room.members.clear();

export const page: Promise<History> = client.history("/a/public/x", { since: "2m", token: null });
export const trials: Promise<Trial[]> = client.diagnose();

/** Schedulers can be extended. */
class Patient extends Scheduler {
  override getInterval(): number {
    return super.getInterval() + this.attempts;
  }
}
new Client("/push", { scheduler: Patient });

export async function awaited(): Promise<void> {
  const { cursor } = await one;
  same<string | undefined>(cursor)<string | undefined>();
  await Promise.all([published, client.disconnect()]);
}
