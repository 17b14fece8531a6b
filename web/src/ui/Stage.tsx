// The stage. The picture of the show is somebody else's job, so the house stands in for it: light, crowd and the name on
// the sign. Gifts fly over it and warm the light.

import { useSignalEffect } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { FLIGHTS_MAX, TITLE_CHARS_MAX } from "../live/limits";
import type { Flight, Room } from "../live/room";
import { colourOf, initialOf } from "./format";
import { GiftIcon } from "./icons";
import { Lights } from "./Lights";

/** From this price on, a gift takes the middle of the stage. */
const GRAND_COINS_MIN = 500;
const COOLING_MS = 400;

export function Stage({ room }: { room: Room }) {
  const live = room.live.value;
  const { heat, layer } = useGiftWeather(room);
  return (
    <section class="stage" data-dark={live === null} aria-label="Stage">
      <Lights heat={heat} dark={live === null} />
      <div class="sign-post">
        <div class="neon" style={`--neon:${colourOf(room.id)}`}>
          <span class="neon-letter">{initialOf(room.id)}</span>
          <i class="bars" aria-hidden="true"><i /><i /><i /><i /><i /><i /><i /></i>
        </div>
        <p class="neon-name">{room.id}</p>
        {live === null && (room.isOwn ? <GoLive room={room} /> : <p class="dark-words">The stage is dark. Follow {room.id} to find the next show.</p>)}
      </div>
      <Crowd />
      <div class="flights" ref={layer} aria-hidden="true" />
    </section>
  );
}

function GoLive({ room }: { room: Room }) {
  const [title, setTitle] = useState("");
  return (
    <form class="go-live" onSubmit={(event) => { event.preventDefault(); void room.goLive(title.trim()); }}>
      <label class="hidden" for="live-title">Title of the show</label>
      <input id="live-title" value={title} maxLength={TITLE_CHARS_MAX} placeholder="What is tonight's show?" autocomplete="off"
        onInput={(event) => setTitle(event.currentTarget.value)} />
      <button class="primary" type="submit" data-testid="go-live">Go live</button>
    </form>
  );
}

/** Heads of the people in front. */
function Crowd() {
  return (
    <svg class="crowd" viewBox="0 0 1200 150" preserveAspectRatio="xMidYMax slice" aria-hidden="true">
      <path class="crowd-far" d={heads(31, 46, 15, 70)} />
      <path class="crowd-near" d={heads(17, 84, 26, 102)} />
    </svg>
  );
}

/** A row of heads and shoulders, uneven like people, the same every time. */
function heads(count: number, pitch: number, radius: number, base: number): string {
  let path = "";
  for (let i = -2; i < count; i += 1) {
    const x = i * pitch + ((i * 37) % 17) - 8;
    const y = base + ((i * 53) % 23) - 11;
    const r = radius + ((i * 29) % 5) - 2;
    path += `M${x - r} ${y}a${r} ${r * 1.15} 0 1 1 ${2 * r} 0c0 ${r * 0.6} ${-r * 0.3} ${r} ${r * 0.2} ${r * 1.2}`
      + `c${r * 0.9} ${r * 0.3} ${r * 1.2} ${r} ${r * 1.3} ${r * 2}v160h${-5 * r}v-160`
      + `c${r * 0.1} ${-r} ${r * 0.4} ${-r * 1.7} ${r * 1.3} ${-r * 2}c${r * 0.5} ${-r * 0.2} ${r * 0.2} ${-r * 0.6} ${r * 0.2} ${-r * 1.2}Z`;
  }
  return path;
}

/** Lets gifts fly, and keeps the heat they bring. */
function useGiftWeather(room: Room) {
  const layer = useRef<HTMLDivElement>(null);
  const [heat, setHeat] = useState(0.3);
  useSignalEffect(() => {
    const flight = room.flight.value;
    if (!flight || !layer.current) return;
    setHeat((now) => Math.min(1, now + 0.04 + Math.log10(1 + flight.coins) * 0.05));
    fly(layer.current, flight);
  });
  useEffect(() => {
    const cooling = setInterval(() => setHeat((now) => (now > 0.3 ? Math.max(0.3, now * 0.94) : now)), COOLING_MS);
    return () => clearInterval(cooling);
  }, []);
  return { heat, layer };
}

function fly(layer: HTMLElement, flight: Flight): void {
  if (layer.childElementCount >= FLIGHTS_MAX || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const grand = flight.coins >= GRAND_COINS_MIN;
  const node = document.createElement("div");
  node.className = grand ? "flight grand" : "flight";
  render(<GiftIcon gift={flight.gift} />, node);
  layer.append(node);
  const drift = (Math.random() - 0.5) * 160;
  if (!grand) node.style.left = `${30 + Math.random() * 40}%`;
  const animation = grand
    ? node.animate([
        { transform: "translate(-50%, -20%) scale(0.2)", opacity: 0 },
        { transform: "translate(-50%, -50%) scale(1.15)", opacity: 1, offset: 0.18, easing: "ease-out" },
        { transform: "translate(-50%, -52%) scale(1)", opacity: 1, offset: 0.75 },
        { transform: "translate(-50%, -90%) scale(1.05)", opacity: 0 },
      ], { duration: 2600 })
    : node.animate([
        { transform: `translate(${drift * 0.2}px, 0) scale(0.4) rotate(0)`, opacity: 0 },
        { transform: `translate(${drift * 0.5}px, -16vh) scale(1) rotate(${drift * 0.08}deg)`, opacity: 1, offset: 0.25 },
        { transform: `translate(${drift}px, -52vh) scale(0.9) rotate(${-drift * 0.1}deg)`, opacity: 0 },
      ], { duration: 2200 + Math.random() * 900, easing: "cubic-bezier(.2,.7,.4,1)" });
  const leave = () => { render(null, node); node.remove(); };
  animation.finished.then(leave, leave);
}
