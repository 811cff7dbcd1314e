import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";

/** A field whose text is handed on when the typing pauses. */
export function SearchField(props: { label: string; value: string; change: (value: string) => void }) {
  const [text, setText] = useState(props.value);
  const change = useDebouncedCallback(props.change, 200);
  return (
    <TextInput
      type="search"
      aria-label={props.label}
      placeholder={props.label}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        change(event.currentTarget.value.trim());
      }}
      miw={240}
    />
  );
}
