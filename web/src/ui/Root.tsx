// Shows the place the user is at, and the notes over it.

import type { App } from "../live/app";
import { Door } from "./Door";
import { LobbyPage } from "./LobbyPage";
import { NoticeList } from "./NoticeList";
import { RoomPage } from "./RoomPage";

export function Root({ app }: { app: App }) {
  const place = app.place.value;
  return (
    <>
      {place.at === "door" && <Door app={app} />}
      {place.at === "lobby" && <LobbyPage app={app} session={place.session} lobby={place.lobby} />}
      {place.at === "room" && <RoomPage key={place.room.id} app={app} session={place.session} room={place.room} />}
      <NoticeList app={app} />
    </>
  );
}
