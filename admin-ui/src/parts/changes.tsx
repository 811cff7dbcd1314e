import { Group, Select, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ChangesWanted, changesPage } from "../api/queries.js";
import type { Change } from "../api/schema.js";
import { fieldChanges } from "./change-fields.js";
import { Empty, Loaded } from "./loaded.js";
import { More } from "./more.js";
import { SearchField } from "./search-field.js";
import { DataTable } from "./table.js";
import { When } from "./when.js";

/** What changes are about, as the first part of their action has it. */
const kinds = [
  { value: "", label: "All changes" },
  { value: "app", label: "Applications" },
  { value: "key", label: "Keys" },
  { value: "token", label: "Tokens" },
  { value: "connection", label: "Connections" },
];

/** Who changed what, the newest first: of one application, or of all (null) that the user may see. */
export function Changes({ application }: { application: string | null }) {
  const { by = "", about = "" } = useSearch({ strict: false });
  const navigate = useNavigate();
  const want = (change: { by?: string; about?: string }) =>
    void navigate({ to: ".", search: { by, about, ...change }, replace: true });
  return (
    <>
      <Group px="md" py="sm" gap="xs">
        <Select
          aria-label="What was changed"
          data={kinds}
          value={about}
          onChange={(chosen) => want({ about: chosen ?? "" })}
          allowDeselect={false}
          w={160}
        />
        <SearchField label="Changed by" value={by} change={(by) => want({ by })} />
      </Group>
      <Found application={application} wanted={{ ...(by && { by }), ...(about && { action: about }) }} />
    </>
  );
}

function Found({ application, wanted }: { application: string | null; wanted: ChangesWanted }) {
  const query = useInfiniteQuery({
    queryKey: [...(application === null ? ["changes"] : ["app", application, "changes"]), wanted],
    queryFn: ({ pageParam }) => changesPage(application, wanted, pageParam),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
  });
  return (
    <Loaded query={query}>
      {({ pages }) => {
        const changes = pages.flatMap((page) => page.changes);
        if (changes.length === 0) {
          return Object.keys(wanted).length > 0 ? (
            <Empty title="No change matches">Look for all changes, or for the whole name of who made them.</Empty>
          ) : (
            <Empty title="Nothing was changed yet">Whatever is made, changed or deleted shows up here.</Empty>
          );
        }
        return (
          <>
            <ChangeTable changes={changes} all={application === null} />
            <More pages={query}>Show older</More>
          </>
        );
      }}
    </Loaded>
  );
}

function ChangeTable({ changes, all }: { changes: Change[]; all: boolean }) {
  const head = ["When", "Who", "What", ...(all ? ["Application"] : []), "Details"];
  return (
    <DataTable label="Changes" minWidth={760} head={head}>
      {changes.map((change) => (
        <Table.Tr key={change.id}>
          <Table.Td>
            <When time={change.at} />
          </Table.Td>
          <Table.Td>{change.by}</Table.Td>
          <Table.Td>
            <div>
              <Text size="sm" fw={600}>
                {actionName(change.action)}
              </Text>
              {change.target && <span className="pp-faint pp-id">{change.target}</span>}
            </div>
          </Table.Td>
          {all && (
            <Table.Td>
              {change.application_id && (
                <Link
                  to="/application/$id/audit"
                  params={{ id: change.application_id }}
                  className="pp-link pp-mono pp-id"
                >
                  {change.application_id}
                </Link>
              )}
            </Table.Td>
          )}
          <Table.Td>
            <Fields of={change} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  );
}

const words: Record<string, string> = {
  create: "created",
  update: "changed",
  delete: "deleted",
  revoke: "revoked",
  rotate: "rotated",
  mint: "minted",
  end: "ended",
};

/** What the log calls "key.rotate" is "Key rotated" here. */
function actionName(action: string): string {
  const [subject = "", done = ""] = action.split(".");
  const what = subject === "app" ? "application" : subject;
  return `${what.charAt(0).toUpperCase()}${what.slice(1)} ${words[done] ?? done}`;
}

function Fields({ of: change }: { of: Change }) {
  return (
    <dl className="pp-changes">
      {fieldChanges(change).map(({ name, before, after }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {before !== undefined && <del>{before}</del>}
            {before !== undefined && after !== undefined && " → "}
            {after !== undefined && <ins>{after}</ins>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
