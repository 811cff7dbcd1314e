import { Badge, Table } from "@mantine/core";
import { type ReactNode, useMemo } from "react";
import type { Latency, Numbers } from "../api/schema.js";
import { bytes, count, duration, rate } from "../format.js";
import { Chart } from "./chart.js";
import { DataTable } from "./table.js";

/** Where the axis of bytes may have its lines: 1, 2, 4, … KiB. */
const binarySteps = Array.from({ length: 50 }, (_, n) => 2 ** n);

const byteRate = (n: number) => `${bytes(n)}/s`;

/** Whether new numbers come by themselves. */
export function LiveBadge({ live }: { live: boolean }) {
  return (
    <Badge variant={live ? "light" : "default"} color="bamboo" role="status">
      {live ? "Live" : "Not live: connecting"}
    </Badge>
  );
}

export type Figure = [name: string, value: string, note?: ReactNode];

/** What the numbers of an application, or of all together, are now. */
export function figuresOf(numbers: Numbers): Figure[] {
  return [
    ["Connections", count(numbers.connections)],
    ["Subscriptions", count(numbers.subscriptions)],
    ["Published", rate(numbers.published), "/ s"],
    ["Delivered", rate(numbers.delivered), "/ s"],
    ["In", bytes(numbers.bytes_in), "/ s"],
    ["Out", bytes(numbers.bytes_out), "/ s"],
  ];
}

/** Figures beside one another, each with its name. */
export function Figures({ figures }: { figures: readonly Figure[] }) {
  return (
    <dl className="pp-stats">
      {figures.map(([name, value, note]) => (
        <div key={name} className="pp-stat">
          <dt>{name}</dt>
          <dd>
            {value} {note && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

interface Sample {
  at: string;
  total: Numbers;
}

/** What flowed in the last 15 minutes, and charts of something else beside it. */
export function NumberCharts({ samples, children }: { samples: readonly Sample[]; children: ReactNode }) {
  const charts = useMemo(() => {
    const line = (name: string, of: (sample: Sample) => number | null) => ({ name, values: samples.map(of) });
    return {
      times: samples.map(({ at }) => Date.parse(at) / 1000),
      sessions: [
        line("connections", ({ total }) => total.connections),
        line("subscriptions", ({ total }) => total.subscriptions),
      ],
      messages: [line("published", ({ total }) => total.published), line("delivered", ({ total }) => total.delivered)],
      traffic: [line("in", ({ total }) => total.bytes_in), line("out", ({ total }) => total.bytes_out)],
    };
  }, [samples]);
  return (
    <div className="pp-charts">
      <Chart label="Connections" times={charts.times} lines={charts.sessions} format={rate} />
      <Chart label="Messages per second" times={charts.times} lines={charts.messages} format={rate} />
      <Chart
        label="Bytes per second"
        times={charts.times}
        lines={charts.traffic}
        format={byteRate}
        steps={binarySteps}
      />
      {children}
    </div>
  );
}

/** How long messages took from being stored to being handed to sessions. */
export function LatencyChart({ samples }: { samples: readonly { at: string; latency: Latency }[] }) {
  const times = useMemo(() => samples.map(({ at }) => Date.parse(at) / 1000), [samples]);
  const lines = useMemo(
    () => [
      { name: "half within", values: samples.map(({ latency }) => latency.p50) },
      { name: "99% within", values: samples.map(({ latency }) => latency.p99) },
    ],
    [samples],
  );
  return <Chart label="Time to deliver, all applications" times={times} lines={lines} format={duration} />;
}

/** What each node bears. */
export function PerNode({ nodes }: { nodes: readonly [id: string, numbers: Numbers, latency?: Latency][] }) {
  const latencies = nodes.some(([, , latency]) => latency);
  const rates = ["Connections", "Subscriptions", "Published / s", "Delivered / s", "In / s", "Out / s"];
  const head = ["Node", ...[...rates, ...(latencies ? ["99% delivered within"] : [])].map((end) => ({ end }))];
  return (
    <DataTable label="Per node" head={head} minWidth={760}>
      {nodes.map(([id, numbers, latency]) => (
        <Table.Tr key={id}>
          <Table.Td className="pp-mono pp-id">{id}</Table.Td>
          {[
            count(numbers.connections),
            count(numbers.subscriptions),
            rate(numbers.published),
            rate(numbers.delivered),
            bytes(numbers.bytes_in),
            bytes(numbers.bytes_out),
            ...(latency ? [latency.p99 === null ? "–" : duration(latency.p99)] : []),
          ].map((cell, column) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: columns never move.
            <Table.Td key={column} className="pp-num">
              {cell}
            </Table.Td>
          ))}
        </Table.Tr>
      ))}
    </DataTable>
  );
}
