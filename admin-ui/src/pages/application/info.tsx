import { Badge, Button, Group, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, data } from "../../api/client.js";
import { queryClient } from "../../api/queries.js";
import type { Application } from "../../api/schema.js";
import { Confirm } from "../../parts/confirm.js";
import { Copyable } from "../../parts/copy.js";
import { Failure } from "../../parts/loaded.js";
import { Section } from "../../parts/page.js";
import { Facts } from "../../parts/table.js";
import { When } from "../../parts/when.js";
import { useInfo, useMayChange } from "../../user.js";
import { useApplication } from "./frame.js";
import { SettingsSection } from "./settings.js";
import { Snippets } from "./snippets.js";

/** What an application is and what is set for it. */
export function InfoTab() {
  const app = useApplication();
  return (
    <Stack>
      <div className="pp-columns">
        <Identity app={app} />
        <SettingsSection id={app.id} />
      </div>
      <Snippets app={app} />
    </Stack>
  );
}

function Identity({ app }: { app: Application }) {
  const [doing, setDoing] = useState<"edit" | "delete" | null>(null);
  const mayChange = useMayChange();
  const navigate = useNavigate();
  const remove = async () => {
    await data(
      api.DELETE("/application/{applicationId}", { params: { path: { applicationId: app.id } }, parseAs: "text" }),
    );
    // Before they are seen again: the lists that still have it would be shown until newer ones come.
    queryClient.removeQueries({ queryKey: ["applications"] });
    await navigate({ to: "/" });
    queryClient.removeQueries({ queryKey: ["app", app.id] });
  };
  const actions = mayChange && (
    <>
      <Button size="xs" variant="default" disabled={doing === "edit"} onClick={() => setDoing("edit")}>
        Edit
      </Button>
      <Button
        size="xs"
        variant="outline"
        color="var(--mantine-color-error)"
        disabled={doing === "edit"}
        onClick={() => setDoing("delete")}
      >
        Delete
      </Button>
    </>
  );
  return (
    <Section title="About" actions={actions}>
      {doing === "edit" ? <Edit app={app} close={() => setDoing(null)} /> : <About app={app} />}
      {doing === "delete" && (
        <Confirm
          title="Delete this application"
          verb="Delete"
          type={app.name}
          act={remove}
          close={() => setDoing(null)}
        >
          <Text size="sm">
            <b>{app.name}</b> goes with its keys, its settings and the messages that are kept. Whatever is connected
            with its keys is cut off at once. This can't be undone.
          </Text>
        </Confirm>
      )}
    </Section>
  );
}

function About({ app }: { app: Application }) {
  return (
    <Facts
      facts={[
        ["ID", <Copyable key="id" name="ID" value={app.id} />],
        ["Name", app.name],
        ["Created at", <When key="at" time={app.created_at} never="–" />],
        ["Created by", app.created_by],
        [
          "Admins",
          <Group key="admins" gap={6}>
            {app.admins.length === 0 && "nobody but root admins"}
            {app.admins.map((admin) => (
              <Badge key={admin} variant="default">
                {admin}
              </Badge>
            ))}
          </Group>,
        ],
      ]}
    />
  );
}

function Edit({ app, close }: { app: Application; close: () => void }) {
  const { username } = useInfo();
  const [name, setName] = useState(app.name);
  const [admins, setAdmins] = useState(app.admins);
  const [seen] = useState(app.version); // newer ones may come meanwhile
  const save = useMutation({
    mutationFn: () =>
      data(
        api.POST("/application/{applicationId}", {
          params: { path: { applicationId: app.id }, header: { "If-Match": seen } },
          body: { name: name.trim(), admins },
        }),
      ),
    onSettled: async (_, error) => {
      await queryClient.invalidateQueries({ queryKey: ["app", app.id] }); // after a refusal, too: what it is about has changed
      if (error === null) {
        close();
      }
    },
  });
  // Whoever takes themselves out could not come back.
  const keep = (next: string[]) =>
    setAdmins(app.admins.includes(username) && !next.includes(username) ? [username, ...next] : next);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <Stack>
        <TextInput label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TagsInput
          label="Admins"
          description="User names, as they log in. You can't take yourself out."
          value={admins}
          onChange={keep}
        />
        {save.isError && <Failure error={save.error} />}
        <Group>
          <Button type="submit" loading={save.isPending} disabled={name.trim() === ""}>
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
