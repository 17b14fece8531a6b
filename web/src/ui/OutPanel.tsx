// Shown over the stage when the user was sent out or is not let in.

import type { App } from "../live/app";
import type { Out } from "../live/house";
import type { Room } from "../live/room";

export function OutPanel({ app, room }: { app: App; room: Room }) {
  const out = room.house.out.value;
  if (!out) return null;
  const { title, words } = wordsOf(out.why, room.id, out.words);
  return (
    <div class="out" role="alertdialog" aria-labelledby="out-title" aria-describedby="out-words" data-testid="out" data-why={out.why}>
      <h2 id="out-title">{title}</h2>
      <p id="out-words">{words}</p>
      <div class="out-ways">
        <button class="primary" type="button" onClick={() => app.openLobby()}>To the lobby</button>
        {out.why !== "banned" && out.why !== "blocked" && <button class="quiet" type="button" onClick={() => room.comeBack()}>Come back in</button>}
      </div>
    </div>
  );
}

function wordsOf(why: Out["why"], room: string, reason: string): { title: string; words: string } {
  switch (why) {
    case "banned":
      return { title: "This room is closed to you.", words: `${room}'s house has banned you. Your coins and everything you gave are untouched.` };
    case "blocked":
      return { title: "This room is closed to you.", words: `${room} has blocked you. Your coins and everything you gave are untouched.` };
    case "kicked":
      return { title: "You were asked to leave.", words: "Take a minute, then you may come back in." };
    case "other":
      return { title: "You left the room.", words: `The house says: ${reason}.` };
  }
}
