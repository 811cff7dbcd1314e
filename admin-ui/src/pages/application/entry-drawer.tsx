import { Badge, Button, Drawer, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { entryQuery } from "../../api/queries.js";
import type { Entry, Reach } from "../../api/schema.js";
import { bytes, count, pretty } from "../../format.js";
import { ChannelName } from "../../parts/channel-name.js";
import { Copyable } from "../../parts/copy.js";
import { Loaded } from "../../parts/loaded.js";
import { Facts } from "../../parts/table.js";
import { When } from "../../parts/when.js";
import { fits } from "../../search.js";
import { useMayChange } from "../../user.js";
import { ConnectionName } from "./connections.js";
import { useApplication } from "./frame.js";

/** A message that is kept: what it says, and whom it reached. */
export function EntryDrawer({ entryId, close }: { entryId: string; close: () => void }) {
  const { id } = useApplication();
  const query = useQuery(entryQuery(id, entryId));
  return (
    <Drawer
      opened
      onClose={close}
      position="right"
      size="xl"
      title="Message"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Loaded query={query}>
        {({ entry, reached, complete }) => (
          <Stack>
            <Facts
              facts={[
                ["ID", <Copyable key="id" name="ID" value={entry.id} />],
                ["Channel", <ChannelName key="channel" name={entry.channel} />],
                ["Published", <When key="at" time={entry.at} exact />],
                ["Size", bytes(entry.size)],
              ]}
            />
            <pre className="pp-json pp-box">{pretty(entry.data)}</pre>
            <EntryActions entry={entry} />
            <Reached reached={reached} complete={complete} />
          </Stack>
        )}
      </Loaded>
    </Drawer>
  );
}

function EntryActions({ entry }: { entry: Entry }) {
  const { id } = useApplication();
  const mayChange = useMayChange();
  const [, , type = "", ...path] = entry.channel.split("/");
  const pubPayloadInput = pretty(entry.data);
  const again = { pubChannelType: type, pubChannelPath: path.join("/"), pubPayloadInput };
  return (
    <Group>
      {mayChange && !entry.notice && type !== "meta" && (
        <Button
          component={Link}
          size="xs"
          to={`/application/${id}/console`}
          search={again as never}
          state={{ form: fits(pubPayloadInput) ? {} : { pubPayloadInput } }}
        >
          Publish again…
        </Button>
      )}
      <Button
        component={Link}
        size="xs"
        variant="default"
        to={`/application/${id}/explain`}
        search={{ message: entry.id } as never}
      >
        Explain
      </Button>
    </Group>
  );
}

const states = {
  received: ["Received", "bamboo"],
  waiting: ["Waiting", "orange"],
  missed: ["Missed", "red"],
} as const;

function Reached({ reached, complete }: { reached: Reach[]; complete: boolean }) {
  const got = reached.filter(({ state }) => state === "received").length;
  return (
    <div>
      <Text fw={600} mb="xs">
        {reached.length === 0
          ? "Nobody who is connected now subscribes to its channel."
          : `Reached ${count(got)} of the ${count(reached.length)} that are connected now`}
        {!complete && " (there may be more)"}
      </Text>
      <Text size="xs" c="dimmed" mb="xs">
        Event streams of HTTP (curl, EventSource) are not looked at.
      </Text>
      <ul className="pp-reached">
        {reached.map(({ connection, state, detail }) => (
          <li key={connection.id}>
            <Badge variant="light" color={states[state][1]}>
              {states[state][0]}
            </Badge>
            <div>
              <ConnectionName of={connection} />
              <Text size="xs" c="dimmed">
                {detail}
              </Text>
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}
