// What of one's own lies over the place: a part of one's money, or one's messages.

import type { App } from "../live/app";
import type { Session } from "../live/session";
import { MessagesSheet } from "./MessagesSheet";
import { RechargeSheet } from "./RechargeSheet";
import { WalletSheet } from "./WalletSheet";
import { WithdrawSheet } from "./WithdrawSheet";

export function MoneySheets({ app, session }: { app: App; session: Session }) {
  switch (app.sheet.value) {
    case "messages": return <MessagesSheet app={app} session={session} />;
    case "wallet": return <WalletSheet app={app} session={session} />;
    case "recharge": return <RechargeSheet app={app} session={session} />;
    case "withdraw": return <WithdrawSheet app={app} session={session} />;
    case undefined: return null;
  }
}

/** What is owed, and what that means; nothing while nothing is. */
export function DebtNote({ debt }: { debt: number }) {
  if (debt <= 0) return null;
  return (
    <p class="debt-note" data-testid="debt" data-debt={debt}>
      <b>You owe {debt.toLocaleString("en-US")} {debt === 1 ? "coin" : "coins"}.</b> A recharge was refunded after its coins were spent.
      The next recharge pays this first, and nothing can be withdrawn until then.
    </p>
  );
}
