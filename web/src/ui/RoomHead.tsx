// Whose room this is: name, title, viewers, tickets, follow; for the streamer, the switch of the show.

import type { App } from "../live/app";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { Avatar } from "./Avatar";
import { compact, exact } from "./format";
import { BackSign, CrownSign, EyeSign, HeartSign, MessageSign, RulesSign, TicketSign } from "./icons";

export function RoomHead({ app, session, room, openBoards, openRules }: {
  app: App; session: Session; room: Room; openBoards: () => void; openRules: () => void;
}) {
  const live = room.live.value;
  const following = session.following.value.has(room.id);
  return (
    <div class="room-head">
      <button class="icon-button back" type="button" aria-label="Back to the lobby" onClick={() => app.openLobby()}><BackSign /></button>
      <div class="streamer">
        <Avatar user={room.id} />
        <div class="streamer-words">
          <h1>{room.id}</h1>
          <p>{live ? live.title || "Live" : "Off stage"}</p>
        </div>
        {!room.isOwn && (
          <button class="follow" type="button" aria-pressed={following} data-testid="follow"
            onClick={() => void session.follow(room.id, !following)}>{following ? "Following" : "Follow"}</button>
        )}
        {!room.isOwn && (
          <button class="icon-button write-button" type="button" aria-label={`Write to ${room.id}`} title={`Write to ${room.id}`}
            onClick={() => app.openMessages(room.id)}><MessageSign /></button>
        )}
        {room.isOwn && live && (
          <button class="follow" type="button" aria-pressed="true" onClick={() => void room.stopLive()}>End show</button>
        )}
      </div>
      <div class="room-facts">
        {live && <span class="on-air">Live</span>}
        <span title={`${exact(room.viewers.value)} watching`}><EyeSign /><b data-testid="viewers">{compact(room.viewers.value)}</b><span class="hidden"> watching</span></span>
        <span title={`${exact(room.likes.value)} hearts`}><HeartSign /><b data-testid="likes">{compact(room.likes.value)}</b><span class="hidden"> hearts</span></span>
        <span title={`${exact(room.tickets.value)} tickets in this show`}><TicketSign /><b data-testid="tickets">{compact(room.tickets.value)}</b><span class="hidden"> tickets in this show</span></span>
        <button class="board-button" type="button" onClick={openBoards}><CrownSign />{room.contributors.standing.value.entries[0]?.user ?? "Boards"}</button>
      </div>
      {room.house.role.value && <button class="icon-button rules-button" type="button" aria-label="House rules" title="House rules" data-testid="rules" onClick={openRules}><RulesSign /></button>}
    </div>
  );
}
