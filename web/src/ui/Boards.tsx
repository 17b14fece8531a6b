// The two boards beside a room: who gave most here today, and who earned most today in the whole house.

import { useId, useState } from "preact/hooks";
import type { Board } from "../live/board";
import type { Room } from "../live/room";
import { Avatar } from "./Avatar";
import { compact } from "./format";
import { CoinSign, TicketSign } from "./icons";

type Which = "room" | "house";

export function Boards({ room }: { room: Room }) {
  const [which, setWhich] = useState<Which>("room");
  const id = useId();
  const tab = (key: Which, words: string) => (
    <button type="button" role="tab" id={`${id}-${key}`} aria-selected={which === key} aria-controls={`${id}-panel`}
      tabIndex={which === key ? 0 : -1} onClick={() => setWhich(key)}
      onKeyDown={(event) => { if (event.key === "ArrowLeft" || event.key === "ArrowRight") setWhich(key === "room" ? "house" : "room"); }}>
      {words}
    </button>
  );
  return (
    <section class="boards" aria-label="Boards of today">
      <div class="tabs" role="tablist">{tab("room", "Top supporters")}{tab("house", "Tickets today")}</div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${which}`}>
        {which === "room"
          ? <Ranking board={room.contributors} unit="coins" empty="Nobody has sent a gift here today." />
          : <Ranking board={room.earners} unit="tickets" empty="Nobody has earned a ticket today." />}
      </div>
    </section>
  );
}

function Ranking({ board, unit, empty }: { board: Board; unit: "coins" | "tickets"; empty: string }) {
  const { entries, position } = board.standing.value;
  const best = entries[0]?.score ?? 1;
  return (
    <ol class="ranking" data-testid={`board-${unit}`} data-position={position}>
      {entries.length === 0 && <li class="ranking-empty">{empty}</li>}
      {entries.map((entry) => (
        <li key={entry.user} data-user={entry.user} data-score={entry.score} data-rank={entry.rank} style={`--share:${(entry.score / best).toFixed(3)}`}>
          <span class="rank">{entry.rank}</span><Avatar user={entry.user} /><b>{entry.user}</b>
          <span class="score">{unit === "coins" ? <CoinSign /> : <TicketSign />}{compact(entry.score)}<span class="hidden"> {unit}</span></span>
        </li>
      ))}
    </ol>
  );
}
