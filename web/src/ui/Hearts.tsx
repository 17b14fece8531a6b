// Hearts: the button that gives one, and all that rise over the stage. Decoration: the number of likes counts them.

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { HEARTS_DRAWN_MAX, HEARTS_RISING_MAX, HEARTS_SPREAD_MS } from "../live/limits";
import type { Room } from "../live/room";
import { HEART_PATH, HeartSign } from "./icons";

const COLOURS = ["#f4513d", "#ff7a5c", "#ffb347", "#ff5f7e", "#ffd9a0"];
const RISE_MS_MIN = 1_900;
const RISE_MS_MORE = 1_100;

export function HeartButton({ room }: { room: Room }) {
  return (
    <button class="heart-button" type="button" aria-label={`Give ${room.id} a heart`} data-testid="like" disabled={!room.live.value}
      onClick={() => room.like()}>
      <HeartSign />
    </button>
  );
}

export function Hearts({ room }: { room: Room }) {
  const layer = useRef<HTMLDivElement>(null);
  const drawn = useRef(room.hearts.peek());
  useSignalEffect(() => {
    const risen = room.hearts.value;
    if (!layer.current) return;
    layer.current.dataset.risen = `${risen}`;
    rise(layer.current, Math.min(risen - drawn.current, HEARTS_DRAWN_MAX));
    drawn.current = risen;
  });
  return <div class="hearts" ref={layer} aria-hidden="true" data-testid="hearts" />;
}

function rise(layer: HTMLElement, count: number): void {
  if (document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (let n = 0; n < count && layer.childElementCount < HEARTS_RISING_MAX; n += 1) {
    const heart = document.createElement("i");
    const size = 20 + Math.random() * 18;
    Object.assign(heart.style, {
      width: `${size}px`, height: `${size}px`, clipPath: scaledHeart(size), background: COLOURS[Math.floor(Math.random() * COLOURS.length)],
    });
    layer.append(heart);
    const drift = (Math.random() - 0.6) * 110;
    const turn = (Math.random() - 0.5) * 50;
    const animation = heart.animate([
      { transform: "translate(0, 0) scale(0.3)", opacity: 0 },
      { transform: `translate(${drift * 0.3}px, -7vh) scale(1.1) rotate(${turn * 0.4}deg)`, opacity: 1, offset: 0.16 },
      { transform: `translate(${drift * -0.2}px, -20vh) scale(1) rotate(${turn * -0.5}deg)`, opacity: 0.95, offset: 0.5 },
      { transform: `translate(${drift}px, -42vh) scale(0.85) rotate(${turn}deg)`, opacity: 0 },
    ], { duration: RISE_MS_MIN + Math.random() * RISE_MS_MORE, delay: (n * HEARTS_SPREAD_MS) / count, fill: "backwards", easing: "ease-out" });
    const leave = () => heart.remove();
    animation.finished.then(leave, leave);
  }
}

/** The heart as a clip of this size; drawn by the compositor, no image and no SVG per heart. */
function scaledHeart(size: number): string {
  const scale = size / 24;
  return `path("${HEART_PATH.replace(/-?\d*\.?\d+/g, (number) => (Number(number) * scale).toFixed(2))}")`;
}
