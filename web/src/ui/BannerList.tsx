// Banners of gifts and running combos, at the left of the stage; they grow with the combo.

import type { Banner } from "../live/banners";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { Avatar } from "./Avatar";
import { exact } from "./format";
import { GiftIcon } from "./icons";

export function BannerList({ room, session }: { room: Room; session: Session }) {
  const names = new Map(session.gifts.value.map((gift) => [gift.id, gift.name]));
  return (
    <ul class="banners" aria-hidden="true">
      {room.banners.value.map((banner) => <BannerItem key={banner.key} banner={banner} name={names.get(banner.gift) ?? banner.gift} />)}
    </ul>
  );
}

function BannerItem({ banner, name }: { banner: Banner; name: string }) {
  // 1 at one gift, 2 at a thousand: every power of ten is felt, and it never fills the stage.
  const size = 1 + Math.min(1, Math.log10(Math.max(1, banner.total)) / 3);
  // Every power of ten flares up once.
  const tens = Math.floor(Math.log10(Math.max(1, banner.total)));
  return (
    <li class="banner" data-testid="banner" data-user={banner.user} data-total={banner.total} data-worth={worth(banner.coins)}>
      {tens > 0 && <i class="banner-flare" key={tens} />}
      <Avatar user={banner.user} />
      <span class="banner-words"><b>{banner.user}</b><small>sent {name}</small></span>
      <GiftIcon gift={banner.gift} />
      {banner.total > 1 && (
        <span class="banner-count" style={`--size:${size.toFixed(2)}`}><i key={banner.total}>×{exact(banner.total)}</i></span>
      )}
    </li>
  );
}

function worth(coins: number): "small" | "good" | "grand" {
  if (coins >= 1_000) return "grand";
  return coins >= 66 ? "good" : "small";
}
