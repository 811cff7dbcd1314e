import { Group, Select, Text, TextInput } from "@mantine/core";

interface Props {
  application: string;
  types: readonly string[];
  type: string;
  path: string;
  /** Begins the test ids and names of the fields: "publish", "subscribe". */
  name: string;
  change: (channel: { type: string; path: string }) => void;
  disabled?: boolean;
}

/** A channel of the application: what kind, and the path below. */
export function ChannelPicker({ application, types, type, path, name, change, disabled = false }: Props) {
  return (
    <Group gap={6} wrap="nowrap" align="center" className="pp-channel">
      <Text component="span" ff="monospace" size="sm" c="dimmed">
        /{application}/
      </Text>
      <div data-testid={`${name}-channel-type`}>
        <Select
          aria-label={`Kind of channel to ${name} to`}
          data={[...types]}
          value={type}
          onChange={(chosen) => chosen && change({ type: chosen, path })}
          allowDeselect={false}
          disabled={disabled}
          w={115}
        />
      </div>
      <Text component="span" ff="monospace" c="dimmed">
        /
      </Text>
      <div data-testid={`${name}-channel-path`} className="pp-grow">
        <TextInput
          aria-label={`Path of the channel to ${name} to`}
          placeholder="path"
          value={path}
          onChange={(event) => change({ type, path: event.currentTarget.value })}
          disabled={disabled}
          spellCheck={false}
          classNames={{ input: "pp-mono" }}
        />
      </div>
    </Group>
  );
}

/** Whether it names a channel, as far as can be told before the server is asked. */
export const isPath = (path: string): boolean => path !== "" && !path.endsWith("/");
