// One withdrawal and how far it has come.

import type { Withdrawal, WithdrawalState } from "../live/protocol";
import { exact, money, moment } from "./format";
import { BankSign } from "./icons";

const STATES: Record<WithdrawalState, string> = {
  requested: "In review", approved: "Approved", submitted: "On its way", paid: "Paid", rejected: "Turned down", failed: "Failed",
};

export function WithdrawalItem({ withdrawal: { withdrawal, tickets, fee, pays, currency, account, state, changed, reason, reference } }: { withdrawal: Withdrawal }) {
  return (
    <article class="entry withdrawal" data-withdrawal={withdrawal} data-state={state}>
      <span class="entry-picture" data-kind="withdrawal"><BankSign /></span>
      <span class="entry-words">
        <b>{exact(tickets)} tickets</b>
        <small>{fee > 0 && `fee ${exact(fee)}, `}to <span class="entry-account">{account}</span></small>
        {reason && <small class="entry-reason">{reason}</small>}
        {reference && <small>Reference <span class="entry-id">{reference}</span></small>}
      </span>
      <span class="entry-amounts">
        <strong>{money(pays, currency)}</strong>
        <span class="state" data-state={state} title={moment(changed)}>{STATES[state] ?? state}</span>
      </span>
    </article>
  );
}
