// Money that came for no order it fits. Nothing was credited: somebody has to look, and here is what for.

import { useEffect, useMemo } from "preact/hooks";
import { moment, money } from "../ui/format";
import type { Api } from "./api";
import { DataTable, type Column } from "./DataTable";
import type { UnmatchedPayment } from "./protocol";
import { Rows } from "./rows";
import { refusalWords } from "./words";

const COLUMNS: readonly Column<UnmatchedPayment>[] = [
  { head: "Time", draw: ({ time }) => moment(time) },
  { head: "Provider", draw: ({ provider }) => provider },
  { head: "Payment", draw: ({ payment }) => <code>{payment}</code>, title: ({ payment }) => payment },
  { head: "Amount", draw: ({ amount, currency }) => <b>{money(amount, currency, "code")}</b>, number: true },
  { head: "For order", draw: ({ order }) => <code>{order}</code>, title: ({ order }) => order },
  { head: "Why, and what to do", draw: (row) => <span class="next-step">{nextStep(row)}</span>, wide: true },
];

function nextStep({ code, reason }: UnmatchedPayment): string {
  const words = refusalWords({ status: 0, code: code ?? 0, message: reason ?? "" });
  return code ? `${code}: ${words}` : words;
}

export function Payments({ api }: { api: Api }) {
  const rows = useMemo(() => new Rows<UnmatchedPayment>(async (cursor) => {
    const { payments, cursor: next } = await api.read<{ payments: UnmatchedPayment[]; cursor?: string }>(`/payments/unmatched${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`);
    return { entries: payments, cursor: next };
  }), [api]);
  useEffect(() => { void rows.refresh(); }, [rows]);
  return (
    <DataTable label="Unmatched payments" columns={COLUMNS} shown={rows.shown.value} keyOf={({ provider, payment }) => `${provider} ${payment}`}
      empty="Every payment has found its order." more={() => void rows.more()} again={() => void rows.refresh()} />
  );
}
