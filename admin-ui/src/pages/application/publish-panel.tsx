import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { ChannelPicker, isPath } from "../../parts/channel-picker.js";
import { JSONEditor, parseJSON } from "../../parts/json-editor.js";
import { Section } from "../../parts/page.js";
import type { ChangeForm, ConsoleForm } from "./console.js";
import type { ConsoleClient } from "./console-client.js";
import { useApplication } from "./frame.js";

interface Props {
  client: ConsoleClient;
  form: ConsoleForm;
  change: ChangeForm;
}

/** Publishes, as a page or as a back end would. */
export function PublishPanel({ client, form, change }: Props) {
  const { id } = useApplication();
  const [wrong, setWrong] = useState<string>();
  const channel = `/${id}/${form.pubChannelType}/${form.pubChannelPath}`;
  const publish = useMutation({
    mutationFn: ({ rest, value }: { rest: boolean; value: unknown }) =>
      rest ? client.publishREST(channel, value) : client.publish(channel, value),
  });
  const send = (rest: boolean) => {
    const parsed = parseJSON(form.pubPayloadInput);
    setWrong(parsed ? undefined : "Payload must be valid JSON.");
    if (parsed) {
      publish.mutate({ rest, value: parsed.value });
    }
  };
  const ready = isPath(form.pubChannelPath) && !publish.isPending;
  return (
    <Section title="Publish to">
      <Stack>
        <ChannelPicker
          application={id}
          name="publish"
          types={["public", "private", "presence"]}
          type={form.pubChannelType}
          path={form.pubChannelPath}
          change={({ type, path }) => change({ pubChannelType: type, pubChannelPath: path })}
        />
        <JSONEditor
          label="Payload (JSON)"
          value={form.pubPayloadInput}
          change={(pubPayloadInput) => change({ pubPayloadInput })}
          error={wrong}
        />
        <Group>
          <Button disabled={!ready} onClick={() => send(false)}>
            Publish (client)
          </Button>
          <Button variant="default" disabled={!ready} onClick={() => send(true)}>
            Publish (REST)
          </Button>
          <Text size="sm" role="status" {...(publish.isError ? { className: "pp-bad" } : { c: "dimmed" })}>
            {publish.isPending && "Sending…"}
            {publish.isSuccess && "Sent."}
            {publish.isError && publish.error.message}
          </Text>
        </Group>
      </Stack>
    </Section>
  );
}
