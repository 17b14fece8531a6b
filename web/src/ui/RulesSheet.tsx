// The room's rules in the hands of those in charge: slow mode, followers only, a notice, the pinned text, moderators.

import { useState } from "preact/hooks";
import { NOTICE_CHARS_MAX } from "../live/limits";
import type { Room } from "../live/room";
import { Avatar } from "./Avatar";
import { Sheet } from "./Sheet";

const SLOW: readonly (readonly [seconds: number, words: string])[] = [[0, "Off"], [5, "5 s"], [15, "15 s"], [30, "30 s"], [60, "1 min"]];

export function RulesSheet({ room, close }: { room: Room; close: () => void }) {
  const house = room.house;
  const rules = house.rules.value;
  const moderators = [...rules.moderators];
  return (
    <Sheet title="House rules" close={close} kind="rules-sheet">
      <fieldset class="choices">
        <legend>Slow mode: one message per viewer every</legend>
        {SLOW.map(([seconds, words]) => (
          <button key={seconds} type="button" aria-pressed={rules.slowModeSeconds === seconds} onClick={() => void house.slowMode(seconds)}>{words}</button>
        ))}
      </fieldset>
      <button class="switch" type="button" role="switch" aria-checked={rules.followersOnly} onClick={() => void house.followersOnly(!rules.followersOnly)}>
        <span>Followers only<small>Only people who follow {room.isOwn ? "you" : room.id} may speak</small></span><i aria-hidden="true" />
      </button>
      <TextOrder label="Notice to the room" button="Post" send={(text) => house.notice(text)} />
      <TextOrder label="Pinned over the chat" button={rules.pinned ? "Replace" : "Pin"} send={(text) => house.pin(text)}
        more={rules.pinned && <p class="now-pinned"><q>{rules.pinned}</q><button class="link" type="button" onClick={() => void house.pin("")}>Unpin</button></p>} />
      {moderators.length > 0 && (
        <section class="moderators">
          <h3>Moderators</h3>
          <ul>
            {moderators.map((user) => (
              <li key={user}>
                <Avatar user={user} /><b>{user}</b>
                {room.isOwn && <button class="link" type="button" onClick={() => void house.removeModerator(user)}>Remove<span class="hidden"> {user}</span></button>}
              </li>
            ))}
          </ul>
        </section>
      )}
      {room.isOwn && moderators.length === 0 && <p class="hint-line">Tap a name in the chat to make somebody a moderator.</p>}
    </Sheet>
  );
}

function TextOrder({ label, button, send, more }: {
  label: string; button: string; send: (text: string) => Promise<boolean>; more?: preact.ComponentChildren;
}) {
  const [text, setText] = useState("");
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const said = text.trim();
    if (said && await send(said)) setText("");
  };
  return (
    <form class="text-order" onSubmit={(event) => void submit(event)}>
      <label>
        <span>{label}</span>
        <input value={text} maxLength={NOTICE_CHARS_MAX} autocomplete="off" onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button class="primary" type="submit" disabled={!text.trim()}>{button}</button>
      {more}
    </form>
  );
}
