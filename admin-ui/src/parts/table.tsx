import { Table } from "@mantine/core";
import type { ReactNode } from "react";

/** A column's heading; `end` has it stand over what is aligned to the right. */
export type Column = ReactNode | { end: string };

const isEnd = (column: Column): column is { end: string } =>
  typeof column === "object" && column !== null && "end" in column;

/** A table that scrolls sideways where it is too wide, also by keyboard. `label` names it for screen readers. */
export function DataTable(props: { label: string; head: readonly Column[]; minWidth?: number; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <div role="group" className="pp-scroll" aria-label={`${props.label}, scrolls sideways`} tabIndex={0}>
      <Table miw={props.minWidth ?? 640} className="pp-table" aria-label={props.label}>
        <Table.Thead>
          <Table.Tr>
            {props.head.map((cell, column) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns never move.
              <Table.Th key={column} scope="col" className={isEnd(cell) ? "pp-end" : ""}>
                {isEnd(cell) ? cell.end : cell}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{props.children}</Table.Tbody>
      </Table>
    </div>
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
