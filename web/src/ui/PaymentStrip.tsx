// What becomes of a payment that the user went away for. It says that money has come only when the server does.

import type { Awaited } from "../live/money/recharge";
import type { Session } from "../live/session";
import { exact, money } from "./format";
import { CheckSign, CloseSign, ClockSign } from "./icons";

export function PaymentStrip({ session }: { session: Session }) {
  const { recharge } = session.money;
  const awaited = recharge.awaited.value;
  if (!awaited || awaited.hidden) return null;
  const open = awaited.state === "waiting" || awaited.state === "late";
  return (
    <div class="payment" role="status" data-testid="payment" data-state={awaited.state}>
      {awaited.state === "paid" ? <CheckSign /> : <ClockSign />}
      <p><b>{titleOf(awaited)}</b> {wordsOf(awaited)}</p>
      {open && (
        <span class="payment-ways">
          {awaited.bill.url && <button class="link" type="button" onClick={() => recharge.pay(awaited.bill)}>Pay now</button>}
          <button class="link" type="button" onClick={() => void recharge.cancel()}>Cancel order</button>
        </span>
      )}
      <button class="icon-button" type="button" aria-label="Dismiss" onClick={() => recharge.dismiss()}><CloseSign /></button>
    </div>
  );
}

function titleOf({ state }: Awaited): string {
  switch (state) {
    case "waiting": return "Waiting for the payment.";
    case "late": return "No payment has come yet.";
    case "paid": return "Payment received.";
    case "cancelled": return "Order cancelled.";
    case "refunded": return "Payment given back.";
    case "unknown": return "Not an order of yours.";
  }
}

function wordsOf({ state, bill }: Awaited): string {
  const coins = bill.coins === undefined ? "the coins" : `${exact(bill.coins)} coins`;
  const price = bill.price === undefined || bill.currency === undefined ? "" : ` for ${money(bill.price, bill.currency)}`;
  switch (state) {
    case "waiting": return `${capital(coins)}${price} come as soon as it is here.`;
    case "late": return `If you have paid, ${coins}${price} will still come; nothing is lost.`;
    case "paid": return `${capital(coins)} have been credited.`;
    case "cancelled": return "Nothing was charged.";
    case "refunded": return `${capital(coins)} were taken back.`;
    case "unknown": return "Sign in as who ordered it to see what became of it.";
  }
}

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
