import { Badge, Button, Group, Select, Table, Text, TextInput } from "@mantine/core";
import { type InfiniteData, type UseInfiniteQueryResult, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { type EntriesWanted, entriesPage, queryClient } from "../../api/queries.js";
import type { Entry } from "../../api/schema.js";
import { bytes, count } from "../../format.js";
import { ChannelName } from "../../parts/channel-name.js";
import { Empty, Loaded } from "../../parts/loaded.js";
import { More } from "../../parts/more.js";
import { Section } from "../../parts/page.js";
import { SearchField } from "../../parts/search-field.js";
import { DataTable, OpenRow } from "../../parts/table.js";
import { When } from "../../parts/when.js";
import { EntryDrawer } from "./entry-drawer.js";
import { useApplication } from "./frame.js";

/** The messages that are kept, by time and channel. */
export function StreamTab() {
  const { id } = useApplication();
  const search = useSearch({ from: "/application/$id/stream" });
  const navigate = useNavigate();
  const want = (change: Record<string, string>) =>
    void navigate({ to: "/application/$id/stream", params: { id }, search: { ...search, ...change }, replace: true });
  const order = search.order === "oldest" ? "oldest" : "newest";
  return (
    <Section
      title="Stream"
      flush
      actions={
        <>
          <SearchField
            label="Channel or pattern"
            value={search.channel ?? ""}
            change={(channel) => want({ channel })}
          />
          <TimeField label="From" value={search.from} change={(from) => want({ from })} />
          <TimeField label="To" value={search.to} change={(to) => want({ to })} />
          <Select
            aria-label="Order"
            data={[
              { value: "newest", label: "Newest first" },
              { value: "oldest", label: "Oldest first" },
            ]}
            value={order}
            onChange={(chosen) => want({ order: chosen ?? order })}
            allowDeselect={false}
            w={140}
          />
        </>
      }
    >
      <Entries wanted={wantedOf(search)} open={(entry) => want({ entry })} />
      {search.entry && <EntryDrawer entryId={search.entry} close={() => want({ entry: "" })} />}
    </Section>
  );
}

/** What the URL says of time is in the reader's zone, as the fields have it. */
function wantedOf(search: Record<string, string>): EntriesWanted {
  const time = (text: string | undefined) => {
    const at = new Date(text ?? "");
    return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
  };
  const from = time(search.from);
  const to = time(search.to);
  return {
    order: search.order === "oldest" ? "oldest" : "newest",
    limit: 50,
    ...(search.channel ? { channel: search.channel } : {}),
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
  };
}

function TimeField(props: { label: string; value: string | undefined; change: (value: string) => void }) {
  return (
    <TextInput
      type="datetime-local"
      step={1}
      aria-label={props.label}
      title={props.label}
      value={props.value ?? ""}
      onChange={(event) => props.change(event.currentTarget.value)}
      leftSection={<span className="pp-prefix">{props.label}</span>}
      leftSectionWidth={48}
    />
  );
}

function Entries({ wanted, open }: { wanted: EntriesWanted; open: (id: string) => void }) {
  const { id } = useApplication();
  const queryKey = ["app", id, "entries", wanted];
  const query = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => entriesPage(id, pageParam === null ? wanted : { ...wanted, cursor: pageParam }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    retry: false,
  });
  const inVain = useLookFurther(query);
  return (
    <Loaded query={query}>
      {({ pages }) => {
        const entries = pages.flatMap((page) => page.entries);
        return (
          <>
            <Group justify="space-between" px="md" py="xs">
              <Text size="sm" c="dimmed">
                {count(pages[0]?.stream.length ?? 0)} messages kept
              </Text>
              <Button
                size="compact-xs"
                variant="default"
                loading={query.isRefetching}
                onClick={() => void queryClient.resetQueries({ queryKey })}
              >
                Refresh
              </Button>
            </Group>
            {entries.length === 0 ? (
              <Empty title={query.hasNextPage ? "None so far" : "No messages"}>
                {query.hasNextPage
                  ? "The stream is long, and goes on."
                  : pages[0]?.stream.length
                    ? "None of those that are kept matches. Look for another channel, or more time."
                    : "Nothing was published lately. What is published, by the Console for one, shows up here."}
              </Empty>
            ) : (
              <EntryTable entries={entries} open={open} />
            )}
            <More pages={query}>
              {inVain ? "Look further" : wanted.order === "oldest" ? "Show newer" : "Show older"}
            </More>
          </>
        );
      }}
    </Loaded>
  );
}

/** How many pages without a match are looked at in one go: of a long stream that is tens of thousands of messages. */
const inOneGo = 10;

/**
 * Looks further when a page had no match: the server looks at a bounded number of messages for each. Returns whether the newest
 * page had none.
 */
function useLookFurther(query: UseInfiniteQueryResult<InfiniteData<{ entries: Entry[] }>>): boolean {
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = query;
  const pages = data?.pages ?? [];
  const empty = pages.length - 1 - pages.findLastIndex(({ entries }) => entries.length > 0);
  const further = hasNextPage && !isFetching && !isError && empty % inOneGo !== 0;
  useEffect(() => {
    if (further) {
      void fetchNextPage();
    }
  }, [further, fetchNextPage]);
  return empty > 0;
}

/** More than this of a message is not in a list, in bytes. */
const maxShown = 64 * 1024;

function EntryTable({ entries, open }: { entries: Entry[]; open: (id: string) => void }) {
  return (
    <DataTable label="Messages" minWidth={800} head={["When", "Channel", "Data", { end: "Size" }, { end: "Actions" }]}>
      {entries.map((entry) => (
        <OpenRow key={entry.id} open={() => open(entry.id)}>
          <Table.Td>
            <When time={entry.at} exact />
          </Table.Td>
          <Table.Td>
            <div>
              <ChannelName name={entry.channel} />{" "}
              {entry.notice && (
                <Badge size="sm" variant="default">
                  notice
                </Badge>
              )}
            </div>
          </Table.Td>
          <Table.Td className="pp-fill">
            <div className="pp-line">
              {entry.size > maxShown ? "too large to show here" : JSON.stringify(entry.data)}
            </div>
          </Table.Td>
          <Table.Td className="pp-num">{bytes(entry.size)}</Table.Td>
          <Table.Td>
            <div className="pp-actions">
              <Button size="compact-xs" variant="default" onClick={() => open(entry.id)}>
                Open
              </Button>
            </div>
          </Table.Td>
        </OpenRow>
      ))}
    </DataTable>
  );
}
