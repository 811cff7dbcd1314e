import { Button, Group, Select, Stack, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, data } from "../../api/client.js";
import { Empty, Failure } from "../../parts/loaded.js";
import { Section } from "../../parts/page.js";
import { VerdictSteps } from "../../parts/verdict.js";
import { ConnectionName } from "./connections.js";
import { useApplication } from "./frame.js";

const askers = [
  { value: "user", label: "User ID" },
  { value: "client", label: "Client ID" },
] as const;

type Asker = (typeof askers)[number]["value"];

/** What became of a message on its way to somebody. */
export function ExplainDelivery() {
  const { id } = useApplication();
  const search = useSearch({ from: "/application/$id/explain" });
  const [message, setMessage] = useState(search.message ?? "");
  const [by, setBy] = useState<Asker>("user");
  const [who, setWho] = useState("");
  const ask = useMutation({
    mutationFn: () =>
      data(
        api.POST("/application/{applicationId}/explain/delivery", {
          params: { path: { applicationId: id } },
          body: { message: message.trim(), ...(who.trim() ? { [by]: who.trim() } : {}) },
        }),
      ),
  });
  return (
    <Section title="Did a message arrive?">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate();
        }}
      >
        <Stack>
          <TextInput
            label="Message ID"
            description="Every delivered message has one; Stream and Console show it."
            value={message}
            onChange={(event) => setMessage(event.currentTarget.value)}
            spellCheck={false}
            classNames={{ input: "pp-mono" }}
          />
          <Group align="flex-end">
            <Select
              label="To whom"
              data={[...askers]}
              value={by}
              onChange={(chosen) => chosen && setBy(chosen as Asker)}
              allowDeselect={false}
              w={140}
            />
            <TextInput
              aria-label={askers.find(({ value }) => value === by)?.label}
              value={who}
              onChange={(event) => setWho(event.currentTarget.value)}
              className="pp-grow"
              miw={160}
            />
            <Button type="submit" loading={ask.isPending} disabled={message.trim() === ""}>
              Explain
            </Button>
          </Group>
        </Stack>
      </form>
      {ask.isError && <Failure error={ask.error} />}
      {ask.data && (
        <div className="pp-answers" aria-live="polite">
          <div>
            <Title order={3}>The message</Title>
            <VerdictSteps verdict={ask.data.message} />
          </div>
          {ask.data.sessions.map(({ connection, verdict }) => (
            <div key={connection.id}>
              <Title order={3}>To a connection on {connection.node}</Title>
              <ConnectionName of={connection} />
              <VerdictSteps verdict={verdict} />
            </div>
          ))}
          {ask.data.sessions.length === 0 && who.trim() !== "" && (
            <Empty title="No such connection">
              Nobody of that id is connected now, or was so lately that it is still remembered.
            </Empty>
          )}
        </div>
      )}
    </Section>
  );
}
