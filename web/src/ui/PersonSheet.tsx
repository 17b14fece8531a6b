// What one can do about one person: write to them, block them; and for those in charge, mute, send out, ban, and make them a moderator.

import { useEffect, useState } from "preact/hooks";
import type { Room } from "../live/room";
import { roleOf } from "../live/rules";
import type { Session } from "../live/session";
import { Avatar } from "./Avatar";
import { colourOf, until } from "./format";
import { Sheet } from "./Sheet";

const MUTES: readonly (readonly [seconds: number, words: string])[] = [[60, "1 minute"], [600, "10 minutes"], [3_600, "1 hour"]];
const ROLES = { streamer: "On stage", moderator: "Moderator" } as const;

export function PersonSheet({ room, session, user, close, write }: {
  room: Room; session: Session; user: string; close: () => void; write: () => void;
}) {
  const role = roleOf(room.house.rules.value, room.id, user);
  return (
    <Sheet title={`About ${user}`} close={close} kind="person-sheet" head={(
      <span class="person">
        <Avatar user={user} /><span><b style={`color:${colourOf(user)}`}>{user}</b><small>{role === "streamer" || role === "moderator" ? ROLES[role] : "Viewer"}</small></span>
      </span>
    )}>
      {room.house.mayModerate(user) && <Moderation room={room} user={user} close={close} />}
      <ul class="actions">
        <li><button type="button" onClick={write}>Write a message<small>Only {user} and you read it</small></button></li>
        <li><BlockButton session={session} user={user} close={close} /></li>
      </ul>
    </Sheet>
  );
}

/** Blocks, or takes it back; cannot be pressed before it is known which. */
function BlockButton({ session, user, close }: { session: Session; user: string; close: () => void }) {
  const [blocked, setBlocked] = useState<boolean | undefined>(undefined);
  useEffect(() => { session.blocks(user).then(setBlocked, () => {}); }, [session, user]);
  const press = () => { void session.block(user, !blocked); close(); };
  return blocked
    ? <button type="button" onClick={press}>Unblock<small>{user} may follow you and come to your room again</small></button>
    : (
      <button class="grave" type="button" disabled={blocked === undefined} onClick={press}>
        Block<small>Ends the follows between you; {user} stays out of your room</small>
      </button>
    );
}

function Moderation({ room, user, close }: { room: Room; user: string; close: () => void }) {
  const house = room.house;
  const rules = house.rules.value;
  const role = roleOf(rules, room.id, user);
  const muted = rules.muted.get(user);
  const stillMuted = muted !== undefined && muted > Date.now();
  const run = (order: Promise<boolean>) => { void order; close(); };
  return (
    <>
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
    </>
  );
}
