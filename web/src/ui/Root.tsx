// Shows the place the user is at, and the notes over it.

import type { App } from "../live/app";
import { Door } from "./Door";
import { LobbyPage } from "./LobbyPage";
import { MoneySheets } from "./MoneySheets";
import { NoticeList } from "./NoticeList";
import { PaymentStrip } from "./PaymentStrip";
import { RoomPage } from "./RoomPage";

export function Root({ app }: { app: App }) {
  const place = app.place.value;
  return (
    <>
      {place.at === "door" && <Door app={app} />}
      {place.at === "lobby" && <LobbyPage app={app} session={place.session} lobby={place.lobby} />}
      {place.at === "room" && <RoomPage key={place.room.id} app={app} session={place.session} room={place.room} />}
      {"session" in place && <MoneySheets app={app} session={place.session} />}
      <div class="over">
        {"session" in place && <PaymentStrip session={place.session} />}
        <NoticeList app={app} />
      </div>
    </>
  );
}
