import { Tooltip } from "@mantine/core";
import { useEffect, useReducer } from "react";
import { clock, fromNow, moment } from "../format.js";

interface Props {
  time: string | null;
  never?: string;
  /** Shows the time itself, for what comes in seconds: how long ago it was is then beside it. */
  exact?: boolean;
}

/** How long ago something was, with the exact time beside it for those who point at it. */
export function When({ time, never = "never", exact = false }: Props) {
  const [ticks, again] = useReducer((n: number) => n + 1, 0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each tick sets the next.
  useEffect(() => {
    if (time === null || exact) {
      return;
    }
    const age = Math.abs(Date.now() - Date.parse(time));
    const timer = setTimeout(again, age < 60_000 ? 1000 : 30_000);
    return () => clearTimeout(timer);
  }, [time, exact, ticks]);
  if (time === null) {
    return <>{never}</>;
  }
  return (
    <Tooltip
      label={exact ? `${moment(time)}, ${fromNow(time)}` : moment(time)}
      events={{ hover: true, focus: true, touch: true }}
    >
      <time dateTime={time} className="pp-time">
        {exact ? clock(time) : fromNow(time)}
      </time>
    </Tooltip>
  );
}
