// The quiet line under the chat: who came in, and what was missed. It never moves the chat.

import type { EnteredPublication } from "../live/protocol";
import type { Missed, Room } from "../live/room";
import { compact } from "./format";

export function Whispers({ room }: { room: Room }) {
  const missed = room.missed.value;
  const entered = room.entered.value;
  return (
    <div class="whispers">
      {missed
        ? <p class="whisper missed" role="status" data-testid="missed">{missedWords(missed)}</p>
        : entered && <p class="whisper" data-testid="entered" key={entered.users[0]}>{enteredWords(entered)}</p>}
    </div>
  );
}

function missedWords({ ephemeral }: Missed): string {
  const bursts = `${compact(ephemeral)} ${ephemeral === 1 ? "flurry" : "flurries"}`;
  return `Slow connection: you missed ${bursts} of hearts and entrances. Chat and gifts are complete.`;
}

function enteredWords({ users, more }: EnteredPublication): string {
  const [first = "Somebody", second] = users;
  const people = users.length + more;
  if (people <= 1) return `${first} came in`;
  return people === 2 && second ? `${first} and ${second} came in` : `${first} and ${compact(people - 1)} more came in`;
}
