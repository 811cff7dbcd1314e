import { Button, Group, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { changesPage } from "../api/queries.js";
import type { Change } from "../api/schema.js";
import { Empty, Failure, Loaded } from "./loaded.js";
import { DataTable } from "./table.js";
import { When } from "./when.js";

/** Who changed what, the newest first: of one application, or of all (null) that the user may see. */
export function Changes({ application }: { application: string | null }) {
  const query = useInfiniteQuery({
    queryKey: application === null ? ["changes"] : ["app", application, "changes"],
    queryFn: ({ pageParam }) => changesPage(application, pageParam),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
  });
  return (
    <Loaded query={query}>
      {({ pages }) => {
        const changes = pages.flatMap((page) => page.changes);
        if (changes.length === 0) {
          return <Empty title="Nothing was changed yet" />;
        }
        return (
          <>
            <ChangeTable changes={changes} all={application === null} />
            {query.isFetchNextPageError && <Failure error={query.error} />}
            {query.hasNextPage && (
              <Group justify="center" p="sm">
                <Button
                  size="xs"
                  variant="default"
                  loading={query.isFetchingNextPage}
                  onClick={() => void query.fetchNextPage()}
                >
                  Show older
                </Button>
              </Group>
            )}
          </>
        );
      }}
    </Loaded>
  );
}

function ChangeTable({ changes, all }: { changes: Change[]; all: boolean }) {
  const head = ["When", "Who", "What", ...(all ? ["Application"] : []), "Key or other part", "Before", "After"];
  return (
    <DataTable label="Changes" minWidth={900} head={head}>
      {changes.map((change) => (
        <Table.Tr key={change.id}>
          <Table.Td>
            <When time={change.at} />
          </Table.Td>
          <Table.Td>{change.by}</Table.Td>
          <Table.Td>
            <Text size="sm" fw={600}>
              {actionName(change.action)}
            </Text>
          </Table.Td>
          {all && (
            <Table.Td className="pp-mono">
              {change.application_id && (
                <Link to="/application/$id/audit" params={{ id: change.application_id }} className="pp-link">
                  {change.application_id}
                </Link>
              )}
            </Table.Td>
          )}
          <Table.Td className="pp-mono">{change.target}</Table.Td>
          <Table.Td>
            <Fields of={change.before} />
          </Table.Td>
          <Table.Td>
            <Fields of={change.after} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  );
}

const words: Record<string, string> = {
  create: "made",
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

function Fields({ of: fields }: { of: Change["before"] }) {
  return (
    <>
      {Object.entries(fields ?? {}).map(([name, value]) => (
        <div key={name} className="pp-change">
          <span>{name.replaceAll("_", " ")}</span> {typeof value === "string" ? value : JSON.stringify(value)}
        </div>
      ))}
    </>
  );
}
