import { useComputedColorScheme } from "@mantine/core";
import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

/** One line of a chart: as many values as there are times; null where nothing is known. */
export interface Line {
  name: string;
  values: (number | null)[];
}

interface Props {
  label: string;
  /** Seconds since 1970. */
  times: number[];
  lines: Line[];
  format: (value: number) => string;
  /** What may lie between two lines of the axis; by default round decimal numbers. */
  steps?: number[];
}

const height = 160;

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/**
 * A chart over time, with a legend that has the newest values, which is also what screen readers get, or those at the time that
 * is pointed at, on all charts of the page.
 */
export function Chart({ label, times, lines, format, steps }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const { ref: sized, width } = useElementSize<HTMLDivElement>();
  const ref = useMergedRef(place, sized);
  const plot = useRef<uPlot>(null);
  const scheme = useComputedColorScheme("light");
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = [times, ...lines.map((line) => line.values)];
  const names = lines.map((line) => line.name).join("\n");
  const [pointed, setPointed] = useState<number | null>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are another's with each scheme.
  useEffect(() => {
    if (width === 0 || !place.current) {
      return;
    }
    const drawn = new uPlot(
      {
        ...options(width, names.split("\n"), format, steps),
        hooks: { setCursor: [({ cursor }) => setPointed(cursor.idx ?? null)] },
      },
      data.current,
      place.current,
    );
    plot.current = drawn;
    return () => {
      drawn.destroy();
      plot.current = null;
    };
  }, [width === 0, names, format, steps, scheme]);

  useEffect(() => {
    plot.current?.setSize({ width, height });
  }, [width]);
  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)]);
  }, [times, lines]);

  const at = pointed === null ? undefined : times[pointed];
  return (
    <figure className="pp-chart">
      <figcaption>
        <span className="pp-chart-title">
          {label}
          {at !== undefined && <span className="pp-chart-at">{clock.format(at * 1000)}</span>}
        </span>
        {lines.map((line, index) => {
          const value = line.values[pointed ?? line.values.length - 1] ?? null;
          return (
            <span key={line.name} className={`pp-chart-legend pp-chart-legend-${index + 1}`}>
              {line.name} <b>{value === null ? "–" : format(value)}</b>
            </span>
          );
        })}
      </figcaption>
      <div ref={ref} aria-hidden="true" className="pp-chart-plot" />
    </figure>
  );
}

function options(
  width: number,
  names: string[],
  format: (value: number) => string,
  steps: number[] | undefined,
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--mantine-color-dimmed"),
    grid: { stroke: colour("--pp-line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "time" } },
    padding: [8, 28, 0, 0],
    scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.15 : 1] } },
    axes: [
      { ...axis, space: 80, size: 24, values: (_, ticks) => ticks.map((tick) => clock.format(tick * 1000)) },
      { ...axis, size: 58, space: 34, values: (_, ticks) => ticks.map(format), ...(steps && { incrs: steps }) },
    ],
    series: [
      {},
      ...names.map((label, index) => ({
        label,
        stroke: colour(`--pp-chart-${index + 1}`),
        width: 1.75,
        points: { show: false },
        ...(index === 0 ? { fill: `${colour("--pp-chart-1")}1f` } : {}),
      })),
    ],
  };
}
