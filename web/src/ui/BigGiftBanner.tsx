// A very large gift in another room: a word of it over every stage, and the way there.

import type { App } from "../live/app";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { exact } from "./format";
import { GiftIcon } from "./icons";

export function BigGiftBanner({ app, room, session }: { app: App; room: Room; session: Session }) {
  const big = room.bigGifts.shown.value;
  if (!big) return null;
  const name = session.gifts.value.find(({ id }) => id === big.gift)?.name ?? big.gift;
  return (
    <button class="big-gift" type="button" key={big.position} data-testid="big-gift" data-room={big.room} onClick={() => app.openRoom(big.room)}
      aria-label={`${big.user} sent ${name}${big.count > 1 ? ` times ${exact(big.count)}` : ""} to ${big.room}. Go there.`}>
      <GiftIcon gift={big.gift} />
      <span class="big-gift-words"><b>{big.user}</b> sent {name}{big.count > 1 && <strong> ×{exact(big.count)}</strong>} to <b>{big.room}</b></span>
      <em>Go see</em>
    </button>
  );
}
