import { Badge, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import type { SubscribeOptions } from "pandapush-client";
import { useState, useSyncExternalStore } from "react";
import { ChannelPicker, isPath } from "../../parts/channel-picker.js";
import { JSONEditor, parseJSON } from "../../parts/json-editor.js";
import { Section } from "../../parts/page.js";
import { useInfo } from "../../user.js";
import type { ChangeForm, ConsoleForm } from "./console.js";
import type { ConsoleClient, Presence } from "./console-client.js";
import { EventTable } from "./event-table.js";
import { useApplication } from "./frame.js";
import type { Roster } from "./roster.js";

const starts = [
  { value: "now", label: "Now" },
  { value: "10", label: "10 messages ago" },
  { value: "100", label: "100 messages ago" },
  { value: "1m", label: "A minute ago" },
  { value: "1h", label: "An hour ago" },
  { value: "since", label: "After a message ID" },
];

interface Props {
  client: ConsoleClient;
  form: ConsoleForm;
  change: ChangeForm;
}

/** Subscribes, and shows what comes. */
export function SubscribePanel({ client, form, change }: Props) {
  const { id } = useApplication();
  const { username } = useInfo();
  const state = useSyncExternalStore(client.listen, client.state);
  const [wrong, setWrong] = useState<string>();
  const subscribed = state.channel !== null;
  const subscribe = () => {
    const about = parseJSON(form.presenceDataInput);
    if (form.subChannelType === "presence" && !isObject(about?.value)) {
      setWrong("Presence data must be a JSON object.");
      return;
    }
    setWrong(undefined);
    const presence =
      form.subChannelType === "presence"
        ? { ...(about?.value as Presence), id: form.presenceIdInput || username }
        : null;
    void client.subscribe(`/${id}/${form.subChannelType}/${form.subChannelPath}`, presence, startOf(form));
  };
  return (
    <Section title="Subscribe to">
      <Stack>
        <ChannelPicker
          application={id}
          name="subscribe"
          types={["public", "private", "presence", "meta"]}
          type={form.subChannelType}
          path={form.subChannelPath}
          change={({ type, path }) => change({ subChannelType: type, subChannelPath: path })}
          disabled={subscribed}
        />
        <Text size="xs" c="dimmed">
          A path that ends in <code>/*</code> matches one more level, in <code>/**</code> all that is below.
        </Text>
        {form.subChannelType === "presence" && <PresenceFields form={form} change={change} wrong={wrong} />}
        <Group align="flex-end">
          <Select
            label="Start from"
            data={starts}
            value={form.start}
            onChange={(start) => start && change({ start })}
            allowDeselect={false}
            disabled={subscribed}
            w={190}
          />
          {form.start === "since" && (
            <TextInput
              label="Message ID"
              value={form.since}
              onChange={(event) => change({ since: event.currentTarget.value })}
              disabled={subscribed}
              classNames={{ input: "pp-mono" }}
              className="pp-grow"
            />
          )}
          {subscribed ? (
            <Button variant="default" onClick={() => client.unsubscribe()}>
              Unsubscribe
            </Button>
          ) : (
            <Button disabled={!isPath(form.subChannelPath)} onClick={subscribe}>
              Subscribe
            </Button>
          )}
          <Text size="sm" role="status" pb={8} {...(state.problem ? { className: "pp-bad" } : { c: "dimmed" })}>
            {state.status}
          </Text>
        </Group>
        {state.channel?.startsWith(`/${id}/presence/`) && <Subscribers roster={state.roster} />}
        <EventTable log={client.log} form={form} change={change} />
      </Stack>
    </Section>
  );
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

/** Where a subscription is to begin. */
function startOf({ start, since }: ConsoleForm): SubscribeOptions {
  if (start === "now") {
    return {};
  }
  return start === "since" ? { since: since.trim() } : { rewind: start };
}

function PresenceFields({ form, change, wrong }: Omit<Props, "client"> & { wrong: string | undefined }) {
  const { username } = useInfo();
  return (
    <Stack gap="sm">
      <TextInput
        label="Presence ID"
        placeholder={username}
        value={form.presenceIdInput}
        onChange={(event) => change({ presenceIdInput: event.currentTarget.value })}
      />
      <JSONEditor
        label="Presence data (JSON)"
        value={form.presenceDataInput}
        change={(presenceDataInput) => change({ presenceDataInput })}
        error={wrong}
      />
    </Stack>
  );
}

/** Who is in the room. */
function Subscribers({ roster }: { roster: Roster }) {
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        Subscribers ({roster.size})
      </Text>
      <Group gap={6}>
        {[...roster].map(([id, about]) => (
          <Badge key={id} variant="default" title={JSON.stringify(about)}>
            {id}
          </Badge>
        ))}
      </Group>
    </div>
  );
}
