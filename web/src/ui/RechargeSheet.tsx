// Getting coins: the packs, and the way to where they are paid.

import { useEffect } from "preact/hooks";
import type { App } from "../live/app";
import { DEMO_GRANT_COINS } from "../live/limits";
import { afterDebt } from "../live/money/amounts";
import type { Pack } from "../live/protocol";
import type { Session } from "../live/session";
import { inWords } from "../live/words";
import { exact, money } from "./format";
import { CoinSign } from "./icons";
import { DebtNote } from "./MoneySheets";
import { Sheet } from "./Sheet";

export function RechargeSheet({ app, session }: { app: App; session: Session }) {
  const { recharge } = session.money;
  useEffect(() => { void recharge.readPacks(); }, [recharge]);
  const purse = session.purse.value;
  const debt = purse?.debt ?? 0;
  const step = recharge.step.value;
  const busy = step.at === "packs" ? undefined : step.at === "ordering" ? step.pack : "leaving";
  return (
    <Sheet title="Get coins" close={() => app.closeSheet()} kind="money-sheet recharge-sheet">
      <p class="purse-line"><CoinSign />{purse ? exact(purse.coins) : "···"} <span>coins in your wallet</span></p>
      <DebtNote debt={debt} />
      <Packs packs={recharge.packs.value} debt={debt} busy={busy} buy={(pack) => void recharge.buy(pack)} again={() => void recharge.readPacks()} />
      {recharge.refused.value && <p class="refused" role="alert" data-testid="refused" data-code={recharge.refused.value.code}>{inWords(recharge.refused.value)}</p>}
      <p class="hint-line" role="status">{hint(step.at)}</p>
      {app.demo.value && (
        <p class="demo-line">This is a demo. <button class="link" type="button" onClick={() => void app.grantCoins()}>Take {exact(DEMO_GRANT_COINS)} free coins</button></p>
      )}
    </Sheet>
  );
}

function hint(at: "packs" | "ordering" | "leaving"): string {
  switch (at) {
    case "packs": return "You pay on the payment provider’s page and come back here. Coins are yours when the payment has come.";
    case "ordering": return "Making your order…";
    case "leaving": return "Going to the payment page…";
  }
}

function Packs({ packs, debt, busy, buy, again }: {
  packs: readonly Pack[] | "failed" | undefined; debt: number; busy: string | undefined; buy: (pack: Pack) => void; again: () => void;
}) {
  if (packs === undefined) return <p class="sheet-empty" role="status">Looking for packs…</p>;
  if (packs === "failed") {
    return <p class="sheet-empty">The packs did not come. <button class="link" type="button" onClick={again}>Try again</button></p>;
  }
  if (packs.length === 0) return <p class="sheet-empty">No coins are for sale here.</p>;
  return (
    <ul class="packs" data-testid="packs">
      {packs.map((pack) => {
        const { paysDebt, left } = afterDebt(pack.coins, debt);
        return (
          <li key={pack.id}>
            <button type="button" data-pack={pack.id} data-busy={busy === pack.id} disabled={busy !== undefined} onClick={() => buy(pack)}>
              <span class="pack-coins"><CoinSign /><b>{exact(pack.coins)}</b><span class="hidden"> coins for</span></span>
              <span class="pack-price">{money(pack.price, pack.currency)}</span>
              {paysDebt > 0 && <small>{left > 0 ? `${exact(left)} after your debt` : "pays debt only"}</small>}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
