import { Anchor, Badge, Button, Group, Modal, Stack, Table, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, data } from "../api/client.js";
import { RequestError } from "../api/problem.js";
import { type ApplicationsWanted, applicationsPage, applicationsQuery, queryClient } from "../api/queries.js";
import type { ListedApplication } from "../api/schema.js";
import { count, rate } from "../format.js";
import { Empty, Failure, Loaded } from "../parts/loaded.js";
import { Page } from "../parts/page.js";
import { SearchField } from "../parts/search-field.js";
import { type Column, DataTable, OpenRow } from "../parts/table.js";
import { When } from "../parts/when.js";
import type { Search } from "../search.js";
import { useMayChange } from "../user.js";

/** All applications that the user may see, a page at a time. */
export function Applications() {
  const wanted = readWanted(useSearch({ from: "/" }));
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  const mayChange = useMayChange();
  const query = useQuery(applicationsQuery(wanted));
  const want = (change: Partial<ApplicationsWanted>) => {
    const { search, sort, order, offset } = { ...wanted, offset: 0, ...change };
    void navigate({ to: "/", search: { search, sort, order, offset: offset ? String(offset) : "" }, replace: true });
  };
  return (
    <Page
      title="Applications"
      actions={
        <>
          <SearchField label="Search by name or ID" value={wanted.search} change={(search) => want({ search })} />
          {mayChange && <Button onClick={() => setCreating(true)}>New application</Button>}
        </>
      }
    >
      <div className="pp-card">
        <Loaded query={query}>{(found) => <List found={found} wanted={wanted} want={want} />}</Loaded>
      </div>
      {creating && <CreateApplication close={() => setCreating(false)} />}
    </Page>
  );
}

function readWanted(search: Search): ApplicationsWanted {
  const sorts = ["name", "created_at", "id"] as const;
  return {
    search: search.search ?? "",
    sort: sorts.find((sort) => sort === search.sort) ?? "name",
    order: search.order === "desc" ? "desc" : "asc",
    offset: Math.max(0, Number.parseInt(search.offset ?? "0", 10) || 0),
  };
}

interface ListProps {
  found: { applications: ListedApplication[]; total: number };
  wanted: ApplicationsWanted;
  want: (change: Partial<ApplicationsWanted>) => void;
}

function List({ found, wanted, want }: ListProps) {
  if (found.applications.length === 0) {
    return wanted.search ? (
      <Empty title={`No application matches “${wanted.search}”`}>
        Look for a part of a name, or of an ID.{" "}
        <Button variant="transparent" size="compact-sm" onClick={() => want({ search: "" })}>
          Show all
        </Button>
      </Empty>
    ) : (
      <Empty title="No applications yet">
        An application is a space of channels with keys of its own. Make one for each thing that you build.
      </Empty>
    );
  }
  const sort = (label: string, by: ApplicationsWanted["sort"]): Column => {
    const sorted = wanted.sort === by && (wanted.order === "asc" ? "ascending" : "descending");
    const node = (
      <button
        type="button"
        className="pp-sort"
        onClick={() => want({ sort: by, order: sorted === "ascending" ? "desc" : "asc" })}
      >
        {label}
        <span aria-hidden> {sorted ? (sorted === "ascending" ? "↑" : "↓") : "↕"}</span>
      </button>
    );
    return { label, node, ...(sorted && { sorted }) };
  };
  return (
    <>
      <DataTable
        label="Applications"
        minWidth={760}
        head={[
          sort("ID", "id"),
          sort("Name", "name"),
          { end: "Connections" },
          { end: "Published / s" },
          sort("Created", "created_at"),
          "Created by",
        ]}
      >
        {found.applications.map((app) => (
          <Row key={app.id} app={app} />
        ))}
      </DataTable>
      <Pages found={found} wanted={wanted} want={want} />
    </>
  );
}

/** What is zero steps back, so that it shows where something happens. */
const numberClass = (n = 0) => (n === 0 ? "pp-num pp-zero" : "pp-num");

function Row({ app }: { app: ListedApplication }) {
  const navigate = useNavigate();
  const open = () => void navigate({ to: "/application/$id/info", params: { id: app.id } });
  return (
    <OpenRow open={open}>
      <Table.Td className="identifier">
        <Anchor component={Link} to={`/application/${app.id}/info`} className="pp-mono pp-id">
          {app.id}
        </Anchor>
      </Table.Td>
      <Table.Td className="pp-name">
        <div>
          {app.name}{" "}
          {app.suspended && (
            <Badge color="orange" variant="light">
              Suspended
            </Badge>
          )}
        </div>
      </Table.Td>
      <Table.Td className={numberClass(app.live?.connections)}>{app.live ? count(app.live.connections) : "–"}</Table.Td>
      <Table.Td className={numberClass(app.live?.published)} title="On average over the last minute">
        {app.live ? rate(app.live.published) : "–"}
      </Table.Td>
      <Table.Td>
        <When time={app.created_at} never="–" />
      </Table.Td>
      <Table.Td>{app.created_by}</Table.Td>
    </OpenRow>
  );
}

/** Which of how many are shown, and the way to the others. */
function Pages({ found: { applications, total }, wanted: { offset }, want }: ListProps) {
  if (total <= applicationsPage && offset === 0) {
    return (
      <Text size="sm" c="dimmed" p="sm" px="md">
        {count(total)} application{total === 1 ? "" : "s"}
      </Text>
    );
  }
  const end = offset + applications.length;
  return (
    <Group justify="space-between" p="sm" px="md">
      <Text size="sm" c="dimmed">
        {count(offset + 1)} to {count(end)} of {count(total)} applications
      </Text>
      <Group gap="xs">
        <Button
          size="xs"
          variant="default"
          disabled={offset === 0}
          onClick={() => want({ offset: Math.max(0, offset - applicationsPage) })}
        >
          Previous
        </Button>
        <Button
          size="xs"
          variant="default"
          disabled={end >= total}
          onClick={() => want({ offset: offset + applicationsPage })}
        >
          Next
        </Button>
      </Group>
    </Group>
  );
}

function CreateApplication({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const navigate = useNavigate();
  const create = useMutation({
    mutationFn: () => data(api.POST("/applications", { body: { name: name.trim() } })),
    onSuccess: async ({ id }) => {
      await queryClient.invalidateQueries({ queryKey: ["applications"] });
      await navigate({ to: "/application/$id/info", params: { id } });
    },
  });
  const wrong = create.error instanceof RequestError ? create.error.fields.name : undefined;
  return (
    <Modal opened onClose={close} title="Create new application">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={wrong}
            data-autofocus
          />
          {create.isError && !wrong && <Failure error={create.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" disabled={name.trim() === ""} loading={create.isPending}>
              Submit
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
