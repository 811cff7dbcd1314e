import { Badge, Button, Group, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { keysQuery } from "../../api/queries.js";
import type { Key, NewKey } from "../../api/schema.js";
import { count } from "../../format.js";
import { Empty, Loaded } from "../../parts/loaded.js";
import { Section } from "../../parts/page.js";
import { SearchField } from "../../parts/search-field.js";
import { DataTable } from "../../parts/table.js";
import { When } from "../../parts/when.js";
import { useMayChange } from "../../user.js";
import { useApplication } from "./frame.js";
import { CreateKey, DeleteKey, KeySecret, RevokeKey, RotateKey } from "./key-dialogs.js";

type Dialog = { of: "new" } | { of: "rotate" | "revoke" | "delete"; key: Key } | { of: "secret"; key: NewKey };

/** The keys of an application, and what can be done with them. */
export function Keys() {
  const { id } = useApplication();
  const query = useQuery(keysQuery(id));
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const mayChange = useMayChange();
  const close = () => setDialog(null);
  const made = (key: NewKey) => setDialog({ of: "secret", key });
  return (
    <Section
      title="Keys"
      flush
      actions={
        mayChange && (
          <Button size="xs" onClick={() => setDialog({ of: "new" })}>
            New key
          </Button>
        )
      }
    >
      <Loaded query={query}>
        {(keys) =>
          keys.length === 0 ? (
            <Empty title="No keys yet">
              A back end publishes with a key and its secret, and signs tokens for browsers with them.
              {mayChange && " Make the first with “New key”."}
            </Empty>
          ) : (
            <KeyList keys={keys} open={setDialog} mayChange={mayChange} />
          )
        }
      </Loaded>
      {dialog?.of === "new" && <CreateKey id={id} made={made} close={close} />}
      {dialog?.of === "rotate" && <RotateKey keyToRotate={dialog.key} made={made} close={close} />}
      {dialog?.of === "revoke" && <RevokeKey keyToRevoke={dialog.key} close={close} />}
      {dialog?.of === "delete" && <DeleteKey keyToDelete={dialog.key} close={close} />}
      {dialog?.of === "secret" && <KeySecret made={dialog.key} close={close} />}
    </Section>
  );
}

interface TableProps {
  keys: Key[];
  open: (dialog: Dialog) => void;
  mayChange: boolean;
}

/** From how many keys on they can be searched. */
const many = 10;

/** How many keys are shown at first, and more at each asking. */
const step = 100;

function KeyList({ keys, ...rest }: TableProps) {
  const [search, setSearch] = useState("");
  const [most, setMost] = useState(step);
  const wanted = search.toLowerCase();
  const matching = keys.filter((key) => `${key.id} ${key.purpose} ${key.status}`.toLowerCase().includes(wanted));
  if (keys.length <= many) {
    return <KeyTable keys={keys} {...rest} />;
  }
  return (
    <>
      <Group px="md" py="sm" justify="space-between">
        <SearchField label="Search by ID, purpose or status" value={search} change={setSearch} />
        <Text size="sm" c="dimmed" role="status">
          {search === "" ? `${count(keys.length)} keys` : `${count(matching.length)} of ${count(keys.length)} keys`}
        </Text>
      </Group>
      {matching.length === 0 ? (
        <Empty title={`No key matches “${search}”`}>Look for a part of its ID, purpose or status.</Empty>
      ) : (
        <KeyTable keys={matching.slice(0, most)} {...rest} />
      )}
      {matching.length > most && (
        <Group justify="center" p="sm">
          <Button size="xs" variant="default" onClick={() => setMost(most + step)}>
            Show more
          </Button>
        </Group>
      )}
    </>
  );
}

function KeyTable({ keys, open, mayChange }: TableProps) {
  const head = ["ID", "Purpose", "Created", "Expires", "Status", "Last used", { end: "Used" }];
  return (
    <DataTable label="Keys" minWidth={1050} head={mayChange ? [...head, { end: "Actions" }] : head}>
      {keys.map((key) => (
        <Table.Tr key={key.id}>
          <Table.Td className="identifier pp-mono pp-id">{key.id}</Table.Td>
          <Table.Td className="pp-name">{key.purpose}</Table.Td>
          <Table.Td>
            <div>
              <When time={key.created_at} never="–" /> <span className="pp-faint">({key.created_by})</span>
            </div>
          </Table.Td>
          <Table.Td>
            <When time={key.expires} />
          </Table.Td>
          <Table.Td>
            <div>
              <Status of={key} />
            </div>
          </Table.Td>
          <Table.Td>
            <When time={key.last_used} />
          </Table.Td>
          <Table.Td className="pp-num">{count(key.use_count)}</Table.Td>
          {mayChange && (
            <Table.Td>
              <Actions of={key} open={open} />
            </Table.Td>
          )}
        </Table.Tr>
      ))}
    </DataTable>
  );
}

const colours = { active: "bamboo", expired: "gray", revoked: "red" } as const;

function Status({ of: key }: { of: Key }) {
  return (
    <>
      <Badge variant="light" color={colours[key.status]}>
        {key.status}
      </Badge>
      {key.revoked_at && (
        <Text size="xs" c="dimmed">
          <When time={key.revoked_at} />
        </Text>
      )}
      {key.previous_until && Date.parse(key.previous_until) > Date.now() && (
        <Text size="xs" c="dimmed">
          old secret ends <When time={key.previous_until} />
        </Text>
      )}
    </>
  );
}

function Actions({ of: key, open }: { of: Key; open: (dialog: Dialog) => void }) {
  const action = (label: string, of: "rotate" | "revoke" | "delete") => (
    <Button size="compact-xs" variant="default" onClick={() => open({ of, key })} aria-label={`${label} ${key.id}`}>
      {label}
    </Button>
  );
  return (
    <div className="pp-actions">
      {key.status === "active" && action("Rotate", "rotate")}
      {key.status !== "revoked" && action("Revoke", "revoke")}
      {action("Delete", "delete")}
    </div>
  );
}
