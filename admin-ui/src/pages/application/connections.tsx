import { Button, Stack, Table, Text } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { memo, useState } from "react";
import { api, data } from "../../api/client.js";
import { type ConnectionsWanted, connectionsPage, queryClient } from "../../api/queries.js";
import type { Connection } from "../../api/schema.js";
import { browserName, count, duration } from "../../format.js";
import { ChannelName } from "../../parts/channel-name.js";
import { Confirm } from "../../parts/confirm.js";
import { Empty, Loaded } from "../../parts/loaded.js";
import { More } from "../../parts/more.js";
import { Section } from "../../parts/page.js";
import { SearchField } from "../../parts/search-field.js";
import { DataTable } from "../../parts/table.js";
import { When } from "../../parts/when.js";
import { useMayChange } from "../../user.js";
import { useApplication } from "./frame.js";

/** Who is subscribed to the application's channels. */
export function Connections() {
  const { id } = useApplication();
  const { channel = "", user = "" } = useSearch({ from: "/application/$id/connections" });
  const navigate = useNavigate();
  const want = (change: { channel?: string; user?: string }) =>
    void navigate({
      to: "/application/$id/connections",
      params: { id },
      search: { channel, user, ...change },
      replace: true,
    });
  return (
    <Section
      title="Connections"
      flush
      actions={
        <>
          <SearchField label="Channel" value={channel} change={(channel) => want({ channel })} />
          <SearchField label="User ID" value={user} change={(user) => want({ user })} />
        </>
      }
    >
      <ConnectionList wanted={{ limit: 100, ...(channel ? { channel } : {}), ...(user ? { user } : {}) }} />
    </Section>
  );
}

/** The connections, a page at a time. While there is only one, newer ones come by themselves. */
function ConnectionList({ wanted }: { wanted: ConnectionsWanted }) {
  const { id } = useApplication();
  const query = useInfiniteQuery({
    queryKey: ["app", id, "connections", wanted],
    queryFn: ({ pageParam }) => connectionsPage(id, pageParam === null ? wanted : { ...wanted, after: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.pages.length === 1 ? 10_000 : false),
  });
  return (
    <Loaded query={query}>
      {({ pages }) => {
        const connections = pages.flatMap((page) => page.connections);
        return (
          <>
            {connections.length > 0 && <ConnectionTable connections={connections} />}
            {connections.length === 0 && (
              <Empty title="Nobody is connected">
                {wanted.channel || wanted.user
                  ? "No connection matches. Look for a whole channel or user ID, or clear the fields."
                  : "Whoever subscribes to a channel of this application shows up here. Its Console is one way to try."}
              </Empty>
            )}
            <Counts shown={connections.length} {...pages.at(-1)} />
            <More pages={query}>Show more</More>
          </>
        );
      }}
    </Loaded>
  );
}

/** How many there are, and who is not in the list. */
function Counts(props: { shown: number; total?: number; complete?: boolean; event_streams?: number }) {
  const { shown, total = 0, complete = true, event_streams: streams = 0 } = props;
  return (
    <Text size="sm" c="dimmed" px="md" py="sm">
      {shown > 0 && `${count(shown)} of ${complete ? "" : "at least "}${count(Math.max(total, shown))} shown. `}
      {!complete && "There was no time to look at all. "}
      {streams === 1 &&
        "Besides, an event stream of HTTP (curl, EventSource) follows the application; it is not listed."}
      {streams > 1 &&
        `Besides, ${count(streams)} event streams of HTTP (curl, EventSource) follow the application; they are not listed.`}
    </Text>
  );
}

const kinds: Record<string, string> = {
  websocket: "WebSocket",
  "long-polling": "Long-polling",
  "callback-polling": "Callback-polling",
  eventsource: "EventSource",
};

function ConnectionTable({ connections }: { connections: Connection[] }) {
  const { id } = useApplication();
  const mayChange = useMayChange();
  const [ending, setEnding] = useState<Connection | null>(null);
  const head = ["Connection", "Transport", "Channels", "Node", { end: "Behind" }, "Since"];
  const disconnect = async (connection: Connection) => {
    const path = { applicationId: id, connectionId: connection.id };
    await data(
      api.DELETE("/application/{applicationId}/connections/{connectionId}", { params: { path }, parseAs: "text" }),
    );
    await queryClient.invalidateQueries({ queryKey: ["app", id, "connections"] });
  };
  return (
    <>
      <DataTable label="Connections" minWidth={900} head={mayChange ? [...head, { end: "Actions" }] : head}>
        {connections.map((connection) => (
          <Row key={connection.id} connection={connection} end={mayChange ? setEnding : null} />
        ))}
      </DataTable>
      {ending && (
        <Confirm title="Disconnect" verb="Disconnect" act={() => disconnect(ending)} close={() => setEnding(null)}>
          <Text size="sm">
            The connection ends with all its subscriptions. Its client is told, and may come again if its credentials
            still allow it.
          </Text>
        </Confirm>
      )}
    </>
  );
}

/** There may be thousands: one that is as it was is not drawn again when more come. */
const Row = memo(function Row({ connection, end }: { connection: Connection; end: ((it: Connection) => void) | null }) {
  return (
    <Table.Tr>
      <Table.Td>
        <ConnectionName of={connection} />
      </Table.Td>
      <Table.Td>
        <div>
          {connection.transport ? (kinds[connection.transport] ?? connection.transport) : "unknown"}
          <Text size="xs" c="dimmed">
            {connection.attached ? "connected" : `away, kept for ${duration(connection.expires_in)}`}
          </Text>
        </div>
      </Table.Td>
      <Table.Td>
        <Patterns of={connection} />
      </Table.Td>
      <Table.Td className="pp-mono pp-id">{connection.node}</Table.Td>
      <Table.Td className="pp-num">{connection.lag === null ? "unknown" : duration(connection.lag)}</Table.Td>
      <Table.Td>
        <When time={connection.created_at} never="–" />
      </Table.Td>
      {end && (
        <Table.Td>
          <div className="pp-actions">
            <Button size="compact-xs" variant="default" onClick={() => end(connection)}>
              Disconnect
            </Button>
          </div>
        </Table.Td>
      )}
    </Table.Tr>
  );
});

/** What a connection is known by: its users, or its browser. */
export function ConnectionName({ of: connection }: { of: Connection }) {
  const users = [...new Set(connection.subscriptions.flatMap(({ user }) => user ?? []))];
  return (
    <div>
      <Text size="sm" fw={600}>
        {users.length > 0 ? users.join(", ") : "anonymous"}
      </Text>
      <div className="pp-line pp-faint" title={connection.user_agent ?? ""}>
        {connection.user_agent ? browserName(connection.user_agent) : "unknown client"}
      </div>
    </div>
  );
}

function Patterns({ of: connection }: { of: Connection }) {
  const shown = connection.subscriptions.slice(0, 4);
  const rest = connection.subscriptions.length - shown.length;
  return (
    <Stack gap={2}>
      {shown.map(({ pattern }) => (
        <ChannelName key={pattern} name={pattern} />
      ))}
      {rest > 0 && (
        <Text size="xs" c="dimmed">
          and {count(rest)} more
        </Text>
      )}
    </Stack>
  );
}
