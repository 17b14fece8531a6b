// The boards beside a room: who gave most here, who earned most in the whole house, by hour, day, week, month and ever, and what each gift has brought.

import { useEffect, useId, useState } from "preact/hooks";
import type { Board } from "../live/board";
import type { Span } from "../live/protocol";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { Avatar } from "./Avatar";
import { compact } from "./format";
import { CoinSign, GiftIcon, TicketSign } from "./icons";

const TABS = [["room", "Supporters"], ["gifts", "Gifts"], ["house", "Tickets"]] as const;
type Which = (typeof TABS)[number][0];

/** What the periods are called on their buttons, and in a sentence. */
const SPANS = [
  ["hour", "Hour", "this hour"], ["day", "Day", "today"], ["week", "Week", "this week"], ["month", "Month", "this month"], ["all", "All", "yet"],
] as const satisfies readonly (readonly [Span, string, string])[];

export function Boards({ room, session }: { room: Room; session: Session }) {
  const [which, setWhich] = useState<Which>("room");
  const id = useId();
  const step = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? TABS.length - 1 : 0;
    if (by === 0) return;
    const next = TABS[(TABS.findIndex(([key]) => key === which) + by) % TABS.length]?.[0] ?? "room";
    setWhich(next);
    document.getElementById(`${id}-${next}`)?.focus();
  };
  const tab = (key: Which, words: string) => (
    <button key={key} type="button" role="tab" id={`${id}-${key}`} aria-selected={which === key} aria-controls={`${id}-panel`}
      tabIndex={which === key ? 0 : -1} onClick={() => setWhich(key)}
      onKeyDown={(event) => step(event)}>
      {words}
    </button>
  );
  return (
    <section class="boards" aria-label="Boards">
      <div class="tabs" role="tablist">{TABS.map(([key, words]) => tab(key, words))}</div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${which}`}>
        {which === "room" && <Ranking board={room.contributors} unit="coins" empty="Nobody has sent a gift here" />}
        {which === "house" && <Ranking board={room.earners} unit="tickets" empty="Nobody has earned a ticket" />}
        {which === "gifts" && <GiftRanking room={room} session={session} />}
      </div>
    </section>
  );
}

function Ranking({ board, unit, empty }: { board: Board; unit: "coins" | "tickets"; empty: string }) {
  const { entries, position } = board.standing.value;
  const span = board.span.value;
  const best = entries[0]?.score ?? 1;
  const when = SPANS.find(([key]) => key === span)?.[2] ?? "yet";
  return (<>
    <div class="tabs spans" role="group" aria-label="Period">
      {SPANS.map(([key, words]) => (
        <button key={key} type="button" aria-pressed={span === key} onClick={() => board.choose(key)}>{words}</button>
      ))}
    </div>
    <ol class="ranking" data-testid={`board-${unit}`} data-position={position} data-span={span}>
      {entries.length === 0 && <li class="ranking-empty">{empty} {when}.</li>}
      {entries.map((entry) => (
        <li key={entry.user} data-user={entry.user} data-score={entry.score} data-rank={entry.rank} style={`--share:${(entry.score / best).toFixed(3)}`}>
          <span class="rank">{entry.rank}</span><Avatar user={entry.user} /><b>{entry.user}</b>
          <span class="score">{unit === "coins" ? <CoinSign /> : <TicketSign />}{compact(entry.score)}<span class="hidden"> {unit}</span></span>
        </li>
      ))}
    </ol>
  </>);
}

/** What each gift has brought in this room, dearest sum first. */
function GiftRanking({ room, session }: { room: Room; session: Session }) {
  const { giftStats } = room;
  useEffect(() => { giftStats.look(true); return () => giftStats.look(false); }, [giftStats]);
  const gifts = giftStats.gifts.value;
  const names = new Map(session.gifts.value.map((gift) => [gift.id, gift.name]));
  const best = gifts?.[0]?.coins ?? 1;
  return (
    <ol class="ranking gift-ranking" data-testid="gift-stats">
      {gifts?.length === 0 && <li class="ranking-empty">No gift has been given here yet.</li>}
      {gifts?.map(({ gift, count, coins }) => (
        <li key={gift} data-gift={gift} data-count={count} data-coins={coins} style={`--share:${(coins / best).toFixed(3)}`}>
          <GiftIcon gift={gift} /><b>{names.get(gift) ?? gift}</b>
          <span class="gift-times">×{compact(count)}</span>
          <span class="score"><CoinSign />{compact(coins)}<span class="hidden"> coins</span></span>
        </li>
      ))}
    </ol>
  );
}
