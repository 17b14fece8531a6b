// A room: the stage with everything that flies over it, the boards, the chat, the gifts.

import { useEffect, useState } from "preact/hooks";
import type { App } from "../live/app";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { BannerList } from "./BannerList";
import { BigGiftBanner } from "./BigGiftBanner";
import { Boards } from "./Boards";
import { Chat } from "./Chat";
import { GiftTray } from "./GiftTray";
import { HeartButton, Hearts } from "./Hearts";
import { OutPanel } from "./OutPanel";
import { PersonSheet } from "./PersonSheet";
import { RoomHead } from "./RoomHead";
import { RulesSheet } from "./RulesSheet";
import { Sheet } from "./Sheet";
import { Stage } from "./Stage";
import { TopBar } from "./TopBar";

/** What lies over the room at the moment. */
type Over = { sheet: "boards" } | { sheet: "rules" } | { sheet: "person"; user: string };

export function RoomPage({ app, session, room }: { app: App; session: Session; room: Room }) {
  useEffect(() => { document.title = `${room.id} · Livehouse`; }, [room]);
  const [over, setOver] = useState<Over | undefined>(undefined);
  const close = () => setOver(undefined);
  return (
    <div class="room" data-testid="room" data-room={room.id} data-live={room.live.value ? "yes" : "no"} data-role={room.house.role.value ?? "viewer"}>
      <TopBar app={app} session={session} />
      <main class="house">
        <Stage room={room} />
        <RoomHead app={app} session={session} room={room} openBoards={() => setOver({ sheet: "boards" })} openRules={() => setOver({ sheet: "rules" })} />
        <BigGiftBanner app={app} room={room} session={session} />
        <BannerList room={room} session={session} />
        <Hearts room={room} />
        {!room.isOwn && <GiftTray session={session} room={room}><HeartButton room={room} /></GiftTray>}
        <OutPanel app={app} room={room} />
      </main>
      <aside class="side" aria-label="Boards and chat">
        <div class="side-boards"><Boards room={room} session={session} /></div>
        <Chat room={room} session={session} choose={(user) => setOver({ sheet: "person", user })} />
      </aside>
      {over?.sheet === "boards" && <Sheet title="Boards" close={close} kind="boards-sheet"><Boards room={room} session={session} /></Sheet>}
      {over?.sheet === "rules" && <RulesSheet room={room} close={close} />}
      {over?.sheet === "person" && (
        <PersonSheet room={room} session={session} user={over.user} close={close} write={() => { close(); app.openMessages(over.user); }} />
      )}
    </div>
  );
}
