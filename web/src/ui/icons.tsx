// Pictures drawn here: gifts by id (a wrapped box for one that is not known yet) and the few signs of the page.

import type { ComponentChildren, JSX } from "preact";

const GIFTS: Record<string, JSX.Element> = {
  heart: (
    <>
      <path fill="#f4513d" d="M24 42 8.4 26.6C4 22.2 4.1 15 8.6 10.900c4.4-4 11.1-3.5 15 .900l.4.5.4-.5c3.9-4.4 10.6-4.9 15-.9 4.5 4.1 4.6 11.3.2 15.700L24 42Z" />
      <path fill="#ff8f73" d="M12.3 14.200c2.2-2 5.5-2 7.7-.2-3.9.4-7.6 3.7-8.3 8.4-2.3-2.4-2-6 .6-8.200Z" />
    </>
  ),
  rose: (
    <>
      <path fill="none" stroke="#6f9a4e" stroke-width="3" stroke-linecap="round" d="M24 26v18" />
      <path fill="#86b45f" d="M24 40c-1-5-5-8-11-8 1 5 5 8.5 11 8Zm0-5c1-4.5 4.5-7 10-7-.6 4.6-4.5 7.5-10 7Z" />
      <path fill="#c9283a" d="M10.5 10.500c4-.4 7 .5 9 2.300C20.5 8.5 24 4.5 24 4.500s3.5 4 4.5 8.300c2-1.8 5-2.7 9-2.3.8 9.8-4 17.5-13.5 17.500S9.7 20.3 10.5 10.500Z" />
      <path fill="#ee5160" d="M24 4.500s4.8 5.3 4.8 11.300c0 4.7-2 8-4.8 8s-4.8-3.3-4.8-8c0-6 4.8-11.3 4.8-11.300Z" />
      <path fill="#ff8b8f" d="M24 9.500s2.2 3 2.2 6.500c0 2.6-1 4.3-2.2 4.300s-2.2-1.7-2.2-4.300c0-3.5 2.2-6.5 2.2-6.500Z" />
    </>
  ),
  beer: (
    <>
      <path fill="none" stroke="#e8c48a" stroke-width="4" d="M33 19h4.500a4 4 0 0 1 4 4v7a4 4 0 0 1-4 4H33" />
      <path fill="#f2a32c" d="M9 15h25v24a4 4 0 0 1-4 4H13a4 4 0 0 1-4-4V15Z" />
      <path fill="#ffc861" d="M13 20h3.600v18H13zm6.7 0h3.600v18h-3.600zm6.7 0H30v18h-3.600z" />
      <path fill="#fff3dc" d="M7 15.500a5.5 5.5 0 0 1 6.7-5.400A7 7 0 0 1 26.5 8 5.8 5.8 0 0 1 36 12.500c0 3-2 5-4.7 5H29v3.300a2.7 2.7 0 0 1-5.4 0v-3.300h-11A5.5 5.5 0 0 1 7 15.500Z" />
    </>
  ),
  rocket: (
    <>
      <path fill="#ffcf5c" d="M18.5 35h11L24 46.5 18.5 35Z" />
      <path fill="#ff7a2f" d="M20.8 35h6.400L24 42l-3.2-7Z" />
      <path fill="#d2452f" d="M16 21 8 31.500V39l9-5.500L16 21Zm16 0 8 10.500V39l-9-5.500L32 21Z" />
      <path fill="#fbe9d0" d="M24 2.500c6.5 5 9 12 9 19 0 5-1.3 10-3 14H18c-1.7-4-3-9-3-14 0-7 2.5-14 9-19Z" />
      <path fill="#e0bf97" d="M24 2.500c6.5 5 9 12 9 19 0 5-1.3 10-3 14h-6v-33Z" />
      <path fill="#d2452f" d="M24 2.500c3.5 2.7 5.9 6 7.3 9.500H16.700c1.4-3.5 3.8-6.8 7.3-9.500Z" />
      <circle cx="24" cy="20.5" r="4.8" fill="#4a2f2a" />
      <circle cx="24" cy="20.5" r="3" fill="#ffb347" />
    </>
  ),
  castle: (
    <>
      <path fill="#ff8a3d" d="M10.5 3v7.500L17 7l-6.5-4Zm27 0v7.500L44 7l-6.5-4ZM24 1v8l7-4-7-4Z" />
      <path fill="#f6d9ae" d="M5 44V14h3v3h2.500v-3h3v3H16v6h3v-9h2.500v3h5v-3H29v9h3v-6h2.500v-3h3v3H40v-3h3v30H5Z" />
      <path fill="#d7ad78" d="M29 44V23h3v-6h2.500v-3h3v3H40v-3h3v30H29Z" />
      <path fill="#7a3d25" d="M18.5 44v-8.500a5.5 5.5 0 0 1 11 0V44h-11Z" />
      <path fill="#7a3d25" d="M9 23h3v5H9zm27 0h3v5h-3zM22.5 20h3v5h-3z" />
      <path stroke="#b98b56" stroke-width="1.4" d="M10.5 3v11M37.5 3v11M24 1v13" />
    </>
  ),
};

const BOX = (
  <>
    <path fill="#e2622f" d="M7 21h34v20a3 3 0 0 1-3 3H10a3 3 0 0 1-3-3V21Z" />
    <path fill="#ff8a3d" d="M5 14h38v9H5z" />
    <path fill="#ffe1ad" d="M21 14h6v30h-6z" />
    <path fill="none" stroke="#ffe1ad" stroke-width="3.5" d="M24 14c-3-8-13-9-12-3 .5 3 7 3 12 3Zm0 0c3-8 13-9 12-3-.5 3-7 3-12 3Z" />
  </>
);

