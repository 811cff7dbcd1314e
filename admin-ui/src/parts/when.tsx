import { Tooltip } from "@mantine/core";
import { useInterval } from "@mantine/hooks";
import { useReducer } from "react";
import { fromNow, moment } from "../format.js";

/** How long ago something was, with the exact time beside it for those who point at it. */
export function When({ time, never = "never" }: { time: string | null; never?: string }) {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useInterval(again, 30_000, { autoInvoke: true });
  if (time === null) {
    return <>{never}</>;
  }
  return (
    <Tooltip label={moment(time)}>
      <time dateTime={time}>{fromNow(time)}</time>
    </Tooltip>
  );
}
