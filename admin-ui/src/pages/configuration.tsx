import { Badge, Switch, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { configQuery } from "../api/queries.js";
import type { Setting } from "../api/schema.js";
import { Empty, Loaded } from "../parts/loaded.js";
import { Page } from "../parts/page.js";
import { SearchField } from "../parts/search-field.js";
import { DataTable } from "../parts/table.js";

/** The settings of the node that answers. */
export function Configuration() {
  const query = useQuery(configQuery);
  const [search, setSearch] = useState("");
  const [changed, setChanged] = useState(false);
  const matches = (setting: Setting) =>
    (!changed || setting.set) && `${setting.name} ${setting.help}`.toLowerCase().includes(search.toLowerCase());
  return (
    <Page
      title="Configuration"
      about="What is in force on the node that answers. It is set by environment variables or flags, when a node starts."
      actions={
        <>
          <Switch
            label="Only what was set"
            checked={changed}
            onChange={(event) => setChanged(event.currentTarget.checked)}
          />
          <SearchField label="Search settings" value={search} change={setSearch} />
        </>
      }
    >
      <div className="pp-card">
        <Loaded query={query}>{(settings) => <SettingTable settings={settings.filter(matches)} />}</Loaded>
      </div>
    </Page>
  );
}

function SettingTable({ settings }: { settings: Setting[] }) {
  if (settings.length === 0) {
    return <Empty title="No setting matches">Look for a part of a name or of what it does.</Empty>;
  }
  return (
    <DataTable label="Settings" head={["Name", "Value", "What it does"]} minWidth={800}>
      {settings.map((setting) => (
        <Table.Tr key={setting.name}>
          <Table.Td className="pp-mono pp-id">{setting.name}</Table.Td>
          <Table.Td>
            <Value of={setting} />
          </Table.Td>
          <Table.Td>{setting.help}</Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  );
}

function Value({ of: { secret, set, value, default: byDefault } }: { of: Setting }) {
  if (secret) {
    return (
      <Text size="sm" c="dimmed">
        {set ? "set, and hidden" : "not set"}
      </Text>
    );
  }
  return (
    <div>
      <span className="pp-code">{value === "" ? "–" : value}</span>{" "}
      {set && (
        <Badge size="sm" variant="light">
          set
        </Badge>
      )}
      {set && byDefault !== "" && (
        <Text size="xs" c="dimmed">
          default {byDefault}
        </Text>
      )}
    </div>
  );
}
