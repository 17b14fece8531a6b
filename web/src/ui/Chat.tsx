// The chat: lines in the order of their positions, the user's own words on their way, and the place to write.

import type { VNode } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ChatLine, Line, OrderLine } from "../live/feed";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { Composer } from "./Composer";
import { colourOf, exact } from "./format";
import { GiftIcon, MegaphoneSign, PinSign, ShieldSign } from "./icons";
import { orderWords } from "./orders";
import { Whispers } from "./Whispers";

/** Closer to the end than this, the chat stays at the end. */
const STICKY_PX = 48;

/** What every line is drawn with. */
interface Drawing {
  names: Map<string, string>;
  self: string;
  streamer: string;
  moderators: ReadonlySet<string>;
}

export function Chat({ room, session, choose }: { room: Room; session: Session; choose: (user: string) => void }) {
  const lines = room.lines.value;
  const pending = room.pendingChat.value;
  const gifts = session.gifts.value;
  const { moderators, pinned } = room.house.rules.value;
  const draw = useMemo(() => lineDrawer({
    names: new Map(gifts.map((gift) => [gift.id, gift.name])), self: session.user, streamer: room.id, moderators,
  }), [gifts, session, room, moderators]);
  const list = useRef<HTMLDivElement>(null);
  const [away, setAway] = useState(false);
  const toEnd = () => { if (list.current) list.current.scrollTop = list.current.scrollHeight; };
  useLayoutEffect(() => { if (!away) toEnd(); }, [lines, pending, away]);
  const scrolled = () => {
    const at = list.current;
    if (at) setAway(at.scrollHeight - at.scrollTop - at.clientHeight > STICKY_PX);
  };
  return (
    <section class="chat" aria-label="Chat">
      {pinned && <p class="pinned" data-testid="pinned"><PinSign /><span class="hidden">Pinned: </span><span>{pinned}</span></p>}
      <div class="lines" ref={list} role="log" tabIndex={0} aria-label="Messages" onScroll={scrolled} onClick={(event) => {
        const name = (event.target as Element).closest<HTMLElement>("button[data-name]");
        if (name?.dataset.name) choose(name.dataset.name);
      }}>
        <ol data-testid="lines">
          {lines.map(draw)}
          {pending.map((chat) => (
            <li key={`p${chat.id}`} class="line chat-line pending" data-pending="1"><b style={`color:${colourOf(session.user)}`}>{session.user}</b> {chat.text}</li>
          ))}
        </ol>
      </div>
      {away && <button class="to-end" type="button" onClick={() => { setAway(false); toEnd(); }}>Newest ↓</button>}
      <Whispers room={room} />
      <Composer room={room} session={session} />
    </section>
  );
}

/** Draws each line once: lines never change, and what is the same is not compared again in a busy room. */
function lineDrawer(drawing: Drawing): (line: Line) => VNode {
  const drawn = new WeakMap<Line, VNode>();
  return (line) => {
    const known = drawn.get(line);
    if (known) return known;
    const made = <LineItem key={line.key} line={line} drawing={drawing} />;
    drawn.set(line, made);
    return made;
  };
}

function LineItem({ line, drawing }: { line: Line; drawing: Drawing }) {
  switch (line.kind) {
    case "chat":
      return (
        <li class="line chat-line" data-kind="chat" data-position={line.position} data-own={line.user === drawing.self}>
          <Name user={line.user} drawing={drawing} /><Badge line={line} drawing={drawing} /> <span>{line.text}</span>
        </li>
      );
    case "gift":
      return (
        <li class="line gift-line" data-kind="gift" data-position={line.position} data-user={line.user} data-gift={line.gift} data-total={line.total} data-coins={line.coins}>
          <GiftIcon gift={line.gift} />
          <span><Name user={line.user} drawing={drawing} /> sent {drawing.names.get(line.gift) ?? line.gift}</span>
          {line.total > 1 && <strong class="times">×{exact(line.total)}</strong>}
        </li>
      );
    case "live_started":
      return <li class="line house-line" data-kind="live_started" data-position={line.position}>The show begins{line.title && `: ${line.title}`}</li>;
    case "live_ended":
      return <li class="line house-line" data-kind="live_ended" data-position={line.position}>The show is over. Thank you for coming.</li>;
    case "order":
      return <OrderItem line={line} />;
    case "gap":
      return <li class="line house-line" data-kind="gap">You were away for long: some of what happened is not shown.</li>;
  }
}

/** A name; but for one's own, a button that opens what can be done about them. */
function Name({ user, drawing }: { user: string; drawing: Drawing }) {
  const style = `color:${colourOf(user)}`;
  if (user === drawing.self) return <b style={style}>{user}</b>;
  return <button class="name" type="button" data-name={user} style={style} title={`About ${user}`}>{user}</button>;
}

function Badge({ line, drawing }: { line: ChatLine; drawing: Drawing }) {
  if (line.user === drawing.streamer) return <em class="host">on stage</em>;
  // The role of the time it was said; older servers do not tell it.
  const moderator = line.role === "moderator" || (line.role === undefined && drawing.moderators.has(line.user));
  return moderator ? <em class="moderator" title="Moderator"><ShieldSign /><span class="hidden">moderator</span></em> : null;
}

function OrderItem({ line: { order, position } }: { line: OrderLine }) {
  if (order.type === "notice") {
    return (
      <li class="line notice-line" data-kind="notice" data-position={position}>
        <MegaphoneSign /><span>{order.text} <small>{order.by}</small></span>
      </li>
    );
  }
  return <li class="line house-line order-line" data-kind={order.type} data-position={position} title={`by ${order.by}`}>{orderWords(order)}</li>;
}
