// What those in charge can do about one person: mute, send out, ban, and for the streamer make them a moderator.

import type { Room } from "../live/room";
import { roleOf } from "../live/rules";
import { Avatar } from "./Avatar";
import { colourOf, until } from "./format";
import { Sheet } from "./Sheet";

const MUTES: readonly (readonly [seconds: number, words: string])[] = [[60, "1 minute"], [600, "10 minutes"], [3_600, "1 hour"]];

export function PersonSheet({ room, user, close }: { room: Room; user: string; close: () => void }) {
  const house = room.house;
  const rules = house.rules.value;
  const role = roleOf(rules, room.id, user);
  const muted = rules.muted.get(user);
  const stillMuted = muted !== undefined && muted > Date.now();
  const run = (order: Promise<boolean>) => { void order; close(); };
  return (
    <Sheet title={`Moderate ${user}`} close={close} kind="person-sheet" head={(
      <span class="person">
        <Avatar user={user} /><span><b style={`color:${colourOf(user)}`}>{user}</b><small>{role === "moderator" ? "Moderator" : "Viewer"}</small></span>
      </span>
    )}>
      <fieldset class="choices">
        <legend>{stillMuted ? `Muted until ${until(muted)}` : "Mute for"}</legend>
        {MUTES.map(([seconds, words]) => <button key={seconds} type="button" onClick={() => run(house.mute(user, seconds))}>{words}</button>)}
        {stillMuted && <button type="button" onClick={() => run(house.unmute(user))}>Unmute</button>}
      </fieldset>
      <ul class="actions">
        <li><button type="button" onClick={() => run(house.kick(user))}>Send out<small>May come back after a minute</small></button></li>
        <li>
          {rules.banned.has(user)
            ? <button type="button" onClick={() => run(house.unban(user))}>Lift the ban<small>Lets {user} in again</small></button>
            : <button class="grave" type="button" onClick={() => run(house.ban(user))}>Ban<small>Leaves at once and stays out</small></button>}
        </li>
        {room.isOwn && (
          <li>
            {role === "moderator"
              ? <button type="button" onClick={() => run(house.removeModerator(user))}>Remove as moderator<small>Stays as a viewer</small></button>
              : <button type="button" onClick={() => run(house.addModerator(user))}>Make moderator<small>May mute, send out, ban and post notices</small></button>}
          </li>
        )}
      </ul>
    </Sheet>
  );
}