/** The picture of a gift; decoration beside its name. */
export function GiftIcon({ gift }: { gift: string }) {
  return <svg class="gift-icon" viewBox="0 0 48 48" aria-hidden="true">{GIFTS[gift] ?? BOX}</svg>;
}

function Sign({ children }: { children: ComponentChildren }) {
  return (
    <svg class="sign" viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.7"
      stroke-linecap="round" stroke-linejoin="round">{children}</svg>
  );
}

export const CoinSign = () => (
  <svg class="sign coin" viewBox="0 0 20 20" aria-hidden="true">
    <circle cx="10" cy="10" r="8.5" fill="#ffb347" />
    <circle cx="10" cy="10" r="6" fill="none" stroke="#8a4b12" stroke-width="1.3" />
    <path fill="#8a4b12" d="m10 6.2 2.1 5.300H7.900L10 6.200Zm-3 6.300h6v1.300H7z" />
  </svg>
);
export const TicketSign = () => (
  <Sign><path d="M2.5 6.500h15v2a1.8 1.8 0 0 0 0 3.500v2h-15v-2a1.8 1.8 0 0 0 0-3.500v-2ZM8 6.500v7.5" /></Sign>
);
export const EyeSign = () => (
  <Sign><path d="M1.8 10S4.8 4.8 10 4.8 18.2 10 18.2 10 15.2 15.2 10 15.2 1.8 10 1.8 10Z" /><circle cx="10" cy="10" r="2.3" /></Sign>
);
export const BackSign = () => <Sign><path d="M12 4.5 6.5 10l5.5 5.5" /></Sign>;
export const SendSign = () => <Sign><path d="M3.5 10h12M11 5l5 5-5 5" /></Sign>;
export const MessageSign = () => <Sign><path d="M3 5.500h14v9H8.500L5 17.500v-3H3v-9Z" /></Sign>;
export const CrownSign = () => <Sign><path d="m3 7 3.5 3L10 4.5 13.5 10 17 7l-1.5 8h-11L3 7Z" /></Sign>;
export const CloseSign = () => <Sign><path d="m5.5 5.5 9 9m0-9-9 9" /></Sign>;

export const RulesSign = () => (
  <Sign><path d="M3 6h8m5 0h1M3 14h1m5 0h8" /><circle cx="13.500" cy="6" r="2.300" /><circle cx="6.500" cy="14" r="2.300" /></Sign>
);
export const PinSign = () => <Sign><path d="m11.5 3 5.500 5.500-2.200.4-3 3-.4 3.400L4.700 8.600l3.400-.4 3-3L11.500 3ZM7.500 12.500 3.500 16.500" /></Sign>;
export const ShieldSign = () => <Sign><path d="M10 2.800 16 5v4.500c0 3.700-2.400 6.300-6 7.700-3.600-1.400-6-4-6-7.700V5l6-2.200Z" /></Sign>;
export const MegaphoneSign = () => <Sign><path d="M3 8.500v3.500l9.500 3.500V5L3 8.500Zm9.500.5h2a1.800 1.800 0 0 1 0 3.500h-2M5.500 13v3.500H8V14" /></Sign>;

export const PlusSign = () => <Sign><path d="M10 4.500v11M4.500 10h11" /></Sign>;
export const CheckSign = () => <Sign><path d="m4.500 10.500 3.700 3.700 7.300-8" /></Sign>;
export const ClockSign = () => <Sign><circle cx="10" cy="10" r="7" /><path d="M10 6v4.300l2.800 1.700" /></Sign>;
export const ReturnSign = () => <Sign><path d="M7.500 4 4 7.500 7.500 11M4.500 7.500h7a4.300 4.300 0 0 1 0 8.600H9" /></Sign>;
export const BankSign = () => <Sign><path d="M3 8.500 10 4l7 4.500M4 16h12M5.500 9v6m4.500-6v6m4.500-6v6" /></Sign>;
export const PencilSign = () => <Sign><path d="m4 16 .800-3.500L13.500 3.800l2.700 2.700-8.700 8.700L4 16Z" /></Sign>;
export const DotSign = () => <Sign><circle cx="10" cy="10" r="2.500" /></Sign>;

/** A heart in a box of 24. */
export const HEART_PATH = "M12 21.500 L3.800 13.400 C1.500 11.100 1.500 7.200 3.900 5 C6.200 2.900 9.800 3.100 12 6 C14.200 3.100 17.800 2.900 20.100 5 C22.500 7.200 22.500 11.100 20.200 13.400 Z";
export const HeartSign = () => <svg class="sign heart" viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d={HEART_PATH} /></svg>;

/** The house's mark: one light on one stage. */
export const Mark = () => (
  <svg class="mark" viewBox="0 0 28 28" aria-hidden="true">
    <path d="M14 3 25 23H3Z" fill="url(#mark-light)" />
    <ellipse cx="14" cy="23" rx="11" ry="2.6" fill="#ffe3b0" />
    <defs>
      <linearGradient id="mark-light" x1="0" y1="0" x2="0" y2="1">
        <stop offset="0" stop-color="#ffcf87" />
        <stop offset="1" stop-color="#ff7a2f" stop-opacity=".35" />
      </linearGradient>
    </defs>
  </svg>
);
