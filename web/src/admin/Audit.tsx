// The standing audit: whether every entry up to a position adds up, and what to do when one does not.

import { exact } from "../ui/format";
import type { Console } from "./console";
import { DataTable, type Column } from "./DataTable";
import type { Break } from "./protocol";
import { auditWords } from "./words";

const COLUMNS: readonly Column<Break>[] = [
  { head: "Position", draw: ({ position }) => <b>{exact(position)}</b>, number: true },
  { head: "Promise", draw: ({ invariant, words }) => `${invariant}${words ? `: ${words}` : ""}`, title: ({ words }) => words ?? "" },
  { head: "What does not fit", draw: ({ what }) => what, wide: true, title: ({ what }) => what },
];

export function Audit({ console }: { console: Console }) {
  const audit = console.audit.value;
  if (!audit) return <p class="note">The audit has not been heard of yet.</p>;
  const breaks = audit.broken ? [audit.broken] : [];
  return (
    <>
      <section class="verdict" data-ok={audit.ok} data-testid="verdict">
        <i aria-hidden="true">{audit.ok ? "✓" : "!"}</i>
        <div>
          <strong>{auditWords(audit)}.</strong>
          <p>{audit.ok
            ? "Every coin and every ticket comes from somewhere and is somewhere, no account is below zero, and every hold is resolved at most once."
            : "Withdrawals are stopped; everything else goes on. Nobody repairs the journal by hand."}</p>
        </div>
      </section>
      {!audit.ok && (
        <ol class="steps">
          <li>Run <code>livehouse audit --data DIR</code> on a copy: it names the first position that breaks an invariant.</li>
          <li>Run <code>livehouse explain COMMAND_ID</code> for the command at that position: its event, postings, settlement and payout.</li>
          <li>Correct with new entries under Corrections. Withdrawals go on when a fresh audit is clean.</li>
        </ol>
      )}
      {breaks.length > 0 && <DataTable label="The first break" columns={COLUMNS} shown={{ rows: breaks, state: "all" }} keyOf={({ position, invariant }) => `${position} ${invariant}`} empty="" />}
      <dl class="facts">
        <div><dt>Checked up to</dt><dd>position {exact(audit.position)}</dd></div>
        {audit.records > 0 && <div><dt>Records that break a promise</dt><dd>{exact(audit.records)}</dd></div>}
        <div><dt>Withdrawals</dt><dd>{audit.ok ? "open" : "stopped"}</dd></div>
      </dl>
    </>
  );
}
