import { Button, Code, Group } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";

/** Copies a text. The clipboard proper is for pages by HTTPS alone; for others there is still the old command. */
async function write(text: string): Promise<boolean> {
  if (navigator.clipboard !== undefined) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "pp-copied";
  // Beside the button: a dialog takes back the focus from whatever is outside of it.
  (document.activeElement?.parentElement ?? document.body).append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  return copied;
}

/** A button that copies, and says so, or that it could not. */
export function Copy({ value, label = "Copy" }: { value: string; label?: string }) {
  const [said, say] = useState("");
  const forget = useDebouncedCallback(() => say(""), 2000);
  const copy = async () => {
    say((await write(value)) ? "Copied" : "Select it, and copy by hand");
    forget();
  };
  return (
    <Button size="compact-xs" variant="default" onClick={() => void copy()} aria-live="polite">
      {said || label}
    </Button>
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
