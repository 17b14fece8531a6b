// A room: the stage with everything that flies over it, the boards, the chat, the gifts.

import { useEffect, useRef } from "preact/hooks";
import type { App } from "../live/app";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { BannerList } from "./BannerList";
import { Boards } from "./Boards";
import { Chat } from "./Chat";
import { GiftTray } from "./GiftTray";
import { RoomHead } from "./RoomHead";
import { Stage } from "./Stage";
import { TopBar } from "./TopBar";

export function RoomPage({ app, session, room }: { app: App; session: Session; room: Room }) {
  useEffect(() => { document.title = `${room.id} · Livehouse`; }, [room]);
  const sheet = useRef<HTMLDialogElement>(null);
  return (
    <div class="room" data-testid="room" data-room={room.id} data-live={room.live.value ? "yes" : "no"}>
      <TopBar app={app} session={session} />
      <main class="house">
        <Stage room={room} />
        <RoomHead app={app} session={session} room={room} openBoards={() => sheet.current?.showModal()} />
        <BannerList room={room} session={session} />
        {!room.isOwn && <GiftTray session={session} room={room} />}
      </main>
      <aside class="side" aria-label="Boards and chat">
        <div class="side-boards"><Boards room={room} /></div>
        <Chat room={room} session={session} />
      </aside>
      <dialog class="sheet" ref={sheet} aria-label="Boards" onClick={(event) => { if (event.target === sheet.current) sheet.current?.close(); }}>
        <div class="sheet-body">
          <Boards room={room} />
          <button class="quiet" type="button" onClick={() => sheet.current?.close()}>Close</button>
        </div>
      </dialog>
    </div>
  );
}
