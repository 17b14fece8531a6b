// The queue of withdrawals: who wants how much, where to, how long they have waited, and who has approved.

import { useEffect, useMemo, useState } from "preact/hooks";
import type { WithdrawalState } from "../live/protocol";
import { exact, moment, money } from "../ui/format";
import { Act } from "./Act";
import type { Api } from "./api";
import { DataTable, focusFirstRow, type Column } from "./DataTable";
import type { FiledWithdrawal, Staff } from "./protocol";
import { Rows } from "./rows";
import { isTyping } from "./Shell";
import { age, approvalWords, powersOver } from "./words";

const STATES: readonly (readonly [WithdrawalState, string])[] = [
  ["requested", "Requested"], ["approved", "Approved"], ["submitted", "Submitted"], ["paid", "Paid"], ["rejected", "Rejected"], ["failed", "Failed"],
];
/** The queue is read again this often. */
const REFRESH_MS = 4_000;
const PAGE_ROWS = 50;
const REASON_CHARS_MAX = 200;

type Deed = { what: "approve" | "reject"; withdrawal: FiledWithdrawal };

export function Withdrawals({ api, staff }: { api: Api; staff: Staff }) {
  const [state, setState] = useState<WithdrawalState>("requested");
  const [deed, setDeed] = useState<Deed | undefined>(undefined);
  const [said, setSaid] = useState("");
  const rows = useMemo(() => new Rows<FiledWithdrawal>(async (cursor) => {
    const query = new URLSearchParams({ state, limit: `${PAGE_ROWS}`, ...(cursor ? { cursor } : {}) });
    const { withdrawals, cursor: next } = await api.read<{ withdrawals: FiledWithdrawal[]; cursor?: string }>(`/withdrawals?${query}`);
    return { entries: withdrawals, cursor: next };
  }), [api, state]);
  useEffect(() => {
    void rows.refresh();
    const timer = setInterval(() => void rows.refresh(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [rows]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.key === "j" || event.key === "ArrowDown") && !isTyping(event.target) && !document.querySelector("dialog[open]") && !(event.target as Element).closest("tbody, [role=radiogroup]")) focusFirstRow();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  const start = (what: Deed["what"], withdrawal: FiledWithdrawal): boolean => {
    if (powersOver(withdrawal, staff.name)[what]) setDeed({ what, withdrawal });
    else setSaid(powersOver(withdrawal, staff.name).why ?? "");
    return true;
  };
  return (
    <>
      <div class="bar">
        <div class="segments" role="radiogroup" aria-label="State">
          {STATES.map(([key, words]) => (
            <label key={key} data-on={state === key}><input type="radio" name="state" value={key} checked={state === key} onChange={() => { setState(key); setSaid(""); }} />{words}</label>
          ))}
        </div>
        <p class="said" role="status" data-testid="said">{said}</p>
      </div>
      <DataTable label="Withdrawals" columns={columnsOf(state, staff, start)} shown={rows.shown.value} keyOf={({ user, withdrawal }) => `${user} ${withdrawal}`}
        empty={state === "requested" ? "Nothing waits for you." : `No withdrawal is ${state}.`} more={() => void rows.more()} again={() => void rows.refresh()}
        press={(row, key) => (key === "a" ? start("approve", row) : key === "r" ? start("reject", row) : false)}
        marks={({ user, withdrawal, state: at }) => ({ "data-user": user, "data-withdrawal": withdrawal, "data-state": at })} />
      {deed && (
        <DeedAct api={api} deed={deed} close={() => setDeed(undefined)} done={(words) => { setSaid(words); void rows.refresh(); }} />
      )}
    </>
  );
}

function columnsOf(state: WithdrawalState, staff: Staff, start: (what: Deed["what"], row: FiledWithdrawal) => boolean): Column<FiledWithdrawal>[] {
  const over = state === "paid" || state === "rejected" || state === "failed";
  return [
    { head: "Age", draw: ({ since }) => age(since, Date.now()), title: ({ since }) => moment(since), number: true },
    { head: "User", draw: ({ user }) => <b>{user}</b>, title: ({ user }) => user },
    { head: "Tickets", draw: ({ tickets }) => exact(tickets), number: true },
    { head: "Fee", draw: ({ fee }) => exact(fee), number: true },
    { head: "Pays", draw: ({ pays, currency }) => <b>{money(pays, currency, "code")}</b>, number: true },
    { head: "Account", draw: ({ account }) => account, title: ({ account }) => account, wide: true },
    { head: "Approvals", draw: (row) => <span class="approvals" data-testid="approvals">{approvalWords(row)}</span>, title: ({ approved_by }) => (approved_by.length ? `By ${approved_by.join(", ")}` : "Nobody yet") },
    over
      ? { head: state === "paid" ? "Reference" : "Reason", draw: ({ reference, reason }) => reference ?? reason ?? "", title: ({ reference, reason }) => reference ?? reason ?? "", wide: true }
      : { head: "", draw: (row) => <RowActions row={row} staff={staff} start={start} /> },
  ];
}

function RowActions({ row, staff, start }: { row: FiledWithdrawal; staff: Staff; start: (what: Deed["what"], row: FiledWithdrawal) => boolean }) {
  const { approve, reject, why } = powersOver(row, staff.name);
  return (
    <span class="row-actions">
      {!approve && !reject && <small>{why}</small>}
      {(approve || reject) && <button type="button" disabled={!approve} title={approve ? "Approve (a)" : why} onClick={() => start("approve", row)}>Approve</button>}
      {reject && <button type="button" title="Reject (r)" onClick={() => start("reject", row)}>Reject</button>}
    </span>
  );
}

function DeedAct({ api, deed: { what, withdrawal: row }, close, done }: { api: Api; deed: Deed; close: () => void; done: (words: string) => void }) {
  const facts = [
    ["User", <b>{row.user}</b>], ["Pays", <b>{money(row.pays, row.currency, "code")}</b>], ["Account", row.account],
    ["Tickets", `${exact(row.tickets)}, of which fee ${exact(row.fee)}`],
    ["Approvals", `${approvalWords(row)}${row.approved_by.length ? `, by ${row.approved_by.join(", ")}` : ""}`],
    ["Requested", `${moment(row.since)} (${age(row.since, Date.now())} ago)`],
  ] as const;
  const path = `/withdrawals/${encodeURIComponent(row.user)}/${encodeURIComponent(row.withdrawal)}`;
  if (what === "approve") {
    const last = row.approved_by.length + 1 >= row.approvals_needed;
    return (
      <Act title={last ? "Approve and pay out" : "Approve"} facts={facts} confirm={last ? `Approve, pay ${money(row.pays, row.currency, "code")}` : "Approve"}
        send={(id) => api.change("POST", `${path}/approve`, { command_id: id })} close={close}
        done={() => done(`Approved: ${row.user}, ${money(row.pays, row.currency, "code")}${last ? "" : ". One more approval is needed."}`)} />
    );
  }
  return (
    <Act title="Reject" facts={facts} confirm="Reject" grave fields={[{ name: "reason", label: "Reason", hint: "The streamer reads it. It stays in the books.", charsMax: REASON_CHARS_MAX }]}
      check={({ reason }) => (reason?.trim() ? undefined : "Say why: the streamer reads it.")}
      send={(id, { reason }) => api.change("POST", `${path}/reject`, { command_id: id, reason: reason?.trim() })} close={close}
      done={() => done(`Rejected: ${row.user}. ${exact(row.tickets)} tickets are back in the wallet.`)} />
  );
}
