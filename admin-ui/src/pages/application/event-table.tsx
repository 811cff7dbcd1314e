import { Badge, Button, Group, SegmentedControl, Text, TextInput } from "@mantine/core";
import { memo, useState, useSyncExternalStore } from "react";
import { clock, count, moment, pretty } from "../../format.js";
import { ChannelName } from "../../parts/channel-name.js";
import { Copy } from "../../parts/copy.js";
import { Empty } from "../../parts/loaded.js";
import type { ChangeForm, ConsoleForm } from "./console.js";
import { type ConsoleEvent, type EventLog, matches } from "./event-log.js";

/** How many events are shown at first, and more at each asking. */
const step = 100;

/** How many characters of an event are shown, unless somebody asks for all. */
const excerpt = 5000;

interface Props {
  log: EventLog;
  form: ConsoleForm;
  change: ChangeForm;
}

/** The events that came, the newest first. */
export function EventTable({ log, form: { filter, show }, change }: Props) {
  const current = useSyncExternalStore(log.listen, log.view);
  const [paused, setPaused] = useState<typeof current | null>(null);
  const [most, setMost] = useState(step);
  const { events, total, dropped } = paused ?? current;
  const matching = events.filter((event) => matches(event, filter));
  return (
    <div>
      <Group gap="xs" mb="xs">
        <Text size="sm" fw={600} className="pp-grow" data-testid="event-count">
          {count(total)} event{total === 1 ? "" : "s"}
          {paused && current.total > total && `, and ${count(current.total - total)} since you paused`}
        </Text>
        <TextInput
          size="xs"
          type="search"
          aria-label="Filter events"
          placeholder="Filter"
          value={filter}
          onChange={(event) => change({ filter: event.currentTarget.value })}
        />
        <SegmentedControl
          size="xs"
          aria-label="What is shown of an event"
          value={show}
          onChange={(show) => change({ show })}
          data={[
            { value: "data", label: "Data" },
            { value: "frame", label: "Raw frame" },
          ]}
        />
        <Button size="xs" variant="default" onClick={() => setPaused(paused ? null : current)}>
          {paused ? "Go on" : "Pause"}
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={() => {
            log.clear();
            setPaused(null);
          }}
        >
          Clear
        </Button>
      </Group>
      {dropped > 0 && (
        <Text size="xs" c="dimmed" mb="xs" role="status">
          {count(dropped)} older dropped: the newest {count(events.length)} are kept.
        </Text>
      )}
      {events.length === 0 && <Empty title="Nothing yet.">What comes while you are subscribed shows up here.</Empty>}
      {events.length > 0 && matching.length === 0 && (
        <Empty title="No event matches the filter">It looks at channels and data.</Empty>
      )}
      <ol className="pp-events" aria-label="Events">
        {matching.slice(0, most).map((event) => (
          <Event key={event.number} event={event} raw={show === "frame"} />
        ))}
      </ol>
      {matching.length > most && (
        <Button size="xs" variant="default" mt="xs" onClick={() => setMost(most + step)}>
          Show more
        </Button>
      )}
    </div>
  );
}

/** The exact time is in a title here: there may be many a second, and a Tooltip for each would cost too much. */
function Received({ at }: { at: string }) {
  return (
    <time dateTime={at} title={moment(at)}>
      {clock(at)}
    </time>
  );
}

/** An event never changes, so it is not drawn again with each that comes. */
const Event = memo(function Event({ event, raw }: { event: ConsoleEvent; raw: boolean }) {
  const [whole, setWhole] = useState(false);
  const text = pretty(raw ? event.frame : event.data);
  const cut = !whole && text.length > excerpt;
  return (
    <li className="pp-event">
      <div className="pp-event-head">
        <span className="pp-event-channel">
          <ChannelName name={event.channel} />
        </span>
        {event.kind && (
          <Badge size="sm" variant="default">
            {event.kind}
          </Badge>
        )}
        <Received at={event.received.toISOString()} />
        {event.id !== undefined && <Copy value={event.id} label="Copy ID" />}
      </div>
      <pre className="pp-json">{cut ? `${text.slice(0, excerpt)}…` : text}</pre>
      {cut && (
        <Button size="compact-xs" variant="default" onClick={() => setWhole(true)}>
          Show all {count(text.length)} characters
        </Button>
      )}
    </li>
  );
});
