// Turning tickets into money: how many, what that comes to, and where to.

import { useEffect, useState } from "preact/hooks";
import type { App } from "../live/app";
import { ACCOUNT_CHARS_MAX } from "../live/limits";
import { hindrance, quote, typedCount, type Hindrance } from "../live/money/amounts";
import { Refusal } from "../live/outbox";
import type { WithdrawTerms } from "../live/protocol";
import type { Purse, Session } from "../live/session";
import { inWords } from "../live/words";
import { exact, money } from "./format";
import { BackSign, CheckSign, TicketSign } from "./icons";
import { DebtNote } from "./MoneySheets";
import { Sheet } from "./Sheet";
import { WithdrawalItem } from "./WithdrawalItem";

/** Withdrawals shown under the form; the wallet has them all. */
const NEWEST_SHOWN = 3;

export function WithdrawSheet({ app, session }: { app: App; session: Session }) {
  const { withdrawals } = session.money;
  useEffect(() => { void withdrawals.readTerms(); void withdrawals.list.open(); }, [withdrawals]);
  const terms = withdrawals.terms.value;
  const purse = session.purse.value;
  const newest = withdrawals.list.listed.value.entries.slice(0, NEWEST_SHOWN);
  return (
    <Sheet title="Withdraw tickets" close={() => app.closeSheet()} kind="money-sheet withdraw-sheet" head={(
      <span class="sheet-back"><button class="icon-button" type="button" aria-label="Back to the wallet" onClick={() => app.openSheet("wallet")}><BackSign /></button>Withdraw tickets</span>
    )}>
      <p class="purse-line"><TicketSign />{purse ? exact(purse.tickets) : "···"} <span>tickets can be withdrawn{purse && purse.held > 0 ? `, ${exact(purse.held)} more are held` : ""}</span></p>
      <DebtNote debt={purse?.debt ?? 0} />
      {terms === undefined && <p class="sheet-empty" role="status">Looking for the terms…</p>}
      {terms === "failed" && <p class="sheet-empty">The terms did not come. <button class="link" type="button" onClick={() => void withdrawals.readTerms()}>Try again</button></p>}
      {typeof terms === "object" && purse && <Form app={app} session={session} terms={terms} purse={purse} />}
      {newest.length > 0 && (
        <section class="newest" aria-label="Your newest withdrawals" data-testid="newest-withdrawals">
          <h3>Your newest withdrawals</h3>
          {newest.map((withdrawal) => <WithdrawalItem key={withdrawal.withdrawal} withdrawal={withdrawal} />)}
        </section>
      )}
    </Sheet>
  );
}

function Form({ app, session, terms, purse }: { app: App; session: Session; terms: WithdrawTerms; purse: Purse }) {
  const [text, setText] = useState("");
  const [account, setAccount] = useState("");
  const [refused, setRefused] = useState<Refusal | undefined>(undefined);
  const [done, setDone] = useState<number | undefined>(undefined);
  const [tried, setTried] = useState(false);
  const { withdrawals } = session.money;
  const tickets = typedCount(text);
  const hinders = hindrance(terms, tickets, purse);
  const most = Math.min(purse.tickets, terms.tickets_max);
  const wrong = text !== "" || tried ? hindranceWords(hinders, terms, purse) : undefined;
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setTried(true);
    setRefused(undefined);
    setDone(undefined);
    if (hinders || !account.trim() || withdrawals.requesting.value) return;
    const answer = await withdrawals.request(tickets, account.trim());
    if (answer instanceof Refusal) {
      setRefused(answer);
      return;
    }
    setText("");
    setTried(false);
    setDone(answer.tickets);
  };
  const shown = Number.isSafeInteger(tickets) && tickets > 0 ? quote(terms, tickets) : undefined;
  return (
    <form class="withdraw" onSubmit={(event) => void submit(event)} noValidate>
      <div class="field">
        <label for="withdraw-tickets">Tickets</label>
        <span class="field-row">
          <input id="withdraw-tickets" value={text} inputMode="numeric" autocomplete="off" aria-invalid={wrong !== undefined} aria-describedby="withdraw-hint"
            placeholder={`${exact(terms.tickets_min)} to ${exact(terms.tickets_max)}`} onInput={(event) => { setText(event.currentTarget.value); setRefused(undefined); }} />
          <button class="quiet" type="button" disabled={most < terms.tickets_min} onClick={() => setText(exact(most))}>All</button>
        </span>
        <p id="withdraw-hint" class="field-hint" data-wrong={wrong !== undefined}>{wrong ?? `At least ${exact(terms.tickets_min)} at once. One ticket is ${money(terms.minor_per_ticket, terms.currency)}.`}</p>
      </div>
      <dl class="quote" data-testid="quote" data-fee={shown?.fee ?? ""} data-pays={shown?.pays ?? ""}>
        <div><dt>Fee, {terms.fee_per_mille / 10}%</dt><dd>{shown ? `${exact(shown.fee)} tickets` : "–"}</dd></div>
        <div class="quote-pays"><dt>You are paid</dt><dd>{shown ? money(shown.pays, terms.currency) : "–"}</dd></div>
        {shown?.approvals === 2 && <p>From {exact(terms.two_approvals_from)} tickets on, two of our staff look at a withdrawal. That can take longer.</p>}
      </dl>
      <div class="field">
        <label for="withdraw-account">Account to pay to</label>
        <input id="withdraw-account" value={account} maxLength={ACCOUNT_CHARS_MAX} autocomplete="off" spellcheck={false} placeholder="Bank, name and number"
          aria-describedby="account-hint" onInput={(event) => setAccount(event.currentTarget.value)} />
        <p id="account-hint" class="field-hint" data-wrong={tried && !account.trim()}>{tried && !account.trim() ? "Say where the money should go." : "Check it twice: money that is out cannot be called back."}</p>
      </div>
      {refused && (
        <p class="refused" role="alert" data-testid="refused" data-code={refused.code}>
          {inWords(refused)} {refused.code === 512 && <button class="link" type="button" onClick={() => app.openSheet("recharge")}>Get coins</button>}
        </p>
      )}
      {done !== undefined && (
        <p class="done" role="status" data-testid="withdraw-done"><CheckSign /><span>{exact(done)} tickets are held for your withdrawal. You are told when it is paid.</span></p>
      )}
      <button class="primary" type="submit" disabled={withdrawals.requesting.value} data-testid="withdraw-submit">
        {withdrawals.requesting.value ? "Asking…" : shown && !hinders ? `Withdraw ${money(shown.pays, terms.currency)}` : "Withdraw"}
      </button>
    </form>
  );
}

function hindranceWords(hinders: Hindrance, terms: WithdrawTerms, purse: Purse): string | undefined {
  switch (hinders) {
    case undefined: return undefined;
    case "nothing": return "Write how many tickets, in whole numbers.";
    case "below": return `At least ${exact(terms.tickets_min)} tickets at once.`;
    case "above": return `At most ${exact(terms.tickets_max)} tickets at once.`;
    case "short": return purse.tickets === 0 ? "You have no tickets yet. Gifts in your room earn them." : `You have ${exact(purse.tickets)} tickets to withdraw.`;
    case "debt": return "Pay what you owe first.";
  }
}
