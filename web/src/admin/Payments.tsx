// Money that came for no order it fits. Nothing was credited: somebody has to look, and here is what for.

import { useEffect, useMemo } from "preact/hooks";
import { moment, money } from "../ui/format";
import type { Api } from "./api";
import { DataTable, type Column } from "./DataTable";
import type { UnmatchedPayment } from "./protocol";
import { Rows } from "./rows";
import { refusalWords } from "./words";

const PAGE_ROWS = 50;

const COLUMNS: readonly Column<UnmatchedPayment>[] = [
  { head: "Time", draw: ({ since }) => moment(since) },
  { head: "Provider", draw: ({ provider }) => provider },
  { head: "Payment", draw: ({ payment }) => <code>{payment}</code>, title: ({ payment }) => payment },
  { head: "Amount", draw: ({ amount, currency }) => <b>{money(amount, currency, "code")}</b>, number: true },
  { head: "For order", draw: ({ order }) => <code>{order}</code>, title: ({ order }) => order },
  { head: "Why, and what to do", draw: (row) => <span class="next-step">{nextStep(row)}</span>, wide: true },
];

const nextStep = ({ code, reason }: UnmatchedPayment): string => `${code}: ${refusalWords({ status: 0, code, message: reason })}`;

export function Payments({ api }: { api: Api }) {
  const rows = useMemo(() => new Rows<UnmatchedPayment>(async (cursor) => {
    const { payments, cursor: next } = await api.read<{ payments: UnmatchedPayment[]; cursor?: string }>(`/payments/unmatched?${new URLSearchParams({ limit: `${PAGE_ROWS}`, ...(cursor ? { cursor } : {}) })}`);
    return { entries: payments, cursor: next };
  }), [api]);
  useEffect(() => { void rows.refresh(); }, [rows]);
  return (
    <DataTable label="Unmatched payments" columns={COLUMNS} shown={rows.shown.value} keyOf={({ provider, payment }) => `${provider} ${payment}`}
      empty="Every payment has found its order." more={() => void rows.more()} again={() => void rows.refresh()} />
  );
}
