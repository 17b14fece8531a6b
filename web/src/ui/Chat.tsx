// The chat: lines in the order of their positions, the user's own words on their way, and the place to write.

import type { VNode } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Line } from "../live/feed";
import { CHAT_TEXT_CHARS_MAX } from "../live/limits";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { colourOf, exact } from "./format";
import { GiftIcon, SendSign } from "./icons";

/** Closer to the end than this, the chat stays at the end. */
const STICKY_PX = 48;

export function Chat({ room, session }: { room: Room; session: Session }) {
  const lines = room.lines.value;
  const pending = room.pendingChat.value;
  const gifts = session.gifts.value;
  const draw = useMemo(() => lineDrawer(new Map(gifts.map((gift) => [gift.id, gift.name])), session.user, room.id), [gifts, session, room]);
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
      <div class="lines" ref={list} role="log" tabIndex={0} aria-label="Messages" onScroll={scrolled}>
        <ol data-testid="lines">
          {lines.map(draw)}
          {pending.map((chat) => (
            <li key={`p${chat.id}`} class="line chat-line pending" data-pending="1"><b style={`color:${colourOf(session.user)}`}>{session.user}</b> {chat.text}</li>
          ))}
        </ol>
      </div>
      {away && <button class="to-end" type="button" onClick={() => { setAway(false); toEnd(); }}>Newest ↓</button>}
      <Composer room={room} />
    </section>
  );
}

/** Draws each line once: lines never change, and what is the same is not compared again in a busy room. */
function lineDrawer(names: Map<string, string>, self: string, streamer: string): (line: Line) => VNode {
  const drawn = new WeakMap<Line, VNode>();
  return (line) => {
    const known = drawn.get(line);
    if (known) return known;
    const made = <LineItem key={line.key} line={line} names={names} self={self} streamer={streamer} />;
    drawn.set(line, made);
    return made;
  };
}

function LineItem({ line, names, self, streamer }: { line: Line; names: Map<string, string>; self: string; streamer: string }) {
  switch (line.kind) {
    case "chat":
      return (
        <li class="line chat-line" data-kind="chat" data-position={line.position} data-own={line.user === self}>
          <b style={`color:${colourOf(line.user)}`}>{line.user}</b>{line.user === streamer && <em class="host">on stage</em>} <span>{line.text}</span>
        </li>
      );
    case "gift":
      return (
        <li class="line gift-line" data-kind="gift" data-position={line.position} data-user={line.user} data-gift={line.gift} data-total={line.total} data-coins={line.coins}>
          <GiftIcon gift={line.gift} />
          <span><b style={`color:${colourOf(line.user)}`}>{line.user}</b> sent {names.get(line.gift) ?? line.gift}</span>
          {line.total > 1 && <strong class="times">×{exact(line.total)}</strong>}
        </li>
      );
    case "live_started":
      return <li class="line house-line" data-kind="live_started" data-position={line.position}>The show begins{line.title && `: ${line.title}`}</li>;
    case "live_ended":
      return <li class="line house-line" data-kind="live_ended" data-position={line.position}>The show is over. Thank you for coming.</li>;
    case "gap":
      return <li class="line house-line" data-kind="gap">You were away for long: some of what happened is not shown.</li>;
  }
}

function Composer({ room }: { room: Room }) {
  const [text, setText] = useState("");
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const said = text.trim();
    if (!said) return;
    void room.say(said);
    setText("");
  };
  return (
    <form class="composer" onSubmit={send}>
      <label class="hidden" for="say">Say something to the room</label>
      <input id="say" value={text} maxLength={CHAT_TEXT_CHARS_MAX} placeholder="Say something" autocomplete="off" enterkeyhint="send"
        onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit" aria-label="Send" disabled={!text.trim()}><SendSign /></button>
    </form>
  );
}
