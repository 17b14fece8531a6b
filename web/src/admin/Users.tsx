// Corrections of what a user has, by hand. Nothing is ever edited: each is a new entry in the books, with its reason and author.

import { useState } from "preact/hooks";
import { ID_PATTERN } from "../live/protocol";
import { exact, signed, timeOfDay } from "../ui/format";
import { Act } from "./Act";
import type { Api } from "./api";
import { DataTable, type Column } from "./DataTable";
import type { Corrected } from "./protocol";
import { typedAmount } from "./words";

const KINDS = [["coins", "Coins"], ["tickets", "Tickets"], ["forgive", "Forgive debt"]] as const;
type Kind = (typeof KINDS)[number][0];

interface Correction { kind: Kind; user: string; amount: number; reason: string }
interface Made extends Correction { time: number; answer: Corrected }

const REASON_CHARS_MAX = 200;
const UNIT: Record<Kind, string> = { coins: "coins", tickets: "tickets", forgive: "coins of debt" };

export function Users({ api }: { api: Api }) {
  const [kind, setKind] = useState<Kind>("coins");
  const [user, setUser] = useState("");
  const [amount, setAmount] = useState("");
  const [reason, setReason] = useState("");
  const [wrong, setWrong] = useState("");
  const [asked, setAsked] = useState<Correction | undefined>(undefined);
  const [made, setMade] = useState<readonly Made[]>([]);
  const review = (event: SubmitEvent) => {
    event.preventDefault();
    const correction = { kind, user: user.trim(), amount: typedAmount(amount), reason: reason.trim() };
    const mistake = mistakeOf(correction);
    setWrong(mistake ?? "");
    if (!mistake) setAsked(correction);
  };
  return (
    <>
      <p class="lead">A correction is a new entry in the user’s history, with your name. It cannot be taken back, only corrected again.</p>
      <form class="correction" onSubmit={review} noValidate>
        <div class="segments" role="radiogroup" aria-label="What to correct">
          {KINDS.map(([key, words]) => (
            <label key={key} data-on={kind === key}><input type="radio" name="kind" value={key} checked={kind === key} onChange={() => setKind(key)} />{words}</label>
          ))}
        </div>
        <label>User<input name="user" value={user} maxLength={64} autocomplete="off" spellcheck={false} onInput={(event) => setUser(event.currentTarget.value)} /></label>
        <label>{kind === "forgive" ? "Debt to let go" : "Amount, − takes away"}
          <input name="amount" class="number" value={amount} maxLength={20} autocomplete="off" inputMode="text" onInput={(event) => setAmount(event.currentTarget.value)} /></label>
        <label class="wide">Reason<input name="reason" value={reason} maxLength={REASON_CHARS_MAX} autocomplete="off" onInput={(event) => setReason(event.currentTarget.value)} /></label>
        <button class="main" type="submit">Review…</button>
        {wrong && <p class="note bad" role="alert">{wrong}</p>}
      </form>
      <h2>Made in this visit</h2>
      <DataTable label="Corrections made in this visit" columns={COLUMNS} shown={{ rows: made, state: "all" }} keyOf={({ answer }) => `${answer.position}`}
        empty="None yet. Older ones stand in each user’s history." />
      {asked && (
        <Act title="Book this correction" confirm={asked.amount < 0 ? "Take away" : asked.kind === "forgive" ? "Forgive" : "Add"} grave={asked.amount < 0}
          facts={[["User", <b>{asked.user}</b>], ["Change", <b>{asked.kind === "forgive" ? exact(asked.amount) : signed(asked.amount)} {UNIT[asked.kind]}</b>], ["Reason", asked.reason]]}
          send={(id) => api.change<Corrected>("POST", `/users/${encodeURIComponent(asked.user)}/${asked.kind}`, { command_id: id, amount: asked.amount, reason: asked.reason })}
          close={() => setAsked(undefined)}
          done={(answer) => {
            setMade((now) => [{ ...asked, answer, time: Date.now() }, ...now].slice(0, 100));
            setAmount("");
            setReason("");
          }} />
      )}
    </>
  );
}

function mistakeOf({ kind, user, amount, reason }: Correction): string | undefined {
  if (!ID_PATTERN.test(user)) return "Enter the user’s id: 1 to 64 letters, digits or . _ - @";
  if (!Number.isSafeInteger(amount) || amount === 0) return "Enter a whole amount other than 0.";
  if (kind === "forgive" && amount < 0) return "Enter how much of the debt to let go, without a sign.";
  return reason ? undefined : "Say why: the reason stays in the books for ever.";
}

const COLUMNS: readonly Column<Made>[] = [
  { head: "Time", draw: ({ time }) => timeOfDay(time) },
  { head: "User", draw: ({ user }) => <b>{user}</b>, title: ({ user }) => user },
  { head: "Change", draw: ({ kind, amount }) => `${kind === "forgive" ? exact(amount) : signed(amount)} ${UNIT[kind]}`, number: true },
  { head: "After it", draw: ({ answer }) => leftWords(answer), number: true },
  { head: "Reason", draw: ({ reason }) => reason, title: ({ reason }) => reason, wide: true },
  { head: "Position", draw: ({ answer }) => exact(answer.position), number: true },
];

function leftWords({ coins, tickets, debt }: Corrected): string {
  const left = [[coins, "coins"], [tickets, "tickets"], [debt, "owed"]] as const;
  return left.filter(([amount]) => amount !== undefined).map(([amount, unit]) => `${exact(amount ?? 0)} ${unit}`).join(", ");
}
