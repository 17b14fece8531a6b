// Where one speaks, and why one may not at the moment: muted, slow mode, followers only, sent out.

import { useEffect, useState } from "preact/hooks";
import { CHAT_TEXT_CHARS_MAX } from "../live/limits";
import type { Room } from "../live/room";
import type { Session } from "../live/session";
import { remaining, until } from "./format";
import { SendSign } from "./icons";

const SECOND_MS = 1_000;

export function Composer({ room, session }: { room: Room; session: Session }) {
  const [text, setText] = useState("");
  const returned = room.returned.value;
  useEffect(() => {
    if (returned === undefined) return;
    // What was refused is not lost: it is there again, unless something else was written meanwhile.
    setText((now) => now || returned);
    room.takeBack();
  }, [returned, room]);
  const mutedMs = useTimeLeft(room.house.mutedUntil.value, session.clock.unix);
  const waitMs = useTimeLeft(room.house.mayNextSayAt.value, session.clock.now);
  const muted = mutedMs > 0;
  const closed = muted || room.house.out.value !== undefined;
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const said = text.trim();
    if (!said || closed || waitMs > 0) return;
    void room.say(said);
    setText("");
  };
  return (
    <form class="composer" onSubmit={send}>
      <Hint room={room} session={session} mutedMs={mutedMs} />
      <label class="hidden" for="say">Say something to the room</label>
      <input id="say" value={text} maxLength={CHAT_TEXT_CHARS_MAX} placeholder={placeholder(room, session, muted)} autocomplete="off"
        enterkeyhint="send" disabled={closed} aria-describedby="say-hint" onInput={(event) => setText(event.currentTarget.value)} />
      <button type="submit" aria-label={waitMs > 0 ? `Send, in ${Math.ceil(waitMs / SECOND_MS)} seconds` : "Send"}
        disabled={!text.trim() || closed || waitMs > 0} data-waiting={waitMs > 0}>
        {waitMs > 0 ? <b>{Math.ceil(waitMs / SECOND_MS)}</b> : <SendSign />}
      </button>
    </form>
  );
}

/** Whether followers-only shuts the user out. */
const mustFollow = (room: Room, session: Session): boolean =>
  room.house.rules.value.followersOnly && room.house.role.value === undefined && !session.following.value.has(room.id);

/** The hint in a few words, for where there is no space for it. */
function placeholder(room: Room, session: Session, muted: boolean): string {
  if (muted) return `You are muted until ${until(room.house.mutedUntil.value ?? 0)}`;
  if (mustFollow(room, session)) return "Only followers may speak";
  const { slowModeSeconds } = room.house.rules.value;
  return slowModeSeconds > 0 && room.house.role.value === undefined ? `Say something every ${remaining(slowModeSeconds * SECOND_MS)}` : "Say something";
}

function Hint({ room, session, mutedMs }: { room: Room; session: Session; mutedMs: number }) {
  const { slowModeSeconds } = room.house.rules.value;
  const plain = room.house.role.value === undefined;
  let hint;
  if (mutedMs > 0) {
    hint = <>You are muted until {until(room.house.mutedUntil.value ?? 0)}, {remaining(mutedMs)} from now. You can still watch and send gifts.</>;
  } else if (mustFollow(room, session)) {
    hint = <>Only followers may speak here. <button class="link" type="button" onClick={() => void session.follow(room.id, true)}>Follow {room.id}</button></>;
  } else if (slowModeSeconds > 0) {
    hint = plain ? <>Slow mode: one message every {remaining(slowModeSeconds * SECOND_MS)}.</> : <>Slow mode is on for viewers: {remaining(slowModeSeconds * SECOND_MS)}.</>;
  }
  return <p class="say-hint" id="say-hint" role="status" data-testid="say-hint" data-muted={mutedMs > 0}>{hint}</p>;
}

/** Milliseconds until `end`, drawn anew every second while there are any. */
function useTimeLeft(end: number | undefined, now: () => number): number {
  const [, redraw] = useState(0);
  const left = end === undefined ? 0 : Math.max(0, end - now());
  const running = left > 0;
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => redraw((n) => n + 1), SECOND_MS);
    return () => clearInterval(timer);
  }, [running, end]);
  return left;
}
