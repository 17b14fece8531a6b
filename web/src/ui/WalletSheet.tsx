// The wallet: what one has, what it went through, orders and withdrawals.

import { useEffect, useId, useState } from "preact/hooks";
import type { App } from "../live/app";
import { historyLine, type Amount, type Kind } from "../live/money/history";
import type { HistoryEntry, OrderState, RechargeOrder } from "../live/protocol";
import type { Session } from "../live/session";
import { EndlessList } from "./EndlessList";
import { exact, money, moment, signed, timeOfDay } from "./format";
import { BankSign, CheckSign, CoinSign, DotSign, GiftIcon, PencilSign, PlusSign, ReturnSign, TicketSign } from "./icons";
import { DebtNote } from "./MoneySheets";
import { Sheet } from "./Sheet";
import { WithdrawalItem } from "./WithdrawalItem";

const TABS = [["history", "History"], ["orders", "Recharges"], ["withdrawals", "Withdrawals"]] as const;
type Tab = (typeof TABS)[number][0];

export function WalletSheet({ app, session }: { app: App; session: Session }) {
  const { money: own } = session;
  useEffect(() => { own.look(true); return () => own.look(false); }, [own]);
  const [tab, setTab] = useState<Tab>("history");
  const purse = session.purse.value;
  return (
    <Sheet title="Wallet" close={() => app.closeSheet()} kind="money-sheet wallet-sheet">
      <dl class="holdings">
        <div>
          <dt><CoinSign />Coins</dt>
          <dd data-testid="wallet-coins">{purse ? exact(purse.coins) : "···"}</dd>
          <button class="primary" type="button" onClick={() => app.openSheet("recharge")}>Get coins</button>
        </div>
        <div>
          <dt><TicketSign />Tickets</dt>
          <dd data-testid="wallet-tickets">{purse ? exact(purse.tickets) : "···"}</dd>
          <button class="quiet" type="button" onClick={() => app.openSheet("withdraw")}>Withdraw</button>
        </div>
      </dl>
      {(purse?.held ?? 0) > 0 && <p class="held-line" data-testid="wallet-held" data-held={purse?.held}><TicketSign /><b>{exact(purse?.held ?? 0)}</b> more are held by withdrawals under way.</p>}
      <DebtNote debt={purse?.debt ?? 0} />
      <Tabs tab={tab} choose={setTab} />
      {tab === "history" && <History session={session} />}
      {tab === "orders" && <Orders session={session} />}
      {tab === "withdrawals" && (
        <EndlessList pages={own.withdrawals.list} testId="withdrawals" empty="No withdrawals yet. Tickets that gifts earn you become money here."
          keyOf={({ withdrawal }) => withdrawal} timeOf={({ since }) => since} draw={(withdrawal) => <WithdrawalItem withdrawal={withdrawal} />} />
      )}
    </Sheet>
  );
}

function Tabs({ tab, choose }: { tab: Tab; choose: (tab: Tab) => void }) {
  const id = useId();
  const step = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? TABS.length - 1 : 0;
    const next = TABS[(TABS.findIndex(([key]) => key === tab) + by) % TABS.length];
    if (by === 0 || !next) return;
    choose(next[0]);
    document.getElementById(`${id}-${next[0]}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="What to look at" onKeyDown={step}>
      {TABS.map(([key, words]) => (
        <button key={key} id={`${id}-${key}`} type="button" role="tab" aria-selected={tab === key} tabIndex={tab === key ? 0 : -1} onClick={() => choose(key)}>{words}</button>
      ))}
    </div>
  );
}

function History({ session }: { session: Session }) {
  const names = new Map(session.gifts.value.map((gift) => [gift.id, gift.name]));
  return (
    <EndlessList pages={session.money.history} testId="history" empty="Nothing has happened yet. Your first recharge or gift will be here."
      keyOf={({ position, type }) => `${position} ${type}`} timeOf={({ time }) => time} draw={(entry) => <Entry entry={entry} names={names} />} />
  );
}

function Entry({ entry, names }: { entry: HistoryEntry; names: ReadonlyMap<string, string> }) {
  const { kind, title, detail, amounts } = historyLine(entry, names);
  return (
    <article class="entry" data-type={entry.type} data-coins={entry.coins ?? 0} data-tickets={entry.tickets ?? 0} data-held={entry.held ?? 0} data-debt={entry.debt ?? 0}>
      <span class="entry-picture" data-kind={kind}>{entry.gift ? <GiftIcon gift={entry.gift} /> : pictureOf(kind)}</span>
      <span class="entry-words"><b>{title}</b><small><time dateTime={new Date(entry.time).toISOString()} title={`${moment(entry.time)}, position ${entry.position}`}>{timeOfDay(entry.time)}</time>{detail && ` · ${detail}`}</small></span>
      <span class="entry-amounts">{amounts.map((amount) => <AmountItem key={amount.unit} amount={amount} />)}</span>
    </article>
  );
}

const UNITS = { coins: "coins", tickets: "tickets", held: "held", debt: "debt" } as const;

function AmountItem({ amount: { unit, change } }: { amount: Amount }) {
  const sign = unit === "coins" ? <CoinSign /> : unit === "tickets" ? <TicketSign /> : undefined;
  return (
    <span class="amount" data-unit={unit} data-way={change > 0 ? "in" : "out"}>
      {signed(change)}{sign}<span class={sign ? "hidden" : undefined}> {UNITS[unit]}</span>
    </span>
  );
}

function pictureOf(kind: Kind) {
  switch (kind) {
    case "recharge": return <PlusSign />;
    case "refund": case "released": return <ReturnSign />;
    case "earned": return <TicketSign />;
    case "withdrawal": return <BankSign />;
    case "paid": return <CheckSign />;
    case "correction": return <PencilSign />;
    case "gift": case "other": return <DotSign />;
  }
}

const ORDER_WORDS: Record<OrderState, string> = { created: "Not paid", cancelled: "Cancelled", paid: "Paid", refunded: "Refunded" };

function Orders({ session }: { session: Session }) {
  return (
    <EndlessList pages={session.money.orders} testId="orders" empty="No recharges yet." keyOf={({ order }) => order} timeOf={({ since }) => since}
      draw={(order) => <OrderItem order={order} />} />
  );
}

function OrderItem({ order: { order, coins, price, currency, state, since } }: { order: RechargeOrder }) {
  return (
    <article class="entry" data-order={order} data-state={state}>
      <span class="entry-picture" data-kind="recharge"><PlusSign /></span>
      <span class="entry-words"><b>{exact(coins)} coins</b><small>{timeOfDay(since)} · <span class="entry-id">{order}</span></small></span>
      <span class="entry-amounts"><span>{money(price, currency)}</span><span class="state" data-state={state}>{ORDER_WORDS[state] ?? state}</span></span>
    </article>
  );
}
