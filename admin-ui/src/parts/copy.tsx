import { Button, Code, CopyButton, Group } from "@mantine/core";

/** A button that copies, and says so. */
export function Copy({ value, label = "Copy" }: { value: string; label?: string }) {
  return (
    <CopyButton value={value} timeout={2000}>
      {({ copied, copy }) => (
        <Button size="compact-xs" variant="default" onClick={copy} aria-live="polite">
          {copied ? "Copied" : label}
        </Button>
      )}
    </CopyButton>
  );
}

/** A value that people carry elsewhere, with a button that copies it. */
export function Copyable({ value, name }: { value: string; name: string }) {
  return (
    <Group gap="xs" align="flex-start" className="pp-copyable">
      <Code className="pp-code">{value}</Code>
      <Copy value={value} label={`Copy ${name}`} />
    </Group>
  );
}
