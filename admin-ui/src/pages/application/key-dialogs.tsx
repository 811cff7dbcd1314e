import { Alert, Button, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";
import { api, data } from "../../api/client.js";
import { keyUseQuery, queryClient } from "../../api/queries.js";
import type { Key, NewKey } from "../../api/schema.js";
import { count } from "../../format.js";
import { Confirm } from "../../parts/confirm.js";
import { Copyable } from "../../parts/copy.js";
import { Failure, Loaded } from "../../parts/loaded.js";
import { Facts } from "../../parts/table.js";

const refresh = (id: string) => queryClient.invalidateQueries({ queryKey: ["app", id] });
const path = (key: Key) => ({ params: { path: { applicationId: key.application_id, keyId: key.id } } });

interface MakeProps {
  made: (key: NewKey) => void;
  close: () => void;
}

/** Asks what a new key is for and until when it is good. */
export function CreateKey({ id, made, close }: MakeProps & { id: string }) {
  const [purpose, setPurpose] = useState("");
  const [date, setDate] = useState("");
  const [time, setTime] = useState("");
  const [wrong, setWrong] = useState<{ purpose?: string; expires?: string }>({});
  const create = useMutation({
    mutationFn: (expires: Date) =>
      data(
        api.POST("/application/{applicationId}/keys", {
          params: { path: { applicationId: id } },
          body: { purpose: purpose.trim(), expires: expires.toISOString() },
        }),
      ),
    onSuccess: async (key) => {
      await refresh(id);
      made(key);
    },
  });
  const expireIn = (days: number) => {
    const at = new Date();
    at.setDate(at.getDate() + days);
    setDate(localDate(at));
    setTime(localTime(at));
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const expires = new Date(`${date}T${time}`);
    const problems = check(purpose, expires);
    setWrong(problems);
    if (Object.keys(problems).length === 0) {
      create.mutate(expires);
    }
  };
  return (
    <Modal opened onClose={close} title="Create new key">
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput
            label="Purpose"
            description="What will use it, so that it can be told from the others."
            value={purpose}
            onChange={(event) => setPurpose(event.currentTarget.value)}
            error={wrong.purpose}
            data-autofocus
          />
          <Group grow align="flex-start">
            <TextInput
              type="date"
              label="Date"
              description="When it expires"
              value={date}
              onChange={(event) => setDate(event.currentTarget.value)}
              error={wrong.expires}
            />
            <TextInput
              type="time"
              label="Time"
              description="In your time zone"
              value={time}
              onChange={(event) => setTime(event.currentTarget.value)}
            />
          </Group>
          <Group gap="xs">
            {terms.map(([label, days]) => (
              <Button key={days} size="compact-xs" variant="default" onClick={() => expireIn(days)}>
                {label}
              </Button>
            ))}
          </Group>
          {create.isError && <Failure error={create.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" disabled={!(purpose && date && time)} loading={create.isPending}>
              Submit
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Usual lives of keys, in days. */
const terms: [label: string, days: number][] = [
  ["In 30 days", 30],
  ["In 90 days", 90],
  ["In a year", 365],
];

const two = (n: number) => String(n).padStart(2, "0");

/** A moment as fields for dates and times have it, in the reader's time zone. */
const localDate = (at: Date) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const localTime = (at: Date) => `${two(at.getHours())}:${two(at.getMinutes())}`;

function check(purpose: string, expires: Date): { purpose?: string; expires?: string } {
  const wrong: { purpose?: string; expires?: string } = {};
  if (purpose.trim() === "") {
    wrong.purpose = "Purpose is required!";
  }
  if (Number.isNaN(expires.getTime())) {
    wrong.expires = "Expires is not valid.";
  } else if (expires.getTime() <= Date.now()) {
    wrong.expires = "Expires is in the past.";
  }
  return wrong;
}

const overlaps = [
  { value: "0", label: "stops at once" },
  { value: "3600", label: "goes on for an hour" },
  { value: "86400", label: "goes on for a day" },
  { value: "604800", label: "goes on for a week" },
];

/** Asks how long the old secret is to go on, and makes a new one. */
export function RotateKey({ keyToRotate, made, close }: MakeProps & { keyToRotate: Key }) {
  const [overlap, setOverlap] = useState("86400");
  const rotate = useMutation({
    mutationFn: () =>
      data(
        api.POST("/application/{applicationId}/keys/{keyId}/rotate", {
          ...path(keyToRotate),
          body: { overlap: Number(overlap) },
        }),
      ),
    onSuccess: async (key) => {
      await refresh(keyToRotate.application_id);
      made(key);
    },
  });
  return (
    <Modal opened onClose={close} title={`Rotate ${keyToRotate.id}`}>
      <Stack>
        <Text size="sm">The key gets a new secret. Give it to what uses the key before the old one stops.</Text>
        <Select
          label="The old secret"
          data={overlaps}
          value={overlap}
          onChange={(chosen) => setOverlap(chosen ?? overlap)}
          allowDeselect={false}
        />
        {rotate.isError && <Failure error={rotate.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button loading={rotate.isPending} onClick={() => rotate.mutate()}>
            Rotate
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** Shows a secret, the only time that it is shown. */
export function KeySecret({ made, close }: { made: NewKey; close: () => void }) {
  return (
    <Modal opened onClose={close} closeOnClickOutside={false} title="The key's secret" size="lg">
      <Stack>
        <Alert color="yellow" variant="light">
          Copy the secret to a safe place, as you won't see it again here.
        </Alert>
        <Facts
          facts={[
            ["Key ID", <Copyable key="id" name="key ID" value={made.id} />],
            ["Secret", <Copyable key="secret" name="secret" value={made.secret} />],
          ]}
        />
        <Group justify="flex-end">
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** Asks before a key is made unusable. */
export function RevokeKey({ keyToRevoke: key, close }: { keyToRevoke: Key; close: () => void }) {
  const act = async () => {
    await data(api.POST("/application/{applicationId}/keys/{keyId}/revoke", path(key)));
    await refresh(key.application_id);
  };
  return (
    <Confirm title={`Revoke ${key.id}`} verb="Revoke" act={act} close={close}>
      <Text size="sm">The key, and every token signed with it, stops working for good. It stays in the list.</Text>
      <Use of={key} />
    </Confirm>
  );
}

/** Asks before a key is deleted. */
export function DeleteKey({ keyToDelete: key, close }: { keyToDelete: Key; close: () => void }) {
  const act = async () => {
    await data(api.DELETE("/application/{applicationId}/keys/{keyId}", { ...path(key), parseAs: "text" }));
    await refresh(key.application_id);
  };
  return (
    <Confirm title={`Delete ${key.id}`} verb="Delete" act={act} close={close}>
      <Text size="sm">The key stops working for good, and goes from the list.</Text>
      <Use of={key} />
    </Confirm>
  );
}

/** What would end with a key. */
function Use({ of: key }: { of: Key }) {
  const query = useQuery(keyUseQuery(key.application_id, key.id));
  return (
    <Loaded query={query}>
      {({ subscriptions, connections, complete }) => (
        <Text size="sm" fw={600}>
          {subscriptions === 0
            ? "No live subscription was made with it."
            : `It will end ${complete ? "" : "at least "}${count(subscriptions)} live subscription${subscriptions === 1 ? "" : "s"} of ${count(connections)} connection${connections === 1 ? "" : "s"}.`}
        </Text>
      )}
    </Loaded>
  );
}
