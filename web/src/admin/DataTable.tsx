// A table for work: rows that the keyboard walks through, numbers at the right, and a foot that says how far it goes.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { RowsShown } from "./rows";

export interface Column<Row> {
  head: string;
  draw: (row: Row) => ComponentChildren;
  number?: boolean;
  /** Long texts are cut to fit; the whole is their title. */
  title?: (row: Row) => string;
  /** Left out where there is no space. */
  dispensable?: boolean;
  /** Takes what the other columns leave. */
  wide?: boolean;
}

interface Shown<Row> {
  label: string;
  columns: readonly Column<Row>[];
  shown: RowsShown<Row>;
  keyOf: (row: Row) => string;
  empty: string;
  more?: () => void;
  again?: () => void;
  /** A key other than those that walk was pressed on a row; true when it meant something. */
  press?: (row: Row, key: string) => boolean;
  marks?: (row: Row) => Record<string, string>;
  /** Few narrow columns: it stays a table on a phone, too. */
  narrow?: boolean;
}

export function DataTable<Row>({ label, columns, shown: { rows, state }, keyOf, empty, more, again, press, marks, narrow = false }: Shown<Row>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const walk = (event: KeyboardEvent) => {
    const all = [...(body.current?.rows ?? [])];
    const at = all.findIndex((row) => row === event.target);
    const row = rows[at];
    if (at < 0 || row === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = { ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next !== undefined) all[next]?.focus();
    else if (!press?.(row, event.key)) return;
    event.preventDefault();
  };
  return (
    <div class={narrow ? "table keeps" : "table"}>
      <table aria-label={label} aria-busy={state === "reading"}>
        <thead><tr>{columns.map(({ head, number, wide, dispensable }) => <th key={head} scope="col" data-number={number} data-wide={wide} data-dispensable={dispensable}>{head || <span class="hidden">Actions</span>}</th>)}</tr></thead>
        <tbody ref={body} onKeyDown={walk}>
          {rows.map((row, n) => (
            <tr key={keyOf(row)} tabIndex={n === 0 ? 0 : -1} {...marks?.(row)}>
              {columns.map(({ head, draw, number, title, wide, dispensable }) => <td key={head} data-dispensable={dispensable} data-number={number} data-wide={wide} data-head={head} title={title?.(row)}>{draw(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="foot" role="status" data-state={state}>
        {state === "failed" && <>The server did not answer: this may be old. {again && <button class="plain" type="button" onClick={again}>Read again</button>}</>}
        {(state === "reading" || state === "unread") && "Reading…"}
        {state === "all" && (rows.length === 0 ? empty : `${rows.length.toLocaleString("en-US")} in all`)}
        {state === "more" && more && <>{rows.length.toLocaleString("en-US")} shown <button class="plain" type="button" onClick={more}>Show more</button></>}
        {state === "full" && `The first ${rows.length.toLocaleString("en-US")} are shown. Choose another state to see others.`}
      </p>
    </div>
  );
}

/** A press of a row's first key: from anywhere on the page, Down or j goes into the table. */
export function focusFirstRow(): void {
  document.querySelector<HTMLElement>("tbody tr")?.focus();
}
