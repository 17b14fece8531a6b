// The lobby: who is on stage now, as posters; one's own stage; a way to any room by name.

import { useEffect, useState } from "preact/hooks";
import type { App } from "../live/app";
import type { Lobby, Sort } from "../live/lobby";
import type { RoomCard } from "../live/protocol";
import type { Session } from "../live/session";
import { compact, hueOf, initialOf, since } from "./format";
import { EyeSign, TicketSign } from "./icons";
import { TopBar } from "./TopBar";

export function LobbyPage({ app, session, lobby }: { app: App; session: Session; lobby: Lobby }) {
  useEffect(() => { document.title = "Livehouse"; }, []);
  const rooms = lobby.rooms.value;
  const others = rooms?.filter(({ room }) => room !== session.user);
  const live = rooms?.some(({ room }) => room === session.user) ?? false;
  return (
    <div class="lobby">
      <TopBar app={app} session={session} />
      <main class="lobby-main">
        <div class="lobby-head">
          <h1>On stage now</h1>
          <p>{countWords(others?.length)}</p>
          <FindRoom open={(room) => app.openRoom(room)} />
          <button class="primary" type="button" onClick={() => app.openRoom(session.user)}>{live ? "You are live" : "Your stage"}</button>
        </div>
        <Sorts lobby={lobby} />
        {others?.length === 0 && (
          <div class="empty">
            <strong>The house is quiet.</strong>
            <span>Nobody is on stage. The first show of the night could be yours.</span>
          </div>
        )}
        <ul class="posters">
          {others?.map((card, index) => (
            <Poster key={card.room} card={card} first={index === 0} followed={lobby.followed.value.has(card.room)}
              open={() => app.openRoom(card.room)} user={session.user} />
          ))}
        </ul>
      </main>
    </div>
  );
}

function countWords(count: number | undefined): string {
  if (count === undefined) return "Looking around…";
  if (count === 0) return "";
  return count === 1 ? "One room is live" : `${count} rooms are live`;
}

function Poster({ card, first, followed, open, user }: {
  card: RoomCard; first: boolean; followed: boolean; open: () => void; user: string;
}) {
  const address = `/?user=${encodeURIComponent(user)}&room=${encodeURIComponent(card.room)}`;
  return (
    <li class="poster" data-first={first} style={`--hue:${18 + (hueOf(card.room) % 48)};--turn:${hueOf(card.room) % 30}deg`}>
      <a href={address} onClick={(event) => { event.preventDefault(); open(); }}>
        <span class="poster-art" aria-hidden="true"><i /><i /><b>{initialOf(card.room)}</b></span>
        <span class="poster-words">
          <span class="poster-name">{card.room}{followed && <em>Following</em>}</span>
          <span class="poster-title">{card.title || "Live"}</span>
          <span class="poster-facts">
            {card.viewers !== undefined && <span><EyeSign />{compact(card.viewers)}<span class="hidden"> watching</span></span>}
            {card.tickets !== undefined && <span><TicketSign />{compact(card.tickets)}<span class="hidden"> tickets</span></span>}
            <span>{since(card.since, Date.now())}</span>
          </span>
        </span>
      </a>
    </li>
  );
}

const SORTS: readonly (readonly [Sort, string])[] = [["hot", "Hot now"], ["new", "Just started"]];

function Sorts({ lobby }: { lobby: Lobby }) {
  return (
    <div class="tabs sorts" role="group" aria-label="Order of the rooms">
      {SORTS.map(([sort, words]) => (
        <button key={sort} type="button" aria-pressed={lobby.sort.value === sort} onClick={() => lobby.sortBy(sort)}>{words}</button>
      ))}
    </div>
  );
}

function FindRoom({ open }: { open: (room: string) => void }) {
  const [room, setRoom] = useState("");
  return (
    <form class="find" onSubmit={(event) => { event.preventDefault(); open(room.trim()); }}>
      <label class="hidden" for="find-room">Go to a room by the streamer's name</label>
      <input id="find-room" value={room} maxLength={64} placeholder="Find a streamer" autocomplete="off" spellcheck={false}
        pattern="[A-Za-z0-9._@\-]+" required title="Letters, digits or . _ - @"
        onInput={(event) => setRoom(event.currentTarget.value)} />
      <button type="submit">Go</button>
    </form>
  );
}
