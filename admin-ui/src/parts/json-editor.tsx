import { Input, Skeleton } from "@mantine/core";
import { lazy, Suspense, useId } from "react";

const CodeEditor = lazy(async () => ({ default: (await import("./code-editor.js")).CodeEditor }));

interface Props {
  label: string;
  value: string;
  change: (value: string) => void;
  error?: string | undefined;
}

/** Edits JSON. The editor proper is loaded when it is first needed. */
export function JSONEditor({ label, value, change, error }: Props) {
  const id = useId();
  return (
    <Input.Wrapper label={label} labelElement="div" labelProps={{ id }} error={error}>
      <Suspense fallback={<Skeleton height={120} />}>
        <CodeEditor labelledBy={id} value={value} change={change} />
      </Suspense>
    </Input.Wrapper>
  );
}

/** What a text is as JSON; nothing is an empty object. Undefined if it is not JSON. */
export function parseJSON(text: string): { value: unknown } | undefined {
  try {
    return { value: text.trim() === "" ? {} : JSON.parse(text) };
  } catch {
    return undefined;
  }
}
