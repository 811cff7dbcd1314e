import { Stack } from "@mantine/core";
import { useServiceSamples } from "../api/samples.js";
import type { ServiceSample } from "../api/schema.js";
import { duration } from "../format.js";
import { Empty, Loaded } from "../parts/loaded.js";
import { Figures, figuresOf, LatencyChart, LiveBadge, NumberCharts, PerNode } from "../parts/numbers.js";
import { Page, Section } from "../parts/page.js";

/** What flows through the whole service. */
export function Service() {
  const { query, live } = useServiceSamples();
  return (
    <Page
      title="Service"
      about="All applications on all nodes, the last 15 minutes."
      actions={<LiveBadge live={live} />}
    >
      <Loaded query={query}>{({ samples }) => <Samples samples={samples} />}</Loaded>
    </Page>
  );
}

function Samples({ samples }: { samples: ServiceSample[] }) {
  const last = samples.at(-1);
  if (!last) {
    return <Empty title="No numbers yet">The first come a few seconds after the start.</Empty>;
  }
  const { total, latency } = last;
  return (
    <Stack>
      <Figures
        figures={[...figuresOf(total), ["99% delivered within", latency.p99 === null ? "–" : duration(latency.p99)]]}
      />
      <NumberCharts samples={samples}>
        <LatencyChart samples={samples} />
      </NumberCharts>
      <Section title="Nodes" flush>
        <PerNode nodes={Object.entries(last.nodes).map(([id, share]) => [id, share.numbers, share.latency])} />
      </Section>
    </Stack>
  );
}
