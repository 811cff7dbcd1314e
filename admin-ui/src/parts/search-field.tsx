import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";

/** A field whose text is handed on when the typing pauses. */
export function SearchField(props: { label: string; value: string; change: (value: string) => void }) {
  const [text, setText] = useState(props.value);
  const told = useRef(props.value);
  const change = useDebouncedCallback((value: string) => {
    told.current = value;
    props.change(value);
  }, 200);
  // What comes from elsewhere, such as the browser's way back; not what was typed here a moment ago.
  useEffect(() => {
    if (props.value !== told.current) {
      told.current = props.value;
      setText(props.value);
    }
  }, [props.value]);
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
      miw={260}
    />
  );
}
