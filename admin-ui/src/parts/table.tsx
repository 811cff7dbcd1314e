import { Table } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import type { CSSProperties, MouseEvent, ReactNode } from "react";

/** A column's heading; `end` has it stand over what is aligned to the right, `node` is what is shown of it. */
export type Column = string | { end: string } | { label: string; node: ReactNode; sorted?: "ascending" | "descending" };

const labelOf = (column: Column): string =>
  typeof column === "string" ? column : "end" in column ? column.end : column.label;

/**
 * A table, named for screen readers by `label`. Where it is too wide it scrolls sideways, also by keyboard, with shadows that
 * tell so; on a small screen every row is a card, in which the stylesheet puts the column's name before each value.
 */
export function DataTable(props: { label: string; head: readonly Column[]; minWidth?: number; children: ReactNode }) {
  const outer = useElementSize<HTMLDivElement>();
  const inner = useElementSize<HTMLTableElement>();
  const scrolls = Math.round(inner.width) > Math.round(outer.width);
  const scroller = scrolls && {
    role: "group",
    "aria-label": `${props.label}, scrolls sideways`,
    tabIndex: 0,
  };
  const style = Object.fromEntries([
    ["--pp-min-width", `${props.minWidth ?? 640}px`],
    ...props.head.map((column, n) => [`--pp-column-${n + 1}`, JSON.stringify(labelOf(column))]),
  ]) as CSSProperties;
  return (
    <div ref={outer.ref} className="pp-scroll" {...scroller}>
      <Table ref={inner.ref} className="pp-table" aria-label={props.label} style={style}>
        <Table.Thead>
          <Table.Tr>
            {props.head.map((column) => (
              <Heading key={labelOf(column)} of={column} />
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{props.children}</Table.Tbody>
      </Table>
    </div>
  );
}

function Heading({ of: column }: { of: Column }) {
  if (typeof column === "string") {
    return <Table.Th scope="col">{column}</Table.Th>;
  }
  if ("end" in column) {
    return (
      <Table.Th scope="col" className="pp-end">
        {column.end}
      </Table.Th>
    );
  }
  return (
    <Table.Th scope="col" {...(column.sorted && { "aria-sort": column.sorted })}>
      {column.node}
    </Table.Th>
  );
}

/** A row that opens something wherever it is clicked. What is in it does the same for the keyboard. */
export function OpenRow({ open, children }: { open: () => void; children: ReactNode }) {
  const click = ({ target }: MouseEvent<HTMLElement>) => {
    // Who selects text to copy it wants no other page.
    if (getSelection()?.isCollapsed !== false && !(target as Element).closest("a, button")) {
      open();
    }
  };
  return (
    <Table.Tr onClick={click} className="pp-row-open">
      {children}
    </Table.Tr>
  );
}

/** Names and their values, below one another. */
export function Facts({ facts }: { facts: readonly [name: string, value: ReactNode][] }) {
  return (
    <dl className="pp-facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
