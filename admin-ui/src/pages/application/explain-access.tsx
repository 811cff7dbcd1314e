import { Button, Group, PasswordInput, SegmentedControl, Stack, Text, Textarea, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "../../api/client.js";
import { pretty } from "../../format.js";
import { Failure } from "../../parts/loaded.js";
import { Section } from "../../parts/page.js";
import { VerdictSteps } from "../../parts/verdict.js";
import { When } from "../../parts/when.js";
import { useApplication } from "./frame.js";

/** What a token, or a key with its secret, may do on a channel. It is in no URL: whoever has it may use it. */
export function ExplainAccess() {
  const { id } = useApplication();
  const [by, setBy] = useState("token");
  const [channel, setChannel] = useState(`/${id}/private/`);
  const [token, setToken] = useState("");
  const [key, setKey] = useState("");
  const [secret, setSecret] = useState("");
  const credential = by === "token" ? { token: token.trim() } : { key: key.trim(), secret };
  const ask = useMutation({
    mutationFn: () =>
      data(
        api.POST("/application/{applicationId}/explain/access", {
          params: { path: { applicationId: id } },
          body: { channel: channel.trim(), ...(by === "none" ? {} : credential) },
        }),
      ),
  });
  return (
    <Section title="What may a credential do?">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate();
        }}
      >
        <Stack>
          <SegmentedControl
            aria-label="Kind of credential"
            value={by}
            onChange={setBy}
            data={[
              { value: "token", label: "A token" },
              { value: "key", label: "A key" },
              { value: "none", label: "None" },
            ]}
            className="pp-fit"
          />
          {by === "token" && (
            <Textarea
              label="Token"
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              autosize
              minRows={2}
              maxRows={6}
              spellCheck={false}
              classNames={{ input: "pp-mono" }}
            />
          )}
          {by === "key" && (
            <Group grow align="flex-start">
              <TextInput label="Key ID" value={key} onChange={(event) => setKey(event.currentTarget.value)} />
              <PasswordInput
                label="Secret"
                value={secret}
                onChange={(event) => setSecret(event.currentTarget.value)}
                autoComplete="off"
              />
            </Group>
          )}
          <TextInput
            label="Channel or pattern"
            value={channel}
            onChange={(event) => setChannel(event.currentTarget.value)}
            spellCheck={false}
            classNames={{ input: "pp-mono" }}
          />
          <Group>
            <Button type="submit" loading={ask.isPending}>
              Explain
            </Button>
          </Group>
        </Stack>
      </form>
      {ask.isError && <Failure error={ask.error} />}
      {ask.data && (
        <div className="pp-answers" aria-live="polite">
          <div className="pp-columns">
            <div>
              <Title order={3}>Subscribe</Title>
              <VerdictSteps verdict={ask.data.subscribe} />
            </div>
            <div>
              <Title order={3}>Publish</Title>
              <VerdictSteps verdict={ask.data.publish} />
            </div>
          </div>
          {ask.data.claims && (
            <div>
              <Title order={3}>What the token says</Title>
              <Text size="xs" c="dimmed">
                As it is written in it, true or not.
                <ClaimTime name="Issued" seconds={ask.data.claims.iat} />
                <ClaimTime name="Expires" seconds={ask.data.claims.exp} />
              </Text>
              <pre className="pp-json">{pretty(ask.data.claims)}</pre>
            </div>
          )}
        </div>
      )}
    </Section>
  );
}

/** A time that a token has as seconds since 1970; nothing if it has something else there. */
function ClaimTime({ name, seconds }: { name: string; seconds: unknown }) {
  const at = new Date(typeof seconds === "number" ? seconds * 1000 : Number.NaN);
  return Number.isNaN(at.getTime()) ? null : (
    <>
      {" "}
      {name} <When time={at.toISOString()} />.
    </>
  );
}
