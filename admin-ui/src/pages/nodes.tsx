import { Badge, Group, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { nodesQuery } from "../api/queries.js";
import type { Node } from "../api/schema.js";
import { bytes, count, duration, rate } from "../format.js";
import { Loaded } from "../parts/loaded.js";
import { Page } from "../parts/page.js";
import { DataTable } from "../parts/table.js";
import { When } from "../parts/when.js";

const head = [
  "Node",
  "State",
  "Version",
  "Started",
  { end: "Connections" },
  { end: "Published / s" },
  { end: "Delivered / s" },
  { end: "Latency" },
  { end: "CPU" },
  { end: "Memory" },
];

/** The nodes that run now, and what each of them bears. */
export function Nodes() {
  const query = useQuery(nodesQuery);
  return (
    <Page title="Nodes" about="Every node that gave a sign of life in the last 15 seconds.">
      <div className="pp-card">
        <Loaded query={query}>
          {(nodes) => (
            <DataTable label="Nodes" head={head} minWidth={1050}>
              {nodes.map((node) => (
                <Row key={node.id} node={node} />
              ))}
            </DataTable>
          )}
        </Loaded>
      </div>
    </Page>
  );
}

function Row({ node }: { node: Node }) {
  const { numbers, latency } = node;
  return (
    <Table.Tr>
      <Table.Td>
        <div>
          <Group gap={6}>
            <span className="pp-mono pp-id">{node.id}</span>
            {node.self && (
              <Badge size="sm" variant="default">
                answers you
              </Badge>
            )}
          </Group>
          <Text size="xs" c="dimmed">
            {node.host}
          </Text>
        </div>
      </Table.Td>
      <Table.Td>
        <Badge variant="light" color={node.draining ? "orange" : "bamboo"}>
          {node.draining ? "Shutting down" : "In service"}
        </Badge>
      </Table.Td>
      <Table.Td>
        <div>
          <span className="pp-id">{node.version}</span>
          <Text size="xs" c="dimmed">
            {node.go}
          </Text>
        </div>
      </Table.Td>
      <Table.Td>
        <When time={node.started_at} />
      </Table.Td>
      <Table.Td className="pp-num">{count(numbers.connections)}</Table.Td>
      <Table.Td className="pp-num">{rate(numbers.published)}</Table.Td>
      <Table.Td className="pp-num">{rate(numbers.delivered)}</Table.Td>
      <Table.Td className="pp-num">
        <div>
          {latency.p50 === null ? "–" : duration(latency.p50)}
          {latency.p99 !== null && (
            <Text size="xs" c="dimmed">
              99% in {duration(latency.p99)}
            </Text>
          )}
        </div>
      </Table.Td>
      <Table.Td className="pp-num">{rate(node.cpu * 100)}%</Table.Td>
      <Table.Td className="pp-num">{bytes(node.memory_bytes)}</Table.Td>
    </Table.Tr>
  );
}
