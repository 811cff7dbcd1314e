import { Badge, Button, Group, NumberInput, Stack, Switch, TagsInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "../../api/client.js";
import { RequestError } from "../../api/problem.js";
import { queryClient, settingsQuery } from "../../api/queries.js";
import type { Settings } from "../../api/schema.js";
import { bytes, count, duration } from "../../format.js";
import { Failure, Loaded } from "../../parts/loaded.js";
import { Section } from "../../parts/page.js";
import { Facts } from "../../parts/table.js";
import { useMayChange } from "../../user.js";

type Limit = Exclude<keyof Settings, "origins" | "suspended">;

/** The settings that are numbers: zero leaves them to the server. */
const limits: { field: Limit; label: string; unit: string; show: (value: number) => string }[] = [
  { field: "history_length", label: "Messages kept", unit: "about so many", show: count },
  { field: "history_age", label: "Kept for", unit: "seconds", show: duration },
  { field: "publish_rate", label: "Publish rate", unit: "messages per second", show: (n) => `${count(n)} / s` },
  { field: "publish_burst", label: "Publish burst", unit: "messages at once", show: count },
  { field: "connections", label: "Connections", unit: "at a time", show: count },
  { field: "max_message_bytes", label: "Largest message", unit: "bytes", show: bytes },
];

/** What is set for an application, to see and to change. */
export function SettingsSection({ id }: { id: string }) {
  const query = useQuery(settingsQuery(id));
  const [editing, setEditing] = useState(false);
  const mayChange = useMayChange();
  return (
    <Section
      title="Settings"
      actions={
        mayChange && (
          <Button size="xs" variant="default" disabled={editing} onClick={() => setEditing(true)}>
            Change
          </Button>
        )
      }
    >
      <Loaded query={query}>
        {({ settings, defaults, version }) =>
          editing ? (
            <EditSettings
              id={id}
              settings={settings}
              version={version}
              defaults={defaults}
              close={() => setEditing(false)}
            />
          ) : (
            <ShowSettings settings={settings} defaults={defaults} />
          )
        }
      </Loaded>
    </Section>
  );
}

function ShowSettings({ settings, defaults }: { settings: Settings; defaults: Settings }) {
  return (
    <Facts
      facts={[
        [
          "State",
          <Badge key="state" variant="light" color={settings.suspended ? "orange" : "bamboo"}>
            {settings.suspended ? "Suspended" : "In service"}
          </Badge>,
        ],
        ["Allowed origins", settings.origins.length === 0 ? "any" : settings.origins.join(", ")],
        ...limits.map(({ field, label, show }): [string, string] => [
          label,
          settings[field] > 0 ? show(settings[field]) : `${byDefault(defaults[field], show)} (default)`,
        ]),
      ]}
    />
  );
}

const byDefault = (value: number, show: (value: number) => string) => (value > 0 ? show(value) : "no limit");

interface EditProps {
  id: string;
  settings: Settings;
  version: string;
  defaults: Settings;
  close: () => void;
}

function EditSettings({ id, settings, version, defaults, close }: EditProps) {
  const [wanted, setWanted] = useState(settings);
  const [seen] = useState(version); // newer ones may come meanwhile
  const save = useMutation({
    mutationFn: () =>
      data(
        api.PUT("/application/{applicationId}/settings", {
          params: { path: { applicationId: id }, header: { "If-Match": seen } },
          body: wanted,
        }),
      ),
    onSettled: async (_, error) => {
      await queryClient.invalidateQueries({ queryKey: ["app", id] }); // after a refusal, too: what it is about has changed
      if (error === null) {
        close();
      }
    },
  });
  const wrong = save.error instanceof RequestError ? save.error.fields : {};
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <Stack gap="sm">
        <Switch
          label="Suspended: everything is refused"
          checked={wanted.suspended}
          onChange={(event) => setWanted({ ...wanted, suspended: event.currentTarget.checked })}
        />
        <TagsInput
          label="Allowed origins"
          description="Pages of these may use the application. Empty: any page."
          placeholder={wanted.origins.length === 0 ? "https://example.com" : ""}
          value={wanted.origins}
          onChange={(origins) => setWanted({ ...wanted, origins })}
          error={wrong.origins}
        />
        <div className="pp-fields">
          {limits.map(({ field, label, unit, show }) => (
            <NumberInput
              key={field}
              label={label}
              description={
                wanted[field] > 0 && (unit === "seconds" || unit === "bytes")
                  ? `${unit}, that is ${show(wanted[field])}`
                  : unit
              }
              placeholder={`${byDefault(defaults[field], show)} (default)`}
              min={0}
              allowDecimal={field === "publish_rate"}
              thousandSeparator=","
              hideControls
              value={wanted[field] === 0 ? "" : wanted[field]}
              onChange={(value) => setWanted({ ...wanted, [field]: Number(value) || 0 })}
              error={wrong[field]}
            />
          ))}
        </div>
        {save.isError && Object.keys(wrong).length === 0 && <Failure error={save.error} />}
        <Group>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
