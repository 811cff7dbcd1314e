import { Group, Progress, Stack, Text } from "@mantine/core";
import { useApplicationSamples, useServiceSamples } from "../../api/samples.js";
import type { ApplicationSample, Stream } from "../../api/schema.js";
import { count, duration } from "../../format.js";
import { Empty, Loaded } from "../../parts/loaded.js";
import { Figures, figuresOf, LatencyChart, LiveBadge, NumberCharts, PerNode } from "../../parts/numbers.js";
import { Section } from "../../parts/page.js";
import { Facts } from "../../parts/table.js";
import { When } from "../../parts/when.js";
import { useSeesAll } from "../../user.js";
import { useApplication } from "./frame.js";

/** What flows through the application now, and did in the last 15 minutes. */
export function Live() {
  const { id } = useApplication();
  const { query, live } = useApplicationSamples(id);
  return (
    <Stack>
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          The last 15 minutes, every five seconds.
        </Text>
        <LiveBadge live={live} />
      </Group>
      <Loaded query={query}>
        {({ samples, stream }) => (
          <Stack>
            <Samples samples={samples} />
            <StreamSection stream={samples.at(-1)?.stream ?? stream} />
          </Stack>
        )}
      </Loaded>
    </Stack>
  );
}

function Samples({ samples }: { samples: ApplicationSample[] }) {
  const seesAll = useSeesAll();
  const last = samples.at(-1);
  if (!last) {
    return <Empty title="No numbers yet">They begin with the first message or connection.</Empty>;
  }
  const { total } = last;
  const nodes = Object.entries(last.nodes);
  return (
    <>
      <Figures figures={figuresOf(total)} />
      <NumberCharts samples={samples}>{seesAll && <ServiceLatency />}</NumberCharts>
      {nodes.length > 0 && (
        <Section title="Nodes" flush>
          <PerNode nodes={nodes} />
        </Section>
      )}
    </>
  );
}

/** Latency is measured of all applications together. */
function ServiceLatency() {
  const { query } = useServiceSamples();
  return query.data ? <LatencyChart samples={query.data.samples} /> : null;
}

/** How much of the stream is kept, and how much more could be. */
function StreamSection({ stream }: { stream: Stream }) {
  const used = stream.max_length > 0 ? (100 * stream.length) / stream.max_length : 0;
  return (
    <Section title="Stream">
      <Stack gap="sm">
        <div>
          <Text size="sm" mb={4}>
            {count(stream.length)} messages kept
            {stream.max_length > 0 && `, of about ${count(stream.max_length)}: the oldest go when there are more`}
          </Text>
          <Progress value={Math.min(100, used)} aria-label="How full the stream is" />
        </div>
        <Facts
          facts={[
            ["Kept for", stream.max_age > 0 ? duration(stream.max_age) : "no limit"],
            ["Oldest", <When key="oldest" time={stream.oldest_at} never="–" />],
            ["Newest", <When key="newest" time={stream.newest_at} never="–" />],
          ]}
        />
      </Stack>
    </Section>
  );
}
