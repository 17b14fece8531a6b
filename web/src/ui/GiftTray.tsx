// The gifts: a tap sends one, holding sends more and more. While a combo runs, its own large button carries on with it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ComboView } from "../live/combo";
import { COMBO_WINDOW_MS } from "../live/limits";
import type { Gift } from "../live/protocol";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { compact, exact } from "./format";
import { CoinSign, GiftIcon } from "./icons";

/** Pressed longer than this, a press is held. */
const HOLD_AFTER_MS = 350;
/** While held, taps are added this often. */
const HOLD_STEP_MS = 120;
/** A held gift up to this price speeds up; dearer ones keep a pace that nobody regrets. */
const FAST_COINS_MAX = 100;
/** Most taps of one step while held. */
const HOLD_TAPS_MAX = 10;

export function GiftTray({ session, room, children }: { session: Session; room: Room; children: ComponentChildren }) {
  const combo = session.combo.value;
  const running = combo?.room === room.id ? combo : undefined;
  const coins = session.purse.value?.coins ?? 0;
  const live = Boolean(room.live.value);
  return (
    <div class="gifts" data-live={live}>
      {running && <ComboButton combo={running} tap={(taps) => session.tap(room.id, running.gift, taps)} />}
      {children}
      <ul class="tray" aria-label="Gifts">
        {session.gifts.value.map((gift) => (
          <li key={gift.id}>
            <GiftButton gift={gift} live={live} affordable={coins >= gift.coins} total={running?.gift.id === gift.id ? running.total : 0}
              tap={(taps) => session.tap(room.id, gift, taps)} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function GiftButton({ gift, live, affordable, total, tap }: {
  gift: Gift; live: boolean; affordable: boolean; total: number; tap: (taps: number) => boolean;
}) {
  const press = usePress(gift, tap);
  return (
    <button class="gift" type="button" disabled={!live} data-gift={gift.id} data-affordable={affordable} data-total={total}
      title={live ? `Send ${gift.name}: ${exact(gift.coins)} ${gift.coins === 1 ? "coin" : "coins"}. Hold for more.` : "Gifts open when the show begins"} {...press}>
      <GiftIcon gift={gift.id} />
      <span class="gift-name">{gift.name}</span>
      <span class="gift-price"><CoinSign />{compact(gift.coins)}<span class="hidden"> coins</span></span>
      {total > 0 && <span class="gift-total" key={total}>×{compact(total)}</span>}
    </button>
  );
}

function ComboButton({ combo, tap }: { combo: ComboView; tap: (taps: number) => boolean }) {
  const press = usePress(combo.gift, tap);
  const size = 1 + Math.min(1, Math.log10(combo.total) / 4);
  return (
    <button class="combo" type="button" data-testid="combo" data-total={combo.total} data-confirmed={combo.confirmed}
      style={`--size:${size.toFixed(2)};--window:${COMBO_WINDOW_MS}ms`} aria-label={`Combo: ${combo.total} ${combo.gift.name}. Send one more.`} {...press}>
      <svg class="combo-ring" viewBox="0 0 100 100" aria-hidden="true" key={combo.endsAt}><circle cx="50" cy="50" r="46" pathLength={1} /></svg>
      <span class="combo-count" key={combo.total}>×{exact(combo.total)}</span>
      <span class="combo-words">tap or hold</span>
    </button>
  );
}

/** Handlers of a button that counts clicks and, while held, adds taps by itself. */
function usePress(gift: Gift, tap: (taps: number) => boolean) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const held = useRef(0);
  // The newest closure is called: the button is drawn anew under a held finger.
  const newest = useRef(tap);
  newest.current = tap;
  const stop = () => clearTimeout(timer.current);
  const letGo = () => { stop(); held.current = 0; };
  useEffect(() => stop, []);
  const step = () => {
    held.current += 1;
    const taps = gift.coins <= FAST_COINS_MAX ? Math.min(HOLD_TAPS_MAX, 1 + Math.floor(held.current / 8)) : 1;
    const pauseMs = gift.coins <= FAST_COINS_MAX ? HOLD_STEP_MS : HOLD_STEP_MS * 3;
    if (newest.current(taps)) timer.current = setTimeout(step, pauseMs);
  };
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0) return;
      held.current = 0;
      stop();
      timer.current = setTimeout(step, HOLD_AFTER_MS);
    },
    onPointerUp: stop,
    onPointerLeave: letGo,
    onPointerCancel: letGo,
    onContextMenu: (event: Event) => event.preventDefault(),
    onClick: () => {
      stop();
      if (held.current === 0) newest.current(1);
      held.current = 0;
    },
  };
}
